"""Tensor: an array, and the history that gradients are computed from.

Its operators and methods call operations and the backward pass, which are themselves made of Tensors. So this file
cannot import them; ``minigen/ops/tensor_methods.py`` does, and gives them to the name `methods` here.

Imports: device, shapes, called, arrays, protocols. Read next: ``function.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from minigen.autograd.arrays import ARRAYS, DTYPES, as_array
from minigen.autograd.protocols import Protocols
from minigen.called import called
from minigen.device import Device, check_device, device_of, to_device
from minigen.shapes import as_dtype, flag
from minigen_kernels import Array

#: What the methods of Tensor call, by name; filled in ``minigen/ops/tensor_methods.py``.
methods: Any = None


class Node(Protocol):
    """What a Tensor remembers of the `Function` that made it: all that the backward pass needs to know."""

    inputs: tuple[Tensor, ...]
    sequence: int

    def backward(self, gy: Tensor, y: Tensor) -> Tensor | None | tuple[Tensor | None, ...]:
        """Gradient of the result to gradients of the inputs; None stands for zero."""


class Tensor(Protocols):
    """An array that remembers how it was made.

    `data` is the array (it is shared, not copied, when an array is given; lists of floats become float32). Python
    numbers and lists, NumPy and CuPy arrays are accepted; dtypes are float32, float64, the integers and bool. Floats
    keep their dtype through every operation; integers and bools behave as in NumPy (a quotient of integers is float64).
    `grad` is None until `backward` writes the gradient of a leaf there. `device` is "cpu" or "cuda".
    """

    __slots__ = ("__weakref__", "changed", "data", "grad", "node", "requires_grad")
    __hash__ = object.__hash__  # Tensors are compared element by element, but remain keys by identity

    data: Array
    grad: Tensor | None
    node: Node | None
    requires_grad: bool
    changed: int  # when `note_change` was last told of this Tensor, as a number in the sequence of Functions

    def __init__(self, data: Any, requires_grad: bool = False, device: str | None = None, dtype: Any = None) -> None:
        if type(data) not in ARRAYS or data.dtype not in DTYPES or dtype is not None or device is not None:
            if isinstance(data, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: got a Tensor; use .detach() for its values without history, .to() to "
                    "convert it"
                )
            data = as_array(data, device, dtype)
        self.data, self.requires_grad, self.grad, self.node, self.changed = data, False, None, None, 0
        if requires_grad is not False and flag("Tensor", "requires_grad", requires_grad):
            if data.dtype.kind != "f":
                raise TypeError(
                    f"{type(self).__name__}: only float32 and float64 can require a gradient, not {data.dtype}"
                )
            self.requires_grad = True

    # What it is.

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self.data.dtype

    @property
    def device(self) -> Device:
        """Where the array lives: "cpu" or "cuda"."""
        return device_of(self.data)

    @property
    def T(self) -> Tensor:  # noqa: N802 - the name that NumPy gives it
        """The Tensor with its axes in reverse order."""
        return methods.transpose(self)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError(f"Tensor: one number cannot be iterated over: {self!r}")
        return (self[i] for i in range(len(self)))

    # Out of the graph.

    def numpy(self) -> Array:
        """The values as a NumPy array (shared with the Tensor when it is on the CPU)."""
        return to_device(self.data, "cpu")

    def item(self) -> float:
        """The value of a Tensor of one element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"Tensor.item: one element is wanted, shape {self.shape} has {self.size}; index it first")
        return self.data.item()

    def detach(self) -> Tensor:
        """The same values without history: a constant for every derivative."""
        return Tensor(self.data)

    def to(self, device: str | None = None, dtype: Any = None) -> Tensor:
        """The Tensor on another device or in another dtype; differentiable. The same Tensor if nothing changes."""
        device = self.device if device is None else check_device(device, "Tensor.to: ")
        dtype = self.dtype if dtype is None else as_dtype("Tensor.to", dtype)
        if (device, dtype) == (self.device, self.dtype):
            return self
        if dtype not in DTYPES:
            raise TypeError(f"Tensor.to: dtype {dtype} is not supported; use float32 or float64")
        source = self if dtype.kind == "f" else self.detach()  # whole numbers have no gradient
        return methods.to(source, device=check_device(device), dtype=dtype)

    def backward(self, gy: Tensor | None = None) -> None:
        """Add the gradient of this Tensor to the `.grad` of every leaf that requires one.

        Without `gy` the Tensor must be a scalar (shape (), or one element); `gy` weights the elements otherwise.
        """
        methods.backward(self, gy)

    # Operators. Each is a differentiable operation; comparisons give a bool Tensor without gradient.

    def __add__(self, other: Any) -> Tensor:
        return methods.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return methods.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return methods.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return methods.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return methods.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return methods.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return methods.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return methods.div(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return methods.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return methods.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return methods.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return methods.matmul(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return methods.floordiv(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return methods.floordiv(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return methods.mod(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return methods.mod(other, self)

    def __neg__(self) -> Tensor:
        return methods.neg(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return methods.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return methods.getitem(self, index)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(self.data == beside(self, other))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(self.data != beside(self, other))

    def __lt__(self, other: Any) -> Tensor:
        return Tensor(self.data < beside(self, other))

    def __le__(self, other: Any) -> Tensor:
        return Tensor(self.data <= beside(self, other))

    def __gt__(self, other: Any) -> Tensor:
        return Tensor(self.data > beside(self, other))

    def __ge__(self, other: Any) -> Tensor:
        return Tensor(self.data >= beside(self, other))

    # Masks are combined as in NumPy; there is no gradient either.

    def __and__(self, other: Any) -> Tensor:
        return Tensor(self.data & beside(self, other))

    def __or__(self, other: Any) -> Tensor:
        return Tensor(self.data | beside(self, other))

    def __invert__(self) -> Tensor:
        return Tensor(~self.data)

    # The methods that nearly every formula needs; all other operations are functions in `minigen.ops`.

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The sum over `axis` (all axes by default)."""
        return methods.sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The mean over `axis` (all axes by default)."""
        return methods.mean(self, axis, keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape, given as numbers or as one tuple; -1 stands for what is left."""
        return methods.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, given as numbers or as one tuple (reversed by default)."""
        one = len(axes) == 1 and isinstance(axes[0], (tuple, list))
        return methods.transpose(self, axes[0] if one else axes or None)


def as_tensor(x: Any, name: str = "Tensor", *, device: str | None = None, dtype: Any = None) -> Tensor:
    """`x` itself if it is a Tensor, else a constant Tensor of it. An error names what was called, or else `name`."""
    if isinstance(x, Tensor):
        return x
    try:
        return Tensor(x, device=device, dtype=dtype)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(str(error).replace("Tensor", called(name), 1)) from error


def data_of(x: Any) -> Any:
    """What a Tensor is compared with, as an array or number; a NumPy number counts like one of Python."""
    return x.data if isinstance(x, Tensor) else x.item() if isinstance(x, np.generic) else x


def beside(t: Tensor, x: Any) -> Any:
    """`data_of(x)`, which `t` is compared with. TypeError if it lies on another device."""
    data = data_of(x)
    if type(data) is not type(t.data) and hasattr(data, "dtype") and device_of(data) != t.device:
        raise TypeError(
            f"a comparison: inputs on {t.device} and {device_of(data)}. Nothing is moved silently: use .to(device)"
        )
    return data
