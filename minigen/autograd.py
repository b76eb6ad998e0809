"""The engine: Tensor, Function, grad, and the few operations that Tensor's own operators need.

A `Tensor` is an array that remembers how it was made: `y.node` is the `Function` that made it, `y.node.inputs` are the
Tensors that it was made from. `grad` walks these links backwards. A Function's `backward` takes Tensors, returns
Tensors and calls only differentiable operations; so the gradient is itself made of operations, and can be
differentiated again, to any order. There is no other machinery.

Imports: device, and the rules that need no Tensor: arrays, shapes, indexing, recording, foreign. Read next:
``gradcheck/__init__.py``, then ``ops/elementwise.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from minigen.arrays import DTYPES, as_array
from minigen.arrays import add_up as add_up
from minigen.arrays import gemm as gemm
from minigen.called import called
from minigen.device import Device, array_module, check_device, device_of, to_device
from minigen.foreign import Foreign
from minigen.indexing import plain_index, repeats
from minigen.recording import Record, recording
from minigen.recording import is_recording as is_recording
from minigen.recording import no_grad as no_grad
from minigen.shapes import as_dtype, check_broadcast, flag, reshape_error, several, stack_shape, whole_shape
from minigen.shapes import normalize_axis as normalize_axis
from minigen_kernels import Array

_sequence = itertools.count(1)  # numbers the Functions in the order in which they run
_last_change = 0  # the newest number that `note_change` gave


class GradientError(RuntimeError):
    """A `backward` broke its contract: wrong number, shape, dtype or device of gradients, or no second derivative."""


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
        self.__dict__.update(static)

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
            y = Tensor(self.forward(*arrays))
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
            self.inputs, self.sequence = inputs, next(_sequence)
            y.requires_grad, y.node = True, self
        return y

    def forward(self, *arrays: Any, **_: Any) -> Array:
        """Arrays to array."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, gy: Tensor, y: Tensor) -> Tensor | None | tuple[Tensor | None, ...]:
        """Gradient of the result to gradients of the inputs; None stands for zero."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def needs(self, i: int) -> bool:
        """Does anybody ask for the gradient of input `i`? Costly gradients are skipped where nobody does."""
        if recording.function is self:
            return recording.wanted[i]
        return isinstance(self.inputs[i], Tensor) and self.inputs[i].requires_grad


class FusedFunction(Function):
    """An operation whose first derivative is a hand-written kernel, and which says in `definition` what it computes.

    For the first order the engine runs `backward_arrays`: arrays in, arrays out, free to use whatever `forward` saved.
    Under ``create_graph`` it calls `gradient` instead, which differentiates `definition`: the same function in
    differentiable operations. So fusing can make no higher order wrong, and the definition is what a student reads.
    """

    def backward_arrays(self, gy: Array, y: Array) -> Array | None | tuple[Array | None, ...]:
        """Gradient of the result to gradients of the inputs, as arrays; None where `needs(i)` is False."""
        raise NotImplementedError(f"{type(self).__name__} has no backward_arrays")

    def definition(self, *inputs: Any) -> Tensor:
        """The same function of the same inputs in differentiable operations."""
        raise GradientError(
            f"{type(self).__name__} is fused and has no definition, so it can be differentiated only once: "
            "state `definition`, or do not ask for create_graph"
        )

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's gradient, or under `create_graph` the definition's."""
        if recording.on:
            return self.gradient(gy, y)
        arrays = self.backward_arrays(gy.data, y.data)
        several = arrays if isinstance(arrays, tuple) else (arrays,)
        return tuple([None if gx is None else Tensor(gx) for gx in several])

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of each input in differentiable operations: that of `definition`.

        An operation whose gradient can be told from its result states that here, and needs no definition: then nothing
        is computed again.
        """
        # New names for the inputs: the inner walk ends at them, while its results still depend on the real inputs.
        held = [Identity.apply(x) if isinstance(x, Tensor) and x.requires_grad else x for x in self.inputs]
        asked = [i for i in range(len(held)) if self.needs(i)]
        gxs = grad(self.definition(*held), [held[i] for i in asked], gy, create_graph=True)
        found = dict(zip(asked, gxs, strict=True))
        return tuple(found.get(i) for i in range(len(held)))


class Tensor(Foreign):
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
    node: Function | None
    requires_grad: bool
    changed: int  # when `note_change` was last told of this Tensor, as a number in the sequence of Functions

    def __init__(self, data: Any, requires_grad: bool = False, device: str | None = None, dtype: Any = None) -> None:
        if type(data) is not np.ndarray or data.dtype not in DTYPES or dtype is not None or device is not None:
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
        return transpose(self)

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
        return To.apply(source, device=check_device(device), dtype=dtype)

    def backward(self, gy: Tensor | None = None) -> None:
        """Add the gradient of this Tensor to the `.grad` of every leaf that requires one.

        Without `gy` the Tensor must be a scalar (shape (), or one element); `gy` weights the elements otherwise.
        """
        leaves: list[Tensor] = []
        for leaf, g in zip(leaves, _backpropagate(self, gy, leaves, False), strict=True):
            leaf.grad = g if leaf.grad is None else leaf.grad + g

    # Operators. Each is a differentiable operation; comparisons give a bool Tensor without gradient.

    def __add__(self, other: Any) -> Tensor:
        return Add.apply(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return Add.apply(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return Sub.apply(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return Sub.apply(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return Mul.apply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return Mul.apply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return Div.apply(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return Div.apply(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return FloorDiv.apply(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return FloorDiv.apply(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return Remainder.apply(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return Remainder.apply(other, self)

    def __neg__(self) -> Tensor:
        return Neg.apply(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return Abs.apply(self)

    def __getitem__(self, index: Any) -> Tensor:
        return getitem(self, index)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(self.data == _values(other))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return Tensor(self.data != _values(other))

    def __lt__(self, other: Any) -> Tensor:
        return Tensor(self.data < _values(other))

    def __le__(self, other: Any) -> Tensor:
        return Tensor(self.data <= _values(other))

    def __gt__(self, other: Any) -> Tensor:
        return Tensor(self.data > _values(other))

    def __ge__(self, other: Any) -> Tensor:
        return Tensor(self.data >= _values(other))

    # Masks are combined as in NumPy; there is no gradient either.

    def __and__(self, other: Any) -> Tensor:
        return Tensor(self.data & _values(other))

    def __or__(self, other: Any) -> Tensor:
        return Tensor(self.data | _values(other))

    def __invert__(self) -> Tensor:
        return Tensor(~self.data)

    # The methods that nearly every formula needs; all other operations are functions in `minigen.ops`.

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The sum over `axis` (all axes by default)."""
        return sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The mean over `axis` (all axes by default)."""
        return mean(self, axis, keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape, given as numbers or as one tuple; -1 stands for what is left."""
        return reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, given as numbers or as one tuple (reversed by default)."""
        return transpose(self, axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes or None)


def grad(
    y: Tensor, xs: Sequence[Tensor], gy: Tensor | None = None, *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """The gradients of `y` with respect to each Tensor in `xs`: zeros for one that `y` does not depend on.

    `gy` (the shape of `y`) weights the elements of `y`; without it `y` must have one element. With `create_graph` the
    gradients are recorded and can be differentiated again; otherwise the first order pays for no graph.
    """
    if isinstance(xs, Tensor):
        raise TypeError("grad: xs is a sequence of Tensors; write grad(y, [x]) and take the first of the result")
    xs = several("grad", xs, "a sequence of Tensors as xs")
    create_graph = flag("grad", "create_graph", create_graph)
    for i, x in enumerate(xs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise ValueError(f"grad: xs[{i}] does not require a gradient: {x!r}. Make it with requires_grad=True")
    return _backpropagate(y, gy, xs, create_graph) if len(xs) else ()


def _backpropagate(y: Tensor, gy: Tensor | None, targets: list[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    """The gradients of the targets. An empty list of targets stands for all leaves, and is filled with them."""
    name = "grad" if targets else "backward"
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: y has to be a Tensor, got {y!r}")
    if not y.requires_grad:
        raise ValueError(f"{name}: nothing that {y!r} was made from requires a gradient (or it was made in no_grad)")
    if gy is None:
        if y.size != 1:
            raise ValueError(f"{name}: y has shape {y.shape}; give gy of that shape, or reduce y to one number")
        gy = Tensor(array_module(y.data).ones_like(y.data))
    else:
        gy = as_tensor(gy, name)
        if (gy.shape, gy.dtype, gy.device) != (y.shape, y.dtype, y.device):
            raise ValueError(f"{name}: gy has to be like y, which is {y!r}, but it is {gy!r}")
        if not create_graph:
            gy = gy.detach()  # it may itself come back as a gradient

    # 1. Everything that y was made from, up to the targets: what ran before the oldest target cannot depend on one.
    oldest = min((-1 if t.node is None else t.node.sequence for t in targets), default=-1)
    made: list[tuple[int, Tensor]] = []
    leaves: dict[int, Tensor] = {}
    seen, stack = set(), [y]
    while stack:
        t = stack.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        if t.node is None:
            leaves[id(t)] = t
        elif t.node.sequence > oldest:
            made.append((t.node.sequence, t))
            stack += [x for x in t.node.inputs if isinstance(x, Tensor) and x.requires_grad]
    if not targets:
        targets += leaves.values()
    made.sort(key=lambda pair: pair[0])

    # 2. Forwards in time: which of it lies on the way to a target?
    targeted = {id(t) for t in targets}
    on_the_way = set(targeted)
    path: list[tuple[Tensor, Function, tuple[bool, ...]]] = []
    changes = bool(made) and made[0][0] < _last_change  # has anything changed in place since the first of them ran?
    for _, t in made:
        function = t.node
        assert function is not None
        wanted = tuple([id(x) in on_the_way for x in function.inputs])
        if True in wanted:
            if changes:
                _check_unchanged(name, function)
            on_the_way.add(id(t))
            path.append((t, function, wanted))

    # 3. Backwards in time: each Function turns the gradient of its result into gradients of its inputs.
    table = {id(y): gy}
    outer = recording.function, recording.wanted  # of a `backward` that has called `grad`
    try:
        with Record(create_graph):
            for t, function, wanted in reversed(path):
                g = table.get(id(t)) if id(t) in targeted else table.pop(id(t), None)
                if g is not None:
                    recording.function, recording.wanted = function, wanted
                    _propagate(function, wanted, function.backward(g, t), table)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call of `backward` itself
            signature = "it takes the gradient of the result and the result: def backward(self, gy, y)"
            raise GradientError(f"{error}; {signature}") from error
        raise
    finally:
        recording.function, recording.wanted = outer
    return tuple([table[id(t)] if id(t) in table else _zeros_like(t) for t in targets])


def _propagate(function: Function, wanted: tuple[bool, ...], gxs: Any, table: dict[int, Tensor]) -> None:
    """Check the gradients that a `backward` returned, and add them to the table."""
    inputs = function.inputs
    if not isinstance(gxs, tuple):
        gxs = (gxs,)
    if len(gxs) != len(inputs):
        name = type(function).__name__
        raise GradientError(f"{name}.backward returned {len(gxs)} gradients for {len(inputs)} inputs")
    for i, (x, gx) in enumerate(zip(inputs, gxs, strict=True)):
        if gx is None or not wanted[i]:
            continue
        if not isinstance(gx, Tensor) or gx.data.shape != x.data.shape or gx.data.dtype != x.data.dtype:
            name = type(function).__name__
            raise GradientError(f"{name}.backward: the gradient of input {i} must be like the input, {x!r}; got {gx!r}")
        before = table.get(id(x))
        table[id(x)] = gx if before is None else before + gx


def note_change(t: Tensor) -> None:
    """Say that `t.data` was replaced or changed in place.

    What was computed from the old values can then no longer be differentiated: `backward` would read the new ones. From
    now on the engine raises GradientError there, instead of a wrong gradient. Optimizers call this at every step.
    """
    global _last_change
    t.changed = _last_change = next(_sequence)


def _check_unchanged(name: str, function: Function) -> None:
    for i, x in enumerate(function.inputs):
        if isinstance(x, Tensor) and x.changed > function.sequence:
            raise GradientError(
                f"{name}: input {i} of {type(function).__name__}, {x!r}, was changed in place after it was used (by an "
                "optimizer step, batch norm or load_state_dict), so the gradient would mix old and new values. Call "
                "every backward before the first step, or compute the result again after it"
            )


def _zeros_like(t: Tensor) -> Tensor:
    return Tensor(array_module(t.data).zeros_like(t.data))


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
    if len(set(floats)) > 1 or (floats and others and function.one_dtype):
        names = " and ".join(dict.fromkeys(map(str, floats + others if function.one_dtype else floats)))
        raise TypeError(
            f"{called(type(function).__name__)}: inputs of dtype {names}. Nothing is promoted silently: use "
            ".to(dtype=...)"
        )
    if len(set(devices)) > 1:
        names = " and ".join(devices)
        raise TypeError(
            f"{called(type(function).__name__)}: inputs on {names}. Nothing is moved silently: use .to(device)"
        )
    return floats[0] if floats and others else None


def _values(x: Any) -> Any:
    """What a Tensor is compared with, as an array or number; a NumPy number counts like one of Python."""
    return x.data if isinstance(x, Tensor) else x.item() if isinstance(x, np.generic) else x


# The operations behind Tensor's operators. `minigen.ops` holds all the others.


class Identity(Function):
    """The same values under a new name."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


