"""`export`: a network or a function as an ONNX file, which other runtimes compute as minigen does.

    the function runs, and what it does is written down     recording.py
    that becomes nodes and initializers                      graph.py, layers.py, arrays.py
    bias and batch norm become one node, or are folded       fold.py
    the same with another batch size gives the same file     here
    it is checked, run and compared with minigen             verify.py
    it is written, whole or not at all                       here

Imports: the other files of this room, nn, atomic. Read next: ``recording.py``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.atomic import write_atomically
from minigen.autograd import Tensor, no_grad
from minigen.compiling.traced import Traced
from minigen.device import to_device
from minigen.nn import Module
from minigen.onnx import verify
from minigen.onnx.given import (
    all_names,
    arrays_of,
    check_batch,
    dtype_of,
    mapping_of,
    names_of,
    networks_of,
    opset_of,
    parameter_names,
    path_of,
)  # fmt: skip
from minigen.onnx.graph import Graph
from minigen.onnx.model import Written, complete, model
from minigen.onnx.needed import require
from minigen.onnx.recording import ExportError, Recording, TrainingError
from minigen.shapes import flag, shown
from minigen_kernels import Array

#: Batch sizes of forward passes; two are taken that no axis of inputs and parameters is a multiple of.
PRIMES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113)
ATTEMPTS = 3


@dataclass(frozen=True)
class Exported:
    """What was written: the file, its size in bytes, its nodes, the names of inputs and outputs; and its proof.

    `difference` is the largest relative difference to minigen in onnxruntime on ordinary inputs, `extreme` on large
    ones, NaN and infinity; None: onnxruntime is not installed.
    """

    path: str
    size: int
    nodes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float | None
    extreme: float | None


def export(
    function: Module | Callable[..., Any],
    example_inputs: Any,
    path: str | os.PathLike[str],
    *,
    dynamic_batch: bool = True,
    opset: int = 20,
    dtype: str | None = None,
    fold: bool = False,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    modules: Mapping[str, Module] | None = None,
) -> Exported:
    """Write a Module, or a function of Tensors, as an ONNX file that other runtimes compute as minigen does.

    `example_inputs` is a Tensor or array, or a tuple of them, (N, ...); their numbers count only where they are whole
    numbers, such as labels. With `dynamic_batch` the file takes every N: the first axis of all inputs. Networks run in
    evaluation mode; what depends on no input becomes an initializer, with its name in the state dict. `modules` are the
    networks that a function uses, by name ("" for names as they are). `dtype` "float32" or "float64" is that of inputs
    and parameters; None leaves them. `fold` multiplies batch norm into the weights of the layer before it.
    `metadata` is kept in the file. Opsets 17 to 22.

    The file is checked by `onnx`, and where onnxruntime is installed, run on ordinary and extreme inputs with two batch
    sizes: it differs from minigen by at most 1e-5 (float32) or 1e-12 (float64), relative to the largest output, and
    more only where the inputs do not determine it to so many digits (docs/onnx.md).
    ExportError: it does not, or something has no ONNX form; then nothing is written.
    """
    require("onnx")
    target, facts = path_of(path), mapping_of("metadata", metadata)
    with recorded(
        function, example_inputs, dynamic_batch=dynamic_batch, opset=opset, dtype=dtype, fold=fold,
        input_names=input_names, output_names=output_names, modules=modules,
    ) as (job, arrays, written):  # fmt: skip
        facts = {key: str(x) for key, x in facts.items()}
        title = facts.get("model", type(function).__name__ if isinstance(function, Module) else "function")
        data, proof = verify.verified(
            model(written, job.opset, title, facts),
            job.plainly,
            arrays,
            dynamic_batch=dynamic_batch,
            infinite=not written.spreads,
        )
    write_atomically(target, data)
    outputs = tuple(x.name for x in written.outputs)
    differences = (None, None) if proof is None else (proof.ordinary, proof.extreme)
    return Exported(target, len(data), len(written.nodes), job.input_names, outputs, *differences)


@contextlib.contextmanager
def recorded(
    function: Module | Callable[..., Any],
    example_inputs: Any,
    *,
    dynamic_batch: bool = True,
    opset: int = 20,
    dtype: str | None = None,
    fold: bool = False,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    modules: Mapping[str, Module] | None = None,
) -> Iterator[tuple[Job, list[Array], Written]]:
    """Inside ``with``: the graph of a function as `export` writes it, and what it is made of. Needs no package."""
    opset, kind = opset_of(opset), dtype_of(dtype)
    dynamic_batch, fold = flag("export", "dynamic_batch", dynamic_batch), flag("export", "fold", fold)
    networks = networks_of(function, modules)
    arrays = arrays_of(example_inputs, kind)
    if dynamic_batch:
        check_batch(arrays)
    with prepared(networks, kind) as tensors:
        default = parameter_names(function, len(arrays))
        names_in = names_of("input_names", input_names, default, len(arrays), tensors)
        if output_names is not None and not all_names(output_names):  # how many there are is known later
            raise ValueError(
                f"export: output_names: expected a list of names, one an output; got {shown(output_names)}"
            )
        job = Job(function, networks, tensors, names_in, output_names, opset, fold)
        try:
            yield job, arrays, job.with_any_batch(arrays) if dynamic_batch else job.written(arrays, None)
        except TrainingError as error:
            raise ExportError(str(error)) from None


@dataclass
class Job:
    """One function to be exported, with its networks."""

    function: Callable[..., Any]
    networks: Mapping[str, Module]
    tensors: Mapping[str, Tensor]
    input_names: tuple[str, ...]
    output_names: Sequence[str] | None
    opset: int
    fold: bool

    def with_any_batch(self, arrays: Sequence[Array]) -> Written:
        """The graph of two batch sizes, which has to be one and the same."""
        lengths = {n for a in arrays for n in a.shape[1:]} | {n for t in self.tensors.values() for n in t.shape}
        free = [p for p in PRIMES if not any(n and n % p == 0 for n in lengths)]
        difference = "its axes have every length"
        for a, b in itertools.islice(zip(free[::2], free[1::2]), ATTEMPTS):  # by chance an axis inside may be that long
            try:
                first, second = (self.written([repeated(x, n) for x in arrays], n) for n in (a, b))
            except ValueError as error:
                if not isinstance(error, ExportError):
                    error.add_note(f"export runs it with batches of {a} and {b}; with dynamic_batch=False by yours")
                raise
            found = _difference(first, second)
            if found is None:
                return first
            difference = found
        raise ExportError(
            f"export: {difference}: it depends on the batch size; make it of the input's shape by operations, or use "
            "dynamic_batch=False"
        )

    def written(self, arrays: Sequence[Array], batch: int | None) -> Written:
        """The graph of a forward pass on these inputs."""
        paths = {
            id(module): ".".join(filter(None, (name, inner)))
            for name, network in reversed([*self.networks.items()])  # the first name is that of the state dict
            for inner, module in network.named_modules()
        }
        recording = Recording([], paths=paths)
        layers = {paths[id(m)]: m for network in self.networks.values() for _, m in network.named_modules()}
        with self._evaluation(), _stand_ins(recording, self.tensors), recording.watching():
            inputs = [recording.start(a, depends=True) for a in arrays]
            results = list(_flat(self.function(*map(Tensor, inputs))))
            _one_for_all(recording)
            graph = Graph(recording, self.opset, batch)
            graph.batched = self.input_names[0]
            graph.taken.update(self.tensors, self.input_names, self.output_names or ())
            for x, name in zip(inputs, self.input_names):
                graph.input(recording.source(x), name)
            values = [graph.value(recording.source(x)) for x in results]
            given = [graph.value(recording.source(x)) for x in inputs]
            _one_for_all(recording)  # a form may not read numbers of an input either
        if not values:
            raise ExportError("export: the function returns no Tensor")
        default = ["output"] if len(values) == 1 else [f"output_{i}" for i in range(len(values))]
        taken = {*self.tensors, *self.input_names}
        names = names_of("output_names", self.output_names, default, len(values), taken)
        return complete(graph, given, dict(zip(names, values)), layers, fold_norm=self.fold)

    def plainly(self, arrays: Sequence[Array]) -> list[Array]:
        """What minigen computes."""
        with self._evaluation(), np.errstate(all="ignore"):
            return [
                np.array(x.numpy() if isinstance(x, Tensor) else x) for x in _flat(self.function(*map(Tensor, arrays)))
            ]

    @contextlib.contextmanager
    def _evaluation(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack, np.errstate(all="ignore"):
            stack.enter_context(no_grad())
            for network in self.networks.values():
                stack.enter_context(network.evaluation())
            yield


def _one_for_all(recording: Recording) -> None:
    """ExportError if something was read that another input would have otherwise."""
    if recording.problem is not None:
        raise ExportError(f"export: no graph says the same for all inputs: {recording.problem}")


@contextlib.contextmanager
def prepared(networks: Mapping[str, Module], dtype: Any) -> Iterator[dict[str, Tensor]]:
    """Inside ``with``: parameters and buffers on the CPU, in that dtype if it is not None. Yields them by name."""
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        for inner, t in network._named_tensors():
            if not any(t is other for other in tensors.values()):
                tensors[".".join(filter(None, (name, inner)))] = t
    before = [(t, t.data) for t in tensors.values()]
    try:
        for t in tensors.values():
            array = to_device(t.data, "cpu")
            t.data = array.astype(dtype, copy=False) if dtype is not None and array.dtype.kind == "f" else array
        yield tensors
    finally:
        for t, array in before:
            t.data = array


@contextlib.contextmanager
def _stand_ins(recording: Recording, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside ``with``: traced arrays in the place of parameters and buffers."""
    before = [(t, t.data) for t in tensors.values()]
    try:
        for name, t in tensors.items():
            t.data = recording.start(t.data, name=name)
        yield
    finally:
        for t, array in before:
            t.data = array


