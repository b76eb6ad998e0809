"""Rounding errors of a function and of its gradient, measured where possible, to tell a zero from a small number.

Intermediate results may be larger than the result, and have larger rounding errors: the sum of a softmax is 1 to within
1e-16, and its gradient, which is zero, comes out as 1e-17. A function that is small throughout has no such errors, and
its derivatives are known as precisely as those of any other.

Imports: autograd, and the files beside it. Read next: ``linearization.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.checked_function import CheckedFunction
from minigen.gradcheck.directions import RandomDirections
from minigen.gradcheck.graph import graph_tensors
from minigen.gradcheck.numeric import StepSizes
from minigen_kernels import Array

NEGLIGIBLE = 1e-12  # a result smaller than this part of the inputs may consist of rounding errors


def rounding_of_values(
    function: CheckedFunction, ys: Sequence[Tensor], y0: Array, steps: StepSizes, rng: np.random.Generator
) -> Array:
    """The rounding error of each element of the values, (m,).

    Measured: the deviation from a smooth curve over small steps through all variables. At most what the size of the
    intermediate results explains, because a kink or a jump is no rounding. Where no error is seen, or the result is
    negligible, at least 5 eps (of the largest input or output, if that is below 1): the function may be a staircase
    whose steps are too wide to be seen. Unless twice the step moves the result twice as far.
    """
    most = intermediate_rounding(ys, steps)
    points = [v.numbers() for v in function.variables]
    moves = [RandomDirections(x, 1, rng, least=0.0).direction(0) for x in points]

    def f(t: float) -> Array:
        y = function.values_at({i: x + (t * d).reshape(x.shape) for i, (x, d) in enumerate(zip(points, moves))})
        return y if y.shape == y0.shape else np.full(y0.shape, np.inf)

    seen = np.zeros(y0.shape)
    for t in steps.rounding_steps:
        seen = np.maximum(seen, np.abs((f(t) - y0) + (f(-t) - y0)))
    smooth = y0 != 0
    for t in steps.curved_steps:  # the second difference of a smooth function is not zero, but the fourth is
        right, left, far_right, far_left = f(t), f(-t), f(2 * t), f(-2 * t)
        near, far = (right - y0) + (left - y0), (far_right - y0) + (far_left - y0)
        seen = np.maximum(seen, np.abs(far - 4 * near) / 4)
        moved, twice = right - left, far_right - far_left
        smooth &= (moved != 0) & (np.abs(twice - 2 * moved) <= 1e-3 * np.abs(moved))  # no staircase does that
    seen[~np.isfinite(seen)] = np.inf
    inside = max([float(np.abs(x).max(initial=0.0)) for x in points], default=1.0)
    parts = [np.full(y.size, max(inside, _largest(y))) for y in ys]
    size = np.minimum(np.concatenate([np.zeros(0), *parts]), 1.0)
    trusted = smooth | ((seen > 0) & (np.abs(y0) > NEGLIGIBLE * size))
    return np.minimum(np.maximum(4 * seen, np.where(trusted, 0.0, 5 * steps.eps * size)), most)


def intermediate_rounding(ys: Sequence[Tensor], steps: StepSizes) -> Array:
    """The rounding error of the largest intermediate result of each output, for each of its elements (m,)."""
    largest: dict[int, float] = {}
    for t in sorted(graph_tensors(ys), key=lambda t: 0 if t.node is None else t.node.sequence):  # inputs come first
        inputs = [] if t.node is None else [largest[id(x)] for x in t.node.inputs if isinstance(x, Tensor)]
        largest[id(t)] = max([_largest(t), *inputs])
    return np.concatenate([np.zeros(0), *(np.full(y.size, 16 * steps.eps * largest[id(y)]) for y in ys)])


def _largest(t: Tensor) -> float:
    """The largest finite absolute value in a Tensor."""
    size = np.abs(t.numpy()) if t.dtype.kind == "f" else np.zeros(0)
    return float(size.max(initial=0.0, where=np.isfinite(size)))


def rounding_of_gradients(vjp: Callable[[Array], list[Array]], weights: Array, rng: np.random.Generator) -> list[Array]:
    """The rounding error of the gradient of each variable, (K, size).

    A backward is linear in the cotangent w, so g(w + e) + g(w - e) - 2 g(w) is the rounding error alone. e is so small
    that this also holds for a backward that is not linear. `vjp`: cotangents (K, m) to gradients.
    """
    here = vjp(weights)
    found = [np.zeros_like(g) for g in here]
    for _ in range(3):
        e = 1e-7 * weights * rng.standard_normal(weights.shape)
        right, left = vjp(weights + e), vjp(weights - e)
        for n, (a, b, c) in enumerate(zip(right, here, left, strict=True)):
            off = np.abs((a - b) + (c - b))
            found[n] = np.maximum(found[n], np.where(np.isfinite(off), off, 0.0))
    pooled = [f.max(1, keepdims=True, initial=0.0) for f in found]
    return [np.where(f > 0, f, p) for f, p in zip(found, pooled, strict=True)]