class To(Function):
    """The same values on another device or in another dtype."""

    device: Device
    dtype: np.dtype[Any]

    def forward(self, x: Array) -> Array:
        return to_device(x, self.device).astype(self.dtype)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy.to(x.device, x.dtype)


class Add(Function):
    """a + b."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(sum_to(gy, x.shape) if self.needs(i) else None for i, x in enumerate(self.inputs))


class Neg(Function):
    """-x."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return -gy


class Sub(Function):
    """a - b. Not a + (-b): this is one pass over memory instead of two."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return sum_to(gy, a.shape) if self.needs(0) else None, -sum_to(gy, b.shape) if self.needs(1) else None


class Mul(Function):
    """a * b, element by element."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (sum_to(gy * b, a.shape) if self.needs(0) else None, sum_to(gy * a, b.shape) if self.needs(1) else None)


class Div(Function):
    """a / b. Not a * b**-1, which rounds twice and overflows where b is tiny."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        ga = gy / b
        return (sum_to(ga, a.shape) if self.needs(0) else None, -sum_to(ga * y, b.shape) if self.needs(1) else None)


class FloorDiv(Function):
    """a // b, rounded down. Between its jumps it is constant, so there is no gradient."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a // b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[None, None]:
        return None, None


class Remainder(Function):
    """a % b = a - (a // b) b, of the sign of b. The quotient is constant between its jumps."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a % b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(gy, a.shape) if self.needs(0) else None,
            sum_to(-gy * (a // b), b.shape) if self.needs(1) else None,
        )


class Abs(Function):
    """|x|."""

    def forward(self, x: Array) -> Array:
        return array_module(x).abs(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0].data
        return gy * Tensor(array_module(x).sign(x))


class Log(Function):
    """The natural logarithm."""

    def forward(self, x: Array) -> Array:
        return array_module(x).log(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / self.inputs[0]


class Power(Function):
    """a ** b. d/da = b a**(b-1) (0 for b = 0), d/db = a**b log a (0 for a = 0, its limit where b is positive)."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return a * a if isinstance(b, (int, float)) and b == 2 else a**b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        ga = gb = None
        if self.needs(0):
            if isinstance(b, (int, float)):  # 0 * 0**-1 would be NaN; and x**0 takes time
                ga = None if b == 0 else gy if b == 1 else gy * (a * 2 if b == 2 else a ** (b - 1) * b)
            else:  # at 0**0 too 0 * 0**-1 would be NaN: there the exponent is raised to 0
                ga = gy * a ** (b - 1 + Tensor(((a.data == 0) & (b.data == 0)).astype(b.dtype))) * b
            ga = None if ga is None else sum_to(ga, a.shape)
        if self.needs(1):
            if isinstance(a, Tensor):
                log_a: Any = Log.apply(a + Tensor((a.data == 0).astype(a.dtype)))  # log 1 = 0 there
            else:
                log_a = float(np.log(a or 1))
            gb = sum_to(gy * y * log_a, b.shape)
        return ga, gb


