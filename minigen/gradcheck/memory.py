"""The same numbers elsewhere in memory: a layer that reads memory in storage order gives another result for them.

A transposed array is in Fortran order, a slice has gaps and strides below zero, the gradient of a sum is one number
with strides of zero. Whoever reads such an array by `ravel("K")`, `as_strided` or a pointer mixes its elements up.

Imports: device, and the files beside it. Read next: ``cotangents.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.sides import Sides, flat
from minigen_kernels import Array

Layout = Callable[[Array], Array]


def fortran(x: Array) -> Array:
    """A copy in which the first axis is the innermost."""
    return x.copy(order="F")


def backwards(x: Array) -> Array:
    """A copy whose strides are all negative, with a NaN beside each number.

    Behind it lies memory enough for one who reads on from its first element as if it were contiguous.
    """
    room = array_module(x).full(3 * x.size, np.nan, x.dtype)
    if not x.ndim:
        room[0] = x
        return room[:1].reshape(())
    large = room[: 2 * x.size].reshape(*x.shape[:-1], 2 * x.shape[-1])
    part = large[(slice(None, None, -1),) * (x.ndim - 1) + (slice(None, None, -2),)]
    part[...] = x
    return part


#: What the inputs are, what the cotangents are, and words for both.
LAYOUTS: tuple[tuple[Layout | None, Layout | None, str], ...] = (
    (fortran, None, "inputs in Fortran order (as x.T is)"),
    (None, fortran, "a cotangent gy in Fortran order (as the gradient of a transposition is)"),
    (backwards, backwards, "inputs and cotangents that are slices with negative strides (as x[::-1] is)"),
)


def check_memory(sides: Sides, inspected: Sequence[OneTensor]) -> GradientMismatch | None:
    """Values and gradients have to be the same for each layout. What differs is returned as a failure."""
    tensors = [*(v.tensor for v in sides.variables), *sides.cotangents[-1]]
    grids = any(sum(n > 1 for n in t.shape) > 1 for t in tensors)
    for of_inputs, of_cotangents, words in LAYOUTS:
        if fortran in (of_inputs, of_cotangents) and not grids:
            continue  # without two axes there is no other order
        with _laid_out([v.tensor for v in sides.variables], of_inputs):
            ys = sides.problem.evaluate(True)
            values = flat(ys)
            gys = [Tensor(of_cotangents(g.data)) if of_cotangents else g for g in sides.cotangents[-1]]
            gradients = [g[0] for g in sides.pull_back(ys, False, [gys])]
        if off := _differs(sides, values):
            return _failure(sides, ", ".join(sides.problem.output_names), "the result", words, off)
        for one, gradient in zip(inspected, gradients, strict=True):
            if off := one.differs(gradient):
                return _failure(sides, one.name, "the gradient", words, off)
    return None


@contextmanager
def _laid_out(tensors: Sequence[Tensor], layout: Layout | None) -> Iterator[None]:
    """Inside, the Tensors hold the same numbers with another layout."""
    before = [t.data for t in tensors]
    try:
        for t in tensors:
            t.data = layout(t.data) if layout is not None else t.data
        yield
    finally:
        for t, data in zip(tensors, before, strict=True):
            t.data = data


def _differs(sides: Sides, values: Array) -> float:
    """By how much the values differ beyond rounding, relative to the largest; 0 if they do not."""
    off = np.abs(values - sides.results)
    largest = float(np.abs(sides.results).max(initial=0.0))
    same = off <= sides.settings.rtol * largest + 100 * sides.atol
    return 0.0 if same.all() else float(np.max(off)) / (largest or 1.0)


def _failure(sides: Sides, name: str, what: str, words: str, off: float) -> GradientMismatch:
    return sides.mismatch(
        "WRONG", name, f"Laid out otherwise in memory, the same numbers give something else: {what} is off by "
        f"{off:.2g} of its largest.", Explanation("memory", f"It is right for contiguous arrays only. For {words}, "
        f"{what} is another one: is memory read in storage order, by ravel('K'), as_strided or a pointer? Index the "
        "array, or make it contiguous first (np.ascontiguousarray)."),
    )  # fmt: skip
