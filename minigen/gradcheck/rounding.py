"""How far is a function rounded, and its gradient? Measured where it can be, to tell a zero from a small number.

Numbers on the way to a result may be larger than it, and are rounded accordingly: the sum of a softmax is 1 to within
1e-16 and its gradient, which is zero, comes out as 1e-17. But a function that is small throughout has no such noise,
and its derivatives are known as well as those of any other.

Imports: tensor, and the files beside it. Read next: ``sides.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.numeric import Steps
from minigen.gradcheck.probes import Directions
from minigen.gradcheck.problem import Problem
from minigen_kernels import Array

NEXT_TO_NOTHING = 1e-12  # a result that is smaller than this part of what goes in may be all rounding


def noise_of_values(problem: Problem, ys: Sequence[Tensor], y0: Array, steps: Steps, rng: np.random.Generator) -> Array:
    """How far each element of the values (m,) is rounded.

    Measured: how far it is from a smooth curve over small steps through all variables. But no more than the numbers on
    the way to it explain, for a kink or a jump is no rounding. And where nothing is seen, or the result is next to
    nothing, no less than 5 eps (of the largest number that goes in or comes out, if that is below 1): there it may be
    a staircase with treads too wide to be seen. Not so where twice the step moves the result twice as far.
    """
    most = noise_on_the_way(ys, steps)
    points = [np.asarray(v.tensor.numpy(), np.float64) for v in problem.variables]
    moves = [Directions(x, 1, rng, least=0.0).direction(0) for x in points]

    def f(t: float) -> Array:
        y = problem.at({i: x + (t * d).reshape(x.shape) for i, (x, d) in enumerate(zip(points, moves))})
        return y if y.shape == y0.shape else np.full(y0.shape, np.inf)

    seen = np.zeros(y0.shape)
    for t in steps.jitter:
        seen = np.maximum(seen, np.abs((f(t) - y0) + (f(-t) - y0)))
    smooth = y0 != 0
    for t in steps.tremor:  # over larger steps a smooth function bends, but its fourth difference is still nothing
        right, left, far_right, far_left = f(t), f(-t), f(2 * t), f(-2 * t)
        beside, beyond = (right - y0) + (left - y0), (far_right - y0) + (far_left - y0)
        seen = np.maximum(seen, np.abs(beyond - 4 * beside) / 4)
        moved, twice = right - left, far_right - far_left
        smooth &= (moved != 0) & (np.abs(twice - 2 * moved) <= 1e-3 * np.abs(moved))  # no staircase does that
    seen[~np.isfinite(seen)] = np.inf
    inside = max([float(np.abs(x).max(initial=0.0)) for x in points], default=1.0)
    parts = [np.full(y.size, max(inside, _largest(y))) for y in ys]
    size = np.minimum(np.concatenate([np.zeros(0), *parts]), 1.0)
    trusted = smooth | ((seen > 0) & (np.abs(y0) > NEXT_TO_NOTHING * size))
    return np.minimum(np.maximum(4 * seen, np.where(trusted, 0.0, 5 * steps.eps * size)), most)


def noise_on_the_way(ys: Sequence[Tensor], steps: Steps) -> Array:
    """The rounding of the largest number in the graph of each output, for each of its elements (m,)."""
    found: dict[int, Tensor] = {}
    stack = list(ys)
    while stack:
        t = stack.pop()
        if id(t) not in found:
            found[id(t)] = t
            if t.node is not None:
                stack += [x for x in t.node.inputs if isinstance(x, Tensor)]
    largest: dict[int, float] = {}
    for t in sorted(found.values(), key=lambda t: 0 if t.node is None else t.node.sequence):  # inputs come first
        inputs = [] if t.node is None else [largest[id(x)] for x in t.node.inputs if isinstance(x, Tensor)]
        largest[id(t)] = max([_largest(t), *inputs])
    return np.concatenate([np.zeros(0), *(np.full(y.size, 16 * steps.eps * largest[id(y)]) for y in ys)])


def _largest(t: Tensor) -> float:
    """The largest finite number in a Tensor."""
    size = np.abs(t.numpy()) if t.dtype.kind == "f" else np.zeros(0)
    return float(size.max(initial=0.0, where=np.isfinite(size)))


def noise_of_gradients(
    pull_back: Callable[[Array], list[Array]], weights: Array, rng: np.random.Generator
) -> list[Array]:
    """How far the gradients of each variable are rounded, (K, size): of a zero it is all that there is.

    Every backward is linear in the cotangent w: g(w + e) + g(w - e) - 2 g(w) is rounding and nothing else, if e is so
    small that also one which is not linear cannot be seen to bend. `pull_back`: cotangents (K, m) to gradients.
    """
    here = pull_back(weights)
    found = [np.zeros_like(g) for g in here]
    for _ in range(3):
        e = 1e-7 * weights * rng.standard_normal(weights.shape)
        right, left = pull_back(weights + e), pull_back(weights - e)
        for n, (a, b, c) in enumerate(zip(right, here, left, strict=True)):
            off = np.abs((a - b) + (c - b))
            found[n] = np.maximum(found[n], np.where(np.isfinite(off), off, 0.0))
    pooled = [f.max(1, keepdims=True, initial=0.0) for f in found]
    return [np.where(f > 0, f, p) for f, p in zip(found, pooled, strict=True)]
