"""Function: one operation, with its result forwards and its gradient backwards; and what it checks at each call.

Imports: tensor, changes, recording, called. Read next: ``backward.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from minigen.autograd.changes import GradientError, sequence
from minigen.autograd.recording import recording
from minigen.autograd.tensor import Tensor, as_tensor
from minigen.called import called
from minigen_kernels import Array


class Function:
    """One application of one operation.

    A subclass states two methods. `forward` takes arrays and returns an array. `backward` takes Tensors - the gradient
    `gy` of the result, and the result `y` itself - and returns the gradient of each input (one Tensor, or a tuple with
    None where there is none), computed in differentiable operations only.

    Static arguments (an axis, a stride) are keyword arguments of `apply` and become attributes. A Python number among
    the inputs stays a number, which takes the dtype of the array that it meets; it has no gradient.

    Floating inputs share one dtype. Tensors of whole numbers may stand beside them, as positions or labels do; they
    have no gradient, `backward` returns None for them. A result of another floating dtype than the inputs' is an error.

    **A saved array is a constant to the engine.** `forward` may save shapes, masks and indices as attributes. What
    depends smoothly on an input must be computed again in `backward` from `self.inputs` or `y`: an array has no
    history, and the second derivative would silently lack a term. `FusedFunction` is the way out of this rule.
    """

    #: Are all inputs computed with? Then whole numbers beside floats would be promoted, and are refused.
    one_dtype: ClassVar[bool] = False

    inputs: tuple[Tensor, ...]
    sequence: int

    def __init__(self, **static: Any) -> None:
        self.__dict__ = static

    @classmethod
    def apply(cls, *inputs: Any, **static: Any) -> Tensor:
        """Run the operation on Tensors (arrays are taken as constant Tensors) and record it, if there is a need to."""
        return cls(**static)(*inputs)

    def __call__(self, *inputs: Any) -> Tensor:
        """As `apply`, for a caller that wants to look at what `forward` saved. A Function is called once."""
        arrays: list[Any] = []
        first, requires_grad, mixed = None, False, None
        for x in inputs:
            if isinstance(x, Tensor):
                data = x.data
                if first is None:
                    first = data
                elif data.dtype is not first.dtype or type(data) is not type(first):
                    mixed = _check_alike(self, inputs)
                if x.requires_grad:
                    requires_grad = True
                arrays.append(data)
            elif type(x) is float or type(x) is int:
                arrays.append(x)
            else:
                return self(*map(_constant, inputs))
        if first is None:  # numbers only
            return self(*map(Tensor, inputs))
        try:
            y = Tensor(self.forward(*arrays) if recording.watch is None else recording.watch(self, arrays))
        except (ValueError, TypeError, IndexError) as error:
            shapes = ", ".join(str(np.shape(a)) for a in arrays)
            kind = next(kind for kind in (ValueError, TypeError, IndexError) if isinstance(error, kind))
            raise kind(f"{called(type(self).__name__)}: {error} (inputs of shape {shapes})") from error
        if mixed is not None and y.dtype.kind == "f" and y.dtype != mixed:
            raise TypeError(
                f"{type(self).__name__}: {mixed} beside whole numbers gave {y.dtype}. Nothing is promoted silently: "
                "use .to(dtype=...)"
            )
        if requires_grad and recording.on:
            if "sequence" in self.__dict__:
                name = type(self).__name__
                raise GradientError(f"{name} was called twice; it remembers one call, so use {name}.apply for each")
            self.inputs, self.sequence = inputs, next(sequence)
            y.requires_grad, y.node = True, self
        return y

    def forward(self, *arrays: Any, **_: Any) -> Array:
        """Arrays to array."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, gy: Tensor, y: Tensor) -> Tensor | None | tuple[Tensor | None, ...]:
        """Gradient of the result to gradients of the inputs; None stands for zero."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def onnx(self, graph: Any, *inputs: Any) -> Any:
        """The operation in ONNX: what ``graph.node("Exp", x)`` returns, say; see `minigen.onnx.graph.Graph`.

        None, as here: by what `forward` does with NumPy. A Function that calls a kernel states its form.
        """
        return None

    def needs(self, i: int) -> bool:
        """Does anybody ask for the gradient of input `i`? Costly gradients are skipped where nobody does."""
        if recording.function is self:
            return recording.needs_input_grad[i]
        return isinstance(self.inputs[i], Tensor) and self.inputs[i].requires_grad


def _constant(x: Any) -> Tensor | int | float:
    """An input as `Function.__call__` wants it: a Tensor, a Python number, or an array made a constant Tensor."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.generic):
        x = x.item()
    return float(x) if isinstance(x, float) else int(x) if isinstance(x, int) else as_tensor(x)


def _check_alike(function: Function, inputs: tuple[Any, ...]) -> np.dtype[Any] | None:
    """Nothing is converted silently: floating inputs share one dtype, all inputs one device.

    The result is the dtype of the floating inputs if whole numbers stand beside them, which only some Functions take.
    """
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    floats = [x.dtype for x in tensors if x.dtype.kind == "f"]
    others = [x.dtype for x in tensors if x.dtype.kind in "iu"]
    devices = [x.device for x in tensors]
    name = type(function).__name__
    if len(set(floats)) > 1 or (floats and others and function.one_dtype):
        names = " and ".join(dict.fromkeys(map(str, floats + others if function.one_dtype else floats)))
        raise TypeError(f"{called(name)}: inputs of dtype {names}. Nothing is promoted silently: use .to(dtype=...)")
    if len(set(devices)) > 1:
        names = " and ".join(dict.fromkeys(devices))
        raise TypeError(f"{called(name)}: inputs on {names}. Nothing is moved silently: use .to(device)")
    return floats[0] if floats and others else None
