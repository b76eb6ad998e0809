"""An ONNX model, checked and compared: by the package ``onnx``, and in onnxruntime on ordinary and extreme inputs.

Numbers are compared relative to the larger of two: the largest output of the same sample, and the largest that
ordinary inputs have. So a sigmoid of -30, which is 1e-13 here and may be 1e-8 elsewhere, is right, and an output of
1e-3 is held to 1e-8 if that is how large outputs are. An output that extreme inputs do not determine to so many digits,
as a sigmoid of a small difference of large numbers, may differ by as much as it moves when they do by the tolerance.

Imports: recording, needed. Read next: ``export.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.onnx.needed import has
from minigen.onnx.recording import ExportError
from minigen_kernels import Array

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
BATCHES = (3, 2)  # sizes that are run beside that of the examples
EXAMPLES, LARGE, NEGATIVE, SPECIAL = "the example inputs", "large inputs", "large negative inputs", "NaN and infinity"
EXTREME = frozenset({LARGE, NEGATIVE, SPECIAL})
MOST = 1e-2  # that an output may differ by, where extreme inputs do not determine more digits of it

Plain = Callable[[Sequence[Array]], list[Array]]


@dataclass(frozen=True)
class Proof:
    """The largest relative differences between onnxruntime and minigen: on ordinary inputs, and on extreme ones."""

    ordinary: float
    extreme: float


def verified(
    model: Any, plainly: Plain, examples: Sequence[Array], *, dynamic_batch: bool, infinite: bool
) -> tuple[bytes, Proof | None]:
    """The bytes of a model that is right, and by how much it differs in onnxruntime; None: that is not installed.

    `plainly` is what minigen computes.
    """
    onnx: Any = importlib.import_module("onnx")
    inference: Any = importlib.import_module("onnx.shape_inference")
    try:
        model = inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, inference.InferenceError) as error:
        raise ExportError(f"export: the checker of onnx refuses the graph: {_line(error)}") from error
    data: bytes = model.SerializeToString()
    if not has("onnxruntime"):
        return data, None
    inputs = drawn(examples, dynamic_batch=dynamic_batch, infinite=infinite)
    return data, compared(in_onnxruntime(data), plainly, inputs)


def compared(run: Plain, plainly: Plain, drawn_inputs: Iterable[tuple[str, list[Array]]]) -> Proof:
    """By how much a runtime differs from minigen. ExportError: by too much."""
    largest, scales = {True: 0.0, False: 0.0}, list[float]()
    for what, inputs in drawn_inputs:
        try:
            expected = plainly(inputs)
        except ValueError:  # the function refuses such inputs, probabilities above 1 for example
            if what == EXAMPLES:
                raise
            continue
        found = run(inputs)
        if not scales:
            scales = [_scale(y) for y in expected]
        for i, (y, z) in enumerate(zip(expected, found, strict=True)):
            if y.shape != z.shape or y.dtype != z.dtype:
                raise ExportError(
                    f"export: output {i} is {y.dtype} {y.shape} in minigen, and {z.dtype} {z.shape} in onnxruntime"
                )
            apart, limit = relative(y, z, scales[i]), TOLERANCE.get(str(y.dtype), 0)
            if not apart <= limit and what in EXTREME:
                limit = max(limit, _conditioning(y, plainly, inputs, i, scales[i]))
            if not apart <= limit:
                raise ExportError(
                    f"export: output {i} differs by {apart:.1e} in onnxruntime on {what}; nothing is written"
                )
            largest[what in EXTREME] = max(largest[what in EXTREME], apart)
    return Proof(largest[False], largest[True])


def _conditioning(y: Array, plainly: Plain, inputs: Sequence[Array], i: int, scale: float) -> float:
    """By how much output i moves if the inputs do by the tolerance, relative to themselves."""
    if y.dtype.kind != "f":
        return 0.0
    rng, step, largest = np.random.default_rng(0), TOLERANCE[str(y.dtype)], 0.0
    for signs in ([1], [-1, 1]):  # all in one direction, and each in its own
        steps = [1 + step * rng.choice(signs, x.shape) for x in inputs]
        moved = [(x * by).astype(x.dtype) if x.dtype.kind == "f" else x for x, by in zip(inputs, steps)]
        largest = max(largest, relative(y, plainly(moved)[i], scale))
    return min(largest, MOST)


def relative(y: Array, z: Array, scale: float) -> float:
    """The largest difference, relative to the largest element of its sample, or to `scale`; Inf for a lone NaN."""
    if y.dtype.kind != "f" or not y.size:
        return 0.0 if np.array_equal(y, z) else float("inf")
    with np.errstate(all="ignore"):
        same = (y == z) | (np.isnan(y) & np.isnan(z))
        a, b = y.astype(np.float64), z.astype(np.float64)
        sizes = np.where(np.isfinite(a), np.abs(a), 0)
        largest = sizes.reshape(len(a), -1).max(1, initial=0).reshape(-1, *(1,) * (a.ndim - 1)) if a.ndim else sizes
        apart = np.abs(a - b) / np.maximum(largest, scale)
    apart = np.where(same, 0, np.where(np.isfinite(apart), apart, np.inf))
    return float(apart.max(initial=0))


def _scale(y: Array) -> float:
    finite = np.abs(y[np.isfinite(y)].astype(np.float64)) if y.dtype.kind == "f" else np.zeros(0)
    return float(finite.max(initial=0)) or float(np.finfo(np.float32).tiny)


def drawn(
    examples: Sequence[Array], *, dynamic_batch: bool, infinite: bool = False, seed: int = 0
) -> Iterator[tuple[str, list[Array]]]:
    """Inputs, ordinary ones first, with what they are. Whole numbers are those of the examples, in another order."""
    rng = np.random.default_rng(seed)

    def like(x: Array, n: int | None, numbers: Callable[[tuple[int, ...]], Array]) -> Array:
        shape = x.shape if n is None else (n, *x.shape[1:])
        if x.dtype.kind == "f":
            return np.asarray(numbers(shape)).astype(x.dtype)
        return x if n is None else x[rng.integers(0, len(x), n)]

    first, second = BATCHES if dynamic_batch else (None, None)
    yield EXAMPLES, list(examples)
    yield "random inputs", [like(x, first, lambda shape: rng.normal(size=shape)) for x in examples]
    yield "inputs from 0 to 1", [like(x, second, lambda shape: rng.random(shape)) for x in examples]
    yield "zeros", [like(x, second, np.zeros) for x in examples]
    yield LARGE, [like(x, first, lambda shape: rng.normal(size=shape) * 1e3) for x in examples]
    yield NEGATIVE, [like(x, second, lambda shape: -1e3 * (rng.random(shape) + 0.5)) for x in examples]
    yield "tiny inputs", [like(x, first, lambda shape: rng.normal(size=shape) * 1e-20) for x in examples]
    if infinite:
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]
        yield SPECIAL, [like(x, first, lambda shape: rng.choice(special, shape)) for x in examples]


def in_onnxruntime(data: bytes) -> Callable[[Sequence[Array]], list[Array]]:
    """A function of a model's inputs, computed by onnxruntime on the CPU."""
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes have no common base
        raise ExportError(f"export: onnxruntime refuses the graph: {_line(error)}") from error
    names = [x.name for x in session.get_inputs()]

    def run(inputs: Sequence[Array]) -> list[Array]:
        try:
            return [np.asarray(y) for y in session.run(None, dict(zip(names, inputs)))]
        except Exception as error:
            raise ExportError(f"export: onnxruntime fails on the graph: {_line(error)}") from error

    return run


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