def repeated(x: Array, n: int) -> Array:
    """n samples, taken from those of x in turn."""
    return np.ascontiguousarray(x[np.arange(n) % len(x)])


def _difference(a: Written, b: Written) -> str | None:
    """What two graphs differ in, by the first node or numbers that differ."""
    for x, y in itertools.zip_longest(a.nodes, b.nodes):
        if x is None or y is None:
            return "the number of operations"
        same = (x.op, x.inputs, x.outputs, repr(x.attributes)) == (y.op, y.inputs, y.outputs, repr(y.attributes))
        if not same:
            return f"the node {x.outputs[0]} ({x.op})"
        for name in x.inputs:
            p, q = a.initializers.get(name), b.initializers.get(name)
            if p is not None and q is not None and (p.shape != q.shape or p.tobytes() != q.tobytes()):
                where = f" in the layer '{x.path}'" if x.path else ""
                return f"a constant of shape {p.shape} that {x.op} takes{where}"
    return None if a.initializers.keys() == b.initializers.keys() else "a constant"


def _flat(result: Any) -> Iterator[Any]:
    """The Tensors and arrays of a result, in order."""
    if isinstance(result, (tuple, list)) and not isinstance(result, Traced):
        for part in result:
            yield from _flat(part)
    elif isinstance(result, Mapping):
        yield from _flat(list(result.values()))
    elif isinstance(result, (Tensor, np.ndarray, Traced)):
        yield result
    elif result is not None:
        raise TypeError(f"export: the function returns {shown(result)}; Tensors are wanted, or tuples of them")