class MatMul(Function):
    """(..., M, K) @ (..., K, N) -> (..., M, N); leading axes broadcast."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return gemm(a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            _matmul_to(gy, swap_last(b), a.shape) if self.needs(0) else None,
            _matmul_to(swap_last(a), gy, b.shape) if self.needs(1) else None,
        )


class Sum(Function):
    """The sum over some axes. Its gradient is broadcast_to, whose gradient is this."""

    axis: tuple[int, ...]
    keepdims: bool

    def forward(self, x: Array) -> Array:
        return add_up(x, self.axis, self.keepdims)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        shape = self.inputs[0].shape
        kept = tuple(1 if i in self.axis else n for i, n in enumerate(shape))
        return broadcast_to(reshape(gy, kept), shape)


class BroadcastTo(Function):
    """Repeat along new axes and along axes of length 1."""

    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return array_module(x).broadcast_to(x, self.shape)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return sum_to(gy, self.inputs[0].shape)


class Reshape(Function):
    """The same elements, in C order, in another shape."""

    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return x.reshape(self.shape)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return reshape(gy, self.inputs[0].shape)


class Transpose(Function):
    """The axes in another order."""

    axes: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return transpose(gy, tuple(int(i) for i in np.argsort(self.axes)))


class GetItem(Function):
    """x[index]. Its gradient is ScatterAdd, whose gradient is this."""

    index: Any

    def forward(self, x: Array) -> Array:
        return x[self.index]

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return ScatterAdd.apply(gy, index=self.index, shape=self.inputs[0].shape)


class ScatterAdd(Function):
    """Zeros of `shape` to which x is added at `index`; where an index comes twice, both are added."""

    index: Any
    shape: tuple[int, ...]

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        many = x.dtype == np.float32 and x.size > math.prod(self.shape)  # an element may get a million terms
        if many:
            x = x.astype(np.float64)
        y = xp.zeros(self.shape, x.dtype)
        if repeats(self.index):
            xp.add.at(y, self.index, x)
        else:
            y[self.index] = x
        return y.astype(np.float32) if many else y

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return GetItem.apply(gy, index=self.index)


def as_tensor(x: Any, name: str = "Tensor", *, device: str | None = None, dtype: Any = None) -> Tensor:
    """`x` itself if it is a Tensor, else a constant Tensor of it. An error names what was called, or else `name`."""
    if isinstance(x, Tensor):
        return x
    try:
        return Tensor(x, device=device, dtype=dtype)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(str(error).replace("Tensor", called(name), 1)) from error


def power(a: Any, b: Any) -> Tensor:
    """`a ** b`, element by element; base and exponent are Tensors or numbers. The gradient in `b` needs a >= 0."""
    return Power.apply(a, b)


def sum(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis`, an axis or several (all by default): the shape of x without those axes."""
    x = as_tensor(x)
    return Sum.apply(x, axis=normalize_axis("sum", axis, x.ndim), keepdims=flag("sum", "keepdims", keepdims))


