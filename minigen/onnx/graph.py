"""The graph of an ONNX file while it is written: values, nodes, initializers, and sizes that depend on the batch.

`Graph` is what the method `onnx` of a Function is given. Its `node` adds an operation of the standard
(https://onnx.ai/onnx/operators/), and where onnxruntime has none in float64, what ``double.py`` writes for it.

Imports: recording, double, arrays. Read next: ``arrays.py``, then ``export.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor
from minigen.autograd.fused import FusedFunction
from minigen.compiling.traced import Traced
from minigen.onnx import arrays, double
from minigen.onnx.layers import Layers
from minigen.onnx.recording import Applied, ExportError, NoFormError, Recording, Source
from minigen_kernels import Array

INT64_MAX = 2**63 - 1
#: With these an Inf or NaN spreads to neighbours here, and not there: 0 times it is NaN, and pooling may drop a NaN.
SPREADING = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Resize", "AveragePool", "MaxPool", "CumSum"})


@dataclass(frozen=True)
class Value:
    """A value of the graph. `array` is what stood for it in the forward pass, if anything did."""

    name: str
    dtype: Any
    shape: tuple[int, ...] | None = None  # in the forward pass
    array: Any = None
    constant: Any = None  # its numbers, if it depends on no input


@dataclass
class Node:
    """An operation: its type, the names of its inputs ("": left out) and outputs, its attributes, its layer."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    path: str


