"""What NumPy does with arrays, in ONNX: comparisons, arithmetic, sorting, and the forward passes of plain Functions.

A row of the table has the name of a function of NumPy, of a method of its arrays, or of a kernel that is called beside
Functions. Each is given the graph, the array that the call made, and the arguments, arrays as Values.

Imports: recording, indexing. Read next: ``indexing.py``, ``double.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.compiling.calls import Ref
from minigen.onnx import indexing
from minigen.onnx.accurate import excess, expm1, log1p
from minigen.onnx.recording import Made, NoFormError


def write(graph: Any, made: Made, value: Any) -> Any:
    """The Value of what a call made, whose numbers in the forward pass are `value`. NoFormError: there is none."""
    name = getattr(made.function, "__name__", str(made.function))
    ufunc = getattr(made.function, "__self__", None)
    if isinstance(ufunc, np.ufunc):
        name = {"add": "sum", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any"}.get(
            ufunc.__name__ if name == "reduce" else "", f"{ufunc.__name__}.{name}"
        )
    if name not in FORMS:
        raise NoFormError(f"it calls `{name}`")
    which = next(i for i, ref in enumerate(made.result) if isinstance(ref, Ref) and ref.number == made.number)
    args, kwargs = _filled(graph, made, made.args), _filled(graph, made, made.kwargs)
    kwargs.pop("out", None)
    array = np.asarray(value)
    result = FORMS[name](graph, array, *args, **kwargs)
    return result[which] if isinstance(result, tuple) else graph.cast(result, array.dtype)


def _filled(graph: Any, made: Made, x: Any) -> Any:
    """Arguments with Values in the place of Refs."""
    if isinstance(x, Ref):
        return graph.value(made.sources[x.number])
    if isinstance(x, (tuple, list)):
        return type(x)(_filled(graph, made, part) for part in x)
    if isinstance(x, dict):
        return {key: _filled(graph, made, part) for key, part in x.items()}
    return x


def common(*inputs: Any) -> np.dtype[Any]:
    """The dtype that NumPy computes in; a Python number takes that of an array."""
    return np.result_type(*(np.empty(0, x.dtype) if hasattr(x, "dtype") else x for x in inputs))


def alike(graph: Any, *inputs: Any, dtype: Any = None) -> list[Any]:
    """Inputs in one dtype, by default that which NumPy computes in."""
    dtype = common(*inputs) if dtype is None else dtype
    return [graph.cast(x, dtype) if hasattr(x, "dtype") else graph.value(x, dtype) for x in inputs]


def _op(name: str, *, bools: str = "", of_floats: bool = False) -> Callable[..., Any]:
    """An operation of numbers, or, of bools, another."""

    def form(graph: Any, y: Any, *inputs: Any, dtype: Any = None, where: Any = True, casting: Any = None) -> Any:
        kind = y.dtype if of_floats else common(*inputs)
        if kind == np.bool_ and bools:
            return graph.node(bools, *alike(graph, *inputs, dtype=kind), dtype=np.bool_)
        return graph.node(name, *alike(graph, *inputs, dtype=kind), dtype=kind)

    return form


def _asked(name: str, opposite: bool = False) -> Callable[..., Any]:
    """A comparison."""

    def form(graph: Any, y: Any, *inputs: Any) -> Any:
        answer = graph.node(name, *alike(graph, *inputs), dtype=np.bool_)
        return graph.node("Not", answer) if opposite else answer

    return form


def _of_bools(name: str) -> Callable[..., Any]:
    return lambda graph, y, *inputs: graph.node(name, *alike(graph, *inputs, dtype=np.bool_))


def finite(graph: Any, x: Any) -> Any:
    """Where numbers are finite."""
    return graph.node("Not", graph.node("Or", *(graph.node(op, x, dtype=np.bool_) for op in ("IsNaN", "IsInf"))))


def extreme(graph: Any, x: Any, axes: Any, keepdims: bool, op: str) -> Any:
    """The largest or smallest; NaN where there is one: runtimes leave out some of them."""
    x = graph.value(x)
    if x.dtype == np.bool_:
        return graph.cast(extreme(graph, graph.cast(x, np.int32), axes, keepdims, op), np.bool_)
    y = graph.reduce(op, x, axes, keepdims)
    if x.dtype.kind != "f":
        return y
    is_nan = graph.cast(graph.node("IsNaN", x, dtype=np.bool_), np.int32)
    some = graph.cast(graph.reduce("ReduceMax", is_nan, axes, keepdims), np.bool_)
    return graph.where(some, np.array(np.nan, x.dtype), y)


def _axes(x: Any, axis: Any) -> list[int]:
    n = len(x.shape)
    return list(range(n)) if axis is None else [i % n for i in (axis if isinstance(axis, tuple) else (axis,))]


def _reduced(op: str) -> Callable[..., Any]:
    def form(graph: Any, y: Any, x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, **_: Any) -> Any:
        x = graph.value(x)
        if op in ("ReduceMax", "ReduceMin"):
            return extreme(graph, x, _axes(x, axis), keepdims, op)
        return graph.reduce(op, graph.cast(x, y.dtype if dtype is None else dtype), _axes(x, axis), keepdims)

    return form


def _truth(op: str) -> Callable[..., Any]:
    def form(graph: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
        return graph.cast(graph.reduce(op, graph.cast(x, np.int32), _axes(x, axis), keepdims), np.bool_)

    return form


def _sum_kernel(graph: Any, y: Any, x: Any, axes: Any, scale: float = 1.0) -> Any:
    return total(graph, x, axes, False, scale)


def total(graph: Any, x: Any, axes: Any, keepdims: bool, scale: float) -> Any:
    """The sum over axes times `scale`; the mean, if that is one over their count."""
    x = graph.value(x)
    count = math.prod(x.shape[i] for i in axes)
    if scale != 1 and math.isclose(scale * count, 1, rel_tol=1e-12):
        return graph.reduce("ReduceMean", x, axes, keepdims)
    y = graph.reduce("ReduceSum", x, axes, keepdims)
    return y if scale == 1 else graph.node("Mul", y, scale)


def _clipped(graph: Any, y: Any, x: Any, low: Any = None, high: Any = None, **_: Any) -> Any:
    return clipped(graph, x, low, high)


def clipped(graph: Any, x: Any, low: Any, high: Any) -> Any:
    """Between two limits, None for no limit; NaN stays."""
    x = graph.value(x)
    for op, limit in (("Max", low), ("Min", high)):
        x = x if limit is None else graph.node(op, x, graph.value(limit, x.dtype))
    return x


def _remainder(graph: Any, y: Any, a: Any, b: Any) -> Any:
    """The remainder of the sign of b, as Python and NumPy have it; `Mod` of floats has the sign of a."""
    a, b = alike(graph, a, b)
    if a.dtype.kind != "f":
        return graph.node("Mod", a, b)
    r = graph.node("Mod", a, b, fmod=1)
    negative = [graph.node("Less", x, 0.0, dtype=np.bool_) for x in (r, b)]
    other = graph.node("Xor", *negative, dtype=np.bool_)
    some = graph.node("Not", graph.node("Equal", r, 0.0, dtype=np.bool_))
    return graph.where(graph.node("And", other, some), graph.node("Add", r, b), r)


def _floor_divide(graph: Any, y: Any, a: Any, b: Any) -> Any:
    a, b = alike(graph, a, b)
    exact = graph.node("Sub", a, _remainder(graph, y, a, b))
    quotient = graph.node("Div", exact, b)
    return quotient if a.dtype.kind != "f" else graph.node("Floor", graph.node("Add", quotient, 0.5))


def _power(graph: Any, y: Any, a: Any, b: Any) -> Any:
    a, b = alike(graph, a, b)
    return graph.node("Pow", a, b)


def _sorted_places(graph: Any, y: Any, x: Any, axis: int = -1, **_: Any) -> Any:
    """Equal elements in their order: TopK takes the lower place first."""
    count = graph.sizes([x.shape[axis]])
    return graph.node("TopK", x, count, outputs=2, axis=axis, largest=0, sorted=1, dtype=np.int64)[1]


def _taken_along(graph: Any, y: Any, x: Any, places: Any, axis: int) -> Any:
    return graph.node("GatherElements", x, places, axis=axis)


def _put_along(graph: Any, y: Any, x: Any, places: Any, values: Any, axis: int, **_: Any) -> Any:
    """The array with other elements in these places."""
    values = graph.expand(graph.cast(graph.value(values, x.dtype), x.dtype), places.shape)
    return graph.node("ScatterElements", x, places, values, axis=axis)


def _set(graph: Any, y: Any, x: Any, index: Any, values: Any) -> Any:
    """The array with another part of one axis."""
    x, parts = graph.value(x), index if isinstance(index, tuple) else (index,)
    cut = [i for i, part in enumerate(parts) if part != slice(None)]
    if not all(isinstance(part, slice) and part.step in (None, 1) for part in parts) or len(cut) > 1:
        raise NoFormError("it sets elements of an array")
    axis = cut[0] if cut else 0
    start, stop, _ = parts[axis].indices(y.shape[axis])
    shape = tuple(stop - start if i == axis else n for i, n in enumerate(y.shape))
    middle = graph.expand(graph.cast(graph.value(values, y.dtype), y.dtype), shape)
    pieces = [graph.slice(x, axis, 0, start), middle, graph.slice(x, axis, stop, None)]
    lengths = [start, stop - start, y.shape[axis] - stop]
    return graph.node("Concat", *(piece for piece, n in zip(pieces, lengths) if n), axis=axis)


def _max_pool(graph: Any, y: Any, x: Any, out_hw: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    """The largest of each window, and where in its plane it stands: in ONNX, where among all elements."""
    values = graph.max_pool(x, out_hw, kernel, stride, padding, places=True)
    return values[0], graph.node("Mod", values[1], np.array(math.prod(x.shape[2:]), np.int64))


def _flipped(graph: Any, y: Any, x: Any, axis: Any = None) -> Any:
    for i in _axes(x, axis):
        x = graph.slice(x, i, None, None, -1)
    return x


def _arg(op: str) -> Callable[..., Any]:
    def form(graph: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
        x = graph.cast(x, np.int32) if x.dtype == np.bool_ else x
        if axis is None:
            x, axis = graph.reshape(x, (math.prod(x.shape),)), 0
        options: dict[str, Any] = dict(axis=axis, keepdims=int(keepdims), dtype=np.int64)
        place = graph.node(op, x, **options)
        if x.dtype.kind != "f":
            return place
        nan = graph.cast(graph.node("IsNaN", x, dtype=np.bool_), np.int32)  # the first NaN, if there is one
        some = graph.cast(graph.reduce("ReduceMax", nan, [axis], keepdims), np.bool_)
        return graph.where(some, graph.node("ArgMax", nan, **options), place, np.int64)

    return form


def _where(graph: Any, y: Any, condition: Any, a: Any, b: Any) -> Any:
    return graph.where(condition, *alike(graph, a, b, dtype=y.dtype), dtype=y.dtype)


def _same(graph: Any, y: Any, x: Any, *_: Any, **__: Any) -> Any:
    return graph.cast(x, y.dtype)


def _shaped(graph: Any, y: Any, x: Any, *_: Any, **__: Any) -> Any:
    return graph.reshape(x, y.shape)


def _moved(graph: Any, y: Any, x: Any, *axes: Any) -> Any:
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = tuple(axes[0])
    n = len(x.shape)
    order = list(reversed(range(n))) if not axes or axes[0] is None else [i % n for i in axes]
    return graph.node("Transpose", x, perm=order, shape=y.shape)


def _swapped(graph: Any, y: Any, x: Any, a: int, b: int) -> Any:
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return graph.node("Transpose", x, perm=order, shape=y.shape)


def _moveaxis(graph: Any, y: Any, x: Any, source: Any, destination: Any) -> Any:
    order = np.moveaxis(np.empty(range(len(x.shape))), source, destination).shape  # each axis has its number as length
    return graph.node("Transpose", x, perm=list(order), shape=y.shape)


def _expanded(graph: Any, y: Any, x: Any, *_: Any, **__: Any) -> Any:
    return graph.expand(x, y.shape)


def _joined(graph: Any, y: Any, xs: Any, axis: int = 0, **_: Any) -> Any:
    return graph.node("Concat", *alike(graph, *xs, dtype=y.dtype), axis=axis)


def _attribute(graph: Any, y: Any, x: Any, name: str) -> Any:
    if name not in ("T", "mT"):
        raise NoFormError(f"it reads .{name} of an array")
    return _moved(graph, y, x) if name == "T" else _swapped(graph, y, x, -1, -2)


def _cumulated(graph: Any, y: Any, x: Any, axis: int, dtype: Any = None, **_: Any) -> Any:
    return graph.node("CumSum", graph.cast(x, y.dtype if dtype is None else dtype), np.array(axis, np.int64))


FORMS: dict[str, Callable[..., Any]] = {
    "add": _op("Add", bools="Or"), "subtract": _op("Sub"), "multiply": _op("Mul", bools="And"),
    "divide": _op("Div", of_floats=True), "true_divide": _op("Div", of_floats=True), "negative": _op("Neg"),
    "absolute": _op("Abs"), "fabs": _op("Abs"), "sign": _op("Sign"), "sqrt": _op("Sqrt"), "exp": _op("Exp"),
    "log": _op("Log"), "sin": _op("Sin"), "cos": _op("Cos"), "tanh": _op("Tanh"), "floor": _op("Floor"),
    "ceil": _op("Ceil"), "rint": _op("Round"), "maximum": _op("Max", bools="Or"), "minimum": _op("Min", bools="And"),
    "square": lambda graph, y, x: graph.node("Mul", x, x), "reciprocal": _op("Reciprocal"), "power": _power,
    "remainder": _remainder, "floor_divide": _floor_divide,
    "expm1": lambda graph, y, x: expm1(graph, x), "log1p": lambda graph, y, x: log1p(graph, x),
    "greater": _asked("Greater"), "greater_equal": _asked("GreaterOrEqual"), "less": _asked("Less"),
    "less_equal": _asked("LessOrEqual"), "equal": _asked("Equal"), "not_equal": _asked("Equal", opposite=True),
    "logical_and": _of_bools("And"), "bitwise_and": _of_bools("And"), "logical_or": _of_bools("Or"),
    "bitwise_or": _of_bools("Or"), "logical_xor": _of_bools("Xor"), "bitwise_xor": _of_bools("Xor"),
    "logical_not": _of_bools("Not"), "invert": _of_bools("Not"),
    "isnan": lambda graph, y, x: graph.node("IsNaN", x, dtype=np.bool_),
    "isinf": lambda graph, y, x: graph.node("IsInf", x, dtype=np.bool_),
    "isfinite": lambda graph, y, x: finite(graph, x),
    "sum": _reduced("ReduceSum"), "mean": _reduced("ReduceMean"), "prod": _reduced("ReduceProd"),
    "max": _reduced("ReduceMax"), "amax": _reduced("ReduceMax"), "min": _reduced("ReduceMin"),
    "amin": _reduced("ReduceMin"), "all": _truth("ReduceMin"), "any": _truth("ReduceMax"), "sum_axes": _sum_kernel,
    "cumsum": _cumulated, "clip": _clipped, "argmax": _arg("ArgMax"), "argmin": _arg("ArgMin"),
    "argsort": _sorted_places, "take_along_axis": _taken_along, "put_along_axis": _put_along, "flip": _flipped,
    "where": _where, "astype": _same, "copy": _same, "array": _same, "asarray": _same, "ascontiguousarray": _same,
    "asanyarray": _same, "reshape": _shaped, "ravel": _shaped, "flatten": _shaped, "squeeze": _shaped,
    "expand_dims": _shaped, "transpose": _moved, "swapaxes": _swapped, "moveaxis": _moveaxis, "getattr": _attribute,
    "broadcast_to": _expanded, "concatenate": _joined, "getitem": lambda graph, y, x, index: indexing.taken(
        graph, x, index
    ),
    "setitem": _set, "max_pool2d": _max_pool, "matmul": lambda graph, y, a, b, **_: graph.node(
        "MatMul", *alike(graph, a, b)
    ),
    "exp_excess": lambda graph, y, x: excess(graph, x),
    "log_softmax": lambda graph, y, x: graph.node("LogSoftmax", x, axis=-1),
    "softmax": lambda graph, y, x: graph.node("Softmax", x, axis=-1),
    "sigmoid": lambda graph, y, x: graph.node("Sigmoid", x),
}  # fmt: skip