def mean(x: Tensor, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`, an axis or several (all by default): the shape of x without those axes."""
    x = as_tensor(x)
    axes = normalize_axis("mean", axis, x.ndim)
    count = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    if count == 0:
        raise ValueError(f"mean: nothing to take the mean of, x has shape {x.shape} and axis is {axis}")
    return Sum.apply(x, axis=axes, keepdims=flag("mean", "keepdims", keepdims)) * (1.0 / count)


def deviations(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x less its mean over the axes (from 0 to x.ndim - 1), accurate also where the mean is large.

    Rounding moves the mean by up to half of its last digit, and all deviations with it. Their own mean tells by how
    much; of exact ones it would be 0 for every x, so to the gradient it is a constant.
    """
    d = x - mean(x, axes, keepdims=True)
    count = int(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    d.data -= add_up(d.data, axes, keepdims=True) * d.data.dtype.type(1 / count)  # nobody has seen d yet
    return d


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum over the axes along which `shape` was broadcast to the shape of `x`: the adjoint of `broadcast_to`."""
    x = as_tensor(x)
    shape = shape if type(shape) is tuple else whole_shape("sum_to", shape)
    if x.data.shape == shape:
        return x
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise ValueError(f"sum_to: shape {tuple(shape)} was not broadcast to {x.shape}, so nothing can be summed to it")
    axes = tuple(i for i in range(x.ndim) if i < lead or (shape[i - lead] == 1 and x.shape[i] != 1))
    return reshape(Sum.apply(x, axis=axes, keepdims=False), shape)


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` repeated along new leading axes and along axes of length 1, as NumPy does."""
    x = as_tensor(x)
    shape = shape if type(shape) is tuple else whole_shape("broadcast_to", shape)
    if x.shape == shape:
        return x
    check_broadcast(x.shape, shape)
    return BroadcastTo.apply(x, shape=shape)


def reshape(x: Tensor, shape: int | tuple[int, ...]) -> Tensor:
    """The same elements, in C order, in another shape; one -1 stands for what is left."""
    x = as_tensor(x)
    shape = whole_shape("reshape", shape)
    if x.shape == shape:
        return x
    if min(shape, default=0) < -1:  # NumPy would take it for -1
        raise reshape_error(x.shape, shape)
    try:
        return Reshape.apply(x, shape=shape)
    except ValueError as error:
        raise reshape_error(x.shape, shape) from error


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order (reversed by default)."""
    x = as_tensor(x)
    axes = range(x.ndim)[::-1] if axes is None else whole_shape("transpose", axes)
    if sorted(i % x.ndim if -x.ndim <= i < x.ndim else -1 for i in axes) != list(range(x.ndim)):
        raise ValueError(f"transpose: axes {tuple(axes)} are not an order of the {x.ndim} axes of shape {x.shape}")
    return Transpose.apply(x, axes=tuple(i % x.ndim for i in axes))


def swap_last(x: Tensor) -> Tensor:
    """The last two axes exchanged: each matrix of a stack transposed."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product as in NumPy: stacks broadcast; a 1-d operand is a row (left) or column (right)."""
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {a.shape} @ {b.shape} do not fit; the last axis of a is the last but one of b"
        )
    left = reshape(a, (1, a.size)) if a.ndim == 1 else a
    right = reshape(b, (b.size, 1)) if b.ndim == 1 else b
    rows, columns = left.shape[-2:-1] if a.ndim > 1 else (), right.shape[-1:] if b.ndim > 1 else ()
    if left.ndim == right.ndim == 2:
        y = MatMul.apply(left, right)
        return y if a.ndim == b.ndim == 2 else reshape(y, (*rows, *columns))
    stack = stack_shape(left.shape, right.shape)
    if left.ndim > 2 and left.ndim >= right.ndim and all(n == 1 for n in right.shape[:-2]):
        # All matrices of the stack meet one and the same: they are one matrix of many rows.
        k = left.shape[-1]
        left, right = reshape(left, (math.prod(left.shape[:-1]), k)), reshape(right, (k, right.shape[-1]))
    return reshape(MatMul.apply(left, right), (*stack, *rows, *columns))