class Graph(Layers):
    """Nodes and initializers, made of what a `Recording` has written down.

    `batch` is the number of samples of the forward pass, which no other axis has; None: the batch stays as it is.
    """

    def __init__(self, recording: Recording, opset: int, batch: int | None) -> None:
        self.recording, self.opset, self.batch = recording, opset, batch
        self.nodes: list[Node] = []
        self.initializers: dict[str, Array] = {}
        self.spreads = False  # whether an infinite number may spread to neighbours, in one runtime and not in another
        self.batched: str = ""  # an input whose first axis is the batch
        self.taken: set[str] = set()  # names that no node may have
        self._values: dict[int, Value] = {}  # by the identity of a Source
        self._held: list[Source] = []  # so that identities stay theirs
        self._constants: dict[Any, Value] = {}
        self._snapshot: list[Any] = []  # of the Functions that are being written: their Sources by number
        self._path: list[str] = [""]
        self._counts: dict[str, int] = {}

    # What a Function's method `onnx` uses.

    def node(
        self, op: str, *inputs: Any, outputs: int = 1, dtype: Any = None, shape: Any = None, **attributes: Any
    ) -> Any:
        """Add a node; its result, or a tuple of `outputs` results. `dtype` is that of the first input by default.

        Inputs may be Values, arrays, Tensors and numbers, which take the dtype of the first Value; None is left out.
        """
        like = next((x for x in inputs if isinstance(x, (Value, Tensor, np.ndarray, Traced))), None)
        kind = None if like is None else np.dtype(like.dtype)
        values = [None if x is None else self.value(x, kind) for x in inputs]
        self.spreads |= op in SPREADING
        if kind == np.float64 and op in double.FORMS:
            return double.FORMS[op](self, *values, **attributes)
        names = [self._name(op) for _ in range(outputs)]
        while values and values[-1] is None:
            values.pop()
        inner = ["" if x is None else x.name for x in values]
        self.nodes.append(Node(op, inner, names, attributes, self._path[-1]))
        made = [Value(name, dtype if dtype is not None else kind, shape) for name in names]
        return made[0] if outputs == 1 else tuple(made)

    def value(self, x: Any, dtype: Any = None) -> Value:
        """A Value of anything: an array of the forward pass, a Tensor, numbers (of `dtype`, or as NumPy has them)."""
        if isinstance(x, Value):
            return x
        x = x.data if isinstance(x, Tensor) else x
        if isinstance(x, Source):
            return self._of(x)
        if isinstance(x, Traced):
            found = next((m[x.ref.number] for m in reversed(self._snapshot) if x.ref.number in m), None)
            return self._of(self.recording.source(x) if found is None else found)
        return self.constant(np.asarray(x, None if isinstance(x, np.ndarray) else dtype))

    def constant(self, array: Array, name: str = "") -> Value:
        """Numbers that depend on no input, as an initializer. Rows of a batch that are all alike are one, repeated."""
        shape = array.shape
        along = [i for i, n in enumerate(shape) if self.is_batch(n)] if not name else []
        for i in along:
            array = array.take([0], i) if (array == array.take([0], i)).all() else array
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            label = name or self._name("constant")
            self.initializers[label] = array
            self._constants[key] = Value(label, array.dtype, array.shape, constant=array)
        made = self._constants[key]
        return made if array.shape == shape else self.expand(made, shape)

    def record(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """The graph of a function made of operations, of inputs of a Function: its result, or a tuple of results."""
        given = [self._tensor(x) if isinstance(x, Value) else x for x in inputs]
        result = function(*given)
        several = isinstance(result, tuple)
        values = tuple(self.value(self.recording.source(y)) for y in (result if several else (result,)))
        return values if several else values[0]

    def cast(self, x: Any, dtype: Any) -> Value:
        """The values in another dtype."""
        x, dtype = self.value(x), np.dtype(dtype)
        return x if x.dtype == dtype else self.node("Cast", x, dtype=dtype, shape=x.shape, to=code(dtype))

    def where(self, condition: Any, a: Any, b: Any, dtype: Any = None) -> Value:
        """`a` where the condition is true, else `b`."""
        dtype = next(x.dtype for x in (a, b) if hasattr(x, "dtype")) if dtype is None else dtype
        return self.node("Where", condition, self.value(a, dtype), self.value(b, dtype), dtype=dtype)

    def is_batch(self, n: int) -> bool:
        """Whether a length is that of the batch, or a multiple of it."""
        return self.batch is not None and n > 0 and n % self.batch == 0

    def sizes(self, shape: Sequence[int]) -> Value:
        """A shape as whole numbers (n,), in which the batch is that of the input."""
        if not any(map(self.is_batch, shape)):
            return self.constant(np.array(shape, np.int64))
        assert self.batch is not None
        batch = self.node("Shape", Value(self.batched, np.int64), dtype=np.int64, start=0, end=1)
        parts = []
        for n in shape:
            times = n // self.batch if self.is_batch(n) else 0
            times_batch = batch if times == 1 else self.node("Mul", batch, np.array([times])) if times else None
            parts.append(self.constant(np.array([n])) if times_batch is None else times_batch)
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, dtype=np.int64, axis=0)

    def reshape(self, x: Any, shape: Sequence[int]) -> Value:
        """The same elements in another shape: 0 for an axis of the batch that stays where it is, -1 for another."""
        x = self.value(x)
        if x.shape is not None and tuple(x.shape) == tuple(shape):
            return x
        if x.constant is not None:
            return self.constant(x.constant.reshape(shape))
        kept = [
            0 if self.is_batch(n) and x.shape is not None and i < len(x.shape) and x.shape[i] == n else n
            for i, n in enumerate(shape)
        ]
        moved = [i for i, n in enumerate(kept) if self.is_batch(n)]
        if len(moved) == 1 and 0 not in shape:
            kept[moved[0]] = -1
        elif moved:
            return self.node("Reshape", x, self.sizes(shape), shape=tuple(shape))
        return self.node("Reshape", x, np.array(kept, np.int64), shape=tuple(shape))

    def expand(self, x: Any, shape: Sequence[int]) -> Value:
        """Repeated along new leading axes and along axes of length 1."""
        x = self.value(x)
        if x.shape is not None:
            if tuple(x.shape) == tuple(shape):
                return x
            own = (1,) * (len(shape) - len(x.shape)) + tuple(x.shape)
            return self.node("Expand", x, self.sizes([1 if a == n else n for a, n in zip(own, shape)]), shape=shape)
        return self.node("Expand", x, self.sizes(shape), shape=tuple(shape))

    def reduce(self, op: str, x: Any, axes: Sequence[int] | None, keepdims: bool) -> Value:
        """A reduction, whose axes are an input or an attribute, as the opset has them."""
        x = self.value(x)
        axes = None if axes is None else list(axes)
        if axes == []:
            return x
        if op == "ReduceSum" or self.opset >= 18:
            given = None if axes is None else np.array(axes, np.int64)
            return self.node(op, x, given, keepdims=int(keepdims))
        attributes: dict[str, Any] = {"keepdims": int(keepdims)} if axes is None else {
            "keepdims": int(keepdims), "axes": axes,
        }  # fmt: skip
        return self.node(op, x, **attributes)

    def slice(self, x: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> Value:
        """Part of an axis, as Python's slices have it."""
        start = (-1 if step < 0 else 0) if start is None else start
        stop = (-INT64_MAX if step < 0 else INT64_MAX) if stop is None else stop
        return self.node("Slice", x, *(np.array([n], np.int64) for n in (start, stop, axis, step)))

    # How Sources become Values.

    def _of(self, source: Source) -> Value:
        """Those that a Source depends on are written first: a net may be deeper than Python's stack."""
        stack = [source]
        while stack:
            top = stack[-1]
            if id(top) in self._values:
                stack.pop()
                continue
            missing = [s for s in _needed(top) if id(s) not in self._values]
            if missing:
                stack += reversed(missing)
                continue
            self._values[id(top)] = self._write(top)
            self._held.append(top)
            stack.pop()
        return self._values[id(source)]

    def input(self, source: Source, name: str) -> None:
        """The name of an input."""
        self._values[id(source)] = Value(name, source.value.dtype, source.value.shape, self._traced(source))
        self._held.append(source)

    def _write(self, source: Source) -> Value:
        if source.refused:
            raise ExportError(f"export: {_where(source.path)}{source.refused}")
        if not source.depends:
            return self.constant(np.asarray(source.value), source.name)
        self._path.append(source.path)
        try:
            value = None
            if source.applied is not None:
                value = self._applied(source, source.applied)
            if value is None:
                made = source.made or (source.applied.made if source.applied is not None else None)
                assert made is not None
                value = arrays.write(self, made, source.value)
        except NoFormError as error:
            raise self._no_form(source, str(error)) from error
        finally:
            self._path.pop()
        array = np.asarray(source.value)
        return Value(value.name, array.dtype, array.shape, self._traced(source), value.constant)

    def _applied(self, source: Source, applied: Applied) -> Value | None:
        self._snapshot.append(applied.sources)
        try:
            inputs = [self._of(x) if isinstance(x, Source) else x for x in applied.inputs]
            return applied.function.onnx(self, *inputs)
        finally:
            self._snapshot.pop()

    def _no_form(self, source: Source, what: str) -> ExportError:
        if source.applied is None:
            return ExportError(f"export: {_where(source.path)}{what}; use operations of minigen.ops instead")
        name = type(source.applied.function).__name__
        return ExportError(
            f"export: {_where(source.path)}the Function {name} has no ONNX form: {what}. Give it a method `onnx(self, "
            "graph, *inputs)` beside its `forward`, or make it of operations that have one"
        )

    def _traced(self, source: Source) -> Any:
        """What stands for an array in the recording, again."""
        traced = self.recording.stand_in(np.asarray(source.value))
        self.recording.sources[traced.ref.number] = source
        return traced

    def _tensor(self, value: Value) -> Tensor:
        if value.constant is not None:
            return Tensor(value.constant)
        assert value.array is not None
        return Tensor(value.array)

    def _name(self, op: str) -> str:
        base = "/".join(filter(None, (self._path[-1], op)))
        while True:
            self._counts[base] = count = self._counts.get(base, -1) + 1
            name = f"{base}_{count}" if count else base
            if name not in self.taken:
                return name


def _needed(source: Source) -> list[Source]:
    """The Sources that are certainly read when this one is written."""
    if not source.depends or source.refused:
        return []
    if source.applied is not None and _has_form(source.applied.function):
        return [x for x in source.applied.inputs if isinstance(x, Source)]
    made = source.made or (source.applied.made if source.applied is not None else None)
    return [] if made is None else list(made.sources.values())


def _has_form(function: Function) -> bool:
    if isinstance(function, FusedFunction) and type(function).onnx is FusedFunction.onnx:
        return type(function).definition is not FusedFunction.definition
    return type(function).onnx is not Function.onnx


def _where(path: str) -> str:
    return f"in the layer '{path}' " if path else ""


def code(dtype: Any) -> int:
    """The number of a dtype in ONNX."""
    return {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float64": 11}[str(np.dtype(dtype))]
