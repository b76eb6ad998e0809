"""A small gradient check of the tests' own, so that `minigen.gradcheck` is not the only judge of the engine.

Let f take inputs x and let c be a random cotangent. All variables together are v = (x..., c). Then

    s_0(v) = <f(x), c>,        s_k(v) = the sum over the variables of <d s_(k-1) / d v_i, u_k,i>

with fixed random u. Each s_k is a number, so its derivative along a random direction d can be had in two ways: from
the engine, as <d s_k / d v_i, d>, and from values of s_k alone, as a difference quotient. Order k + 1 is right if both
agree for every variable; the cotangent is one of them, since a gradient is differentiated with respect to it as well.

Imports: NumPy, minigen.autograd. Read next: ``tests/ops/test_op_table.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.autograd import Tensor, grad

Array = NDArray[Any]

# Two central differences, extrapolated: the error is O(STEP^4), about 1e-13 times a fifth derivative; the rounding of
# s costs 2e-16 / STEP = 4e-13 of its size.
STEP = 5e-4
# What is left of both for functions whose derivatives grow as fast as those of a normalisation of two close values.
RELATIVE = 1e-7


class WrongGradientError(AssertionError):
    """The engine's derivative and the difference quotient disagree."""


def check_gradients(f: Callable[..., Tensor], inputs: Sequence[Array], order: int, rng: np.random.Generator) -> None:
    """Compare the derivatives of `f` up to `order` with differences, for every input and the cotangent."""
    c = rng.normal(size=f(*map(Tensor, inputs)).shape)
    variables = [*inputs, c]
    fixed = [[rng.normal(size=v.shape) for v in variables] for _ in range(order)]

    def s(k: int, tensors: Sequence[Tensor]) -> Tensor:
        if k == 0:
            return (f(*tensors[:-1]) * tensors[-1]).sum()
        before = s(k - 1, tensors)
        gradients = grad(before, tensors, create_graph=True) if before.requires_grad else []
        total = Tensor(0.0, dtype=np.float64)
        for g, u in zip(gradients, fixed[k]):
            total = total + (g * Tensor(u)).sum()
        return total

    for k in range(order):
        tensors = [Tensor(v, requires_grad=True) for v in variables]
        value = s(k, tensors)
        gradients = grad(value, tensors) if value.requires_grad else [Tensor(np.zeros_like(v)) for v in variables]
        if k == 0:
            _check_recorded(s, tensors, gradients)
        for i, g in enumerate(gradients):
            _check_direction(functools.partial(s, k), variables, i, k + 1, g.data, value.item(), rng)


def _check_recorded(s: Any, tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """With create_graph a fused operation takes the gradient of its definition: it must be that of its kernel."""
    recorded = grad(s(0, tensors), tensors, create_graph=True)
    for i, (plain, other) in enumerate(zip(gradients, recorded, strict=True)):
        size = max(1.0, float(np.abs(plain.data).max(initial=0)))
        if not np.abs(plain.data - other.data).max(initial=0) <= 1e-9 * size:  # both are exact to rounding
            raise WrongGradientError(f"variable {i}: the gradient changes with create_graph: {plain} and {other}")


def _check_direction(
    s: Callable[[Sequence[Tensor]], Tensor],
    variables: Sequence[Array],
    i: int,
    order: int,
    g: Array,
    value: float,
    rng: np.random.Generator,
) -> None:
    d = rng.choice([-1.0, 1.0], variables[i].shape) * rng.uniform(0.3, 1, variables[i].shape)  # no element stays still

    def at(t: float) -> float:
        moved = [Tensor(v + t * d if j == i else v, requires_grad=True) for j, v in enumerate(variables)]
        return s(moved).item()

    coarse = (at(STEP) - at(-STEP)) / (2 * STEP)
    fine = (at(STEP / 2) - at(-STEP / 2)) / STEP
    numeric, analytic = (4 * fine - coarse) / 3, float((g * d).sum())
    size = float(np.abs(g * d).sum()) + 1e-2 * (1 + abs(value))
    if not abs(numeric - analytic) <= RELATIVE * size:
        kind = "the cotangent" if i == len(variables) - 1 else f"input {i}"
        raise WrongGradientError(f"order {order}, {kind}: the engine says {analytic!r}, differences say {numeric!r}")