def _matmul_to(a: Tensor, b: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``sum_to(a @ b, shape)`` for stacks of matrices, without making the products that are summed.

    What is summed over one leading axis is the product of matrices that lie side by side: sum_i a_i b_i = [a_1 a_2 ...]
    [b_1 b_2 ...]^T. So these axes join the axis that the product sums over.
    """
    if a.ndim == b.ndim == 2:
        return matmul(a, b)
    stack = stack_shape(a.shape, b.shape)
    n = len(stack)
    a, b = (reshape(x, (*(1,) * (n + 2 - x.ndim), *x.shape)) for x in (a, b))
    wanted = (*(1,) * (n + 2 - len(shape)), *shape)
    summed = [i for i in range(n) if wanted[i] != stack[i]]
    if summed:
        kept = [i for i in range(n) if i not in summed]
        length = math.prod(stack[i] for i in summed) * a.shape[-1]
        rows, columns = a.shape[-2], b.shape[-1]
        a = reshape(transpose(a, (*kept, n, *summed, n + 1)), (*(a.shape[i] for i in kept), rows, length))
        b = reshape(transpose(b, (*kept, *summed, n, n + 1)), (*(b.shape[i] for i in kept), length, columns))
    return reshape(matmul(a, b), shape)


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]` as in NumPy: numbers, slices, None, ..., and sequences, arrays or Tensors of positions, and masks."""
    x = as_tensor(x)
    keep = x.requires_grad and recording.on
    return GetItem.apply(x, index=plain_index(x.data, index, _values, keep))
