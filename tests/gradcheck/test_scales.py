"""The gradient checker on numbers of every scale: right functions pass, and the same with a wrong gradient do not.

Read next: ``test_extreme_scales.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck.wrong_gradients import point, spoilt

from minigen import ops
from minigen.autograd import Tensor
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen_kernels import Array

# Scales, and zeros that rounding does not leave at zero.


@pytest.mark.parametrize("scale", [1e-8, 1e-6, 1e-3, 1.0, 1e4, 1e8])
def test_products_of_any_scale_are_checked(scale: float) -> None:
    inputs = point(2, 3) * scale, point(3, 2, seed=1) * scale
    assert {row.verdict for row in gradcheck(ops.matmul, *inputs).rows} == {"OK"}
    with pytest.raises(GradientMismatch, match="WRONG"):
        gradcheck(spoilt(ops.matmul, lambda g: g * 1.001, i=1), *inputs)


@pytest.mark.parametrize("seed", range(20))
def test_one_tensor_of_sixteen_orders_of_magnitude(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = 10.0 ** rng.uniform(-8, 8, 6) * rng.choice([-1.0, 1.0], 6)
    x[0] = 1e-3
    gradcheck(ops.softplus, x, seed=seed)
    mask = np.ones(6)
    mask[0] = 1.001  # the look at small elements from close by excuses nothing
    with pytest.raises(GradientMismatch) as info:
        gradcheck(spoilt(ops.softplus, lambda g: g * Tensor(mask)), x, seed=seed)
    assert info.value.index == (0,)


ZEROS: dict[str, Callable[[Any], Any]] = {
    "sum of parts": lambda x: x * 0.1 + x * 0.2 - x * 0.3,
    "softmax": lambda x: ops.softmax(x, 1).sum(1),
    "quotient": lambda x: x / x,
    "centred": lambda x: (x - x.mean(0)).sum(0),
    "square root": lambda x: ops.sqrt(x * x) - ops.abs(x),
    "norm": lambda x: ops.norm(x / ops.norm(x)),
    "sigmoids": lambda x: ops.sigmoid(x) + ops.sigmoid(-x),
}


@pytest.mark.parametrize("name", ZEROS)
@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in (5, 10, 15))])
def test_what_rounding_leaves_of_a_zero_is_neither_right_nor_wrong(name: str, first: int) -> None:
    for seed in range(first, first + 5):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(rng.integers(2, 6, 2)) * 10 ** rng.uniform(-6, 6)
        report = gradcheck(ZEROS[name], x, seed=seed, allow_zero=True)
        assert {row.verdict for row in report.rows} == {"VACUOUS"}


def test_masked_attention_is_not_lost_in_the_rounding_of_its_mask() -> None:
    mask = np.arange(12).reshape(3, 4) % 5 != 0
    report = gradcheck(lambda x: ops.softmax(ops.where(mask, x, -1e9), 1), point(3, 4), order=2)
    assert all(row.verdict == "OK" and row.resolution < 1e-5 for row in report.rows)


# A broad attack: right functions of every scale and shape pass, and the same with a wrong gradient do not.

SHAPES = [(4,), (1,), (), (3, 4), (1, 5), (2, 1, 3)]


def away(x: Array, gap: float) -> Array:
    return np.where(np.abs(x) < gap, x + np.sign(x + 1e-30) * gap, x)


RIGHT: dict[str, tuple[Callable[[Any], Any], Callable[[Array], Array]]] = {
    "exp": (ops.exp, lambda x: x),
    "tanh": (ops.tanh, lambda x: x),
    "softplus": (ops.softplus, lambda x: 5 * x),
    "log": (ops.log, lambda x: np.abs(x) + 0.01),
    "sqrt": (ops.sqrt, lambda x: np.abs(x) + 0.01),
    "gelu": (ops.gelu, lambda x: np.clip(3 * x, -5, 5)),
    "cube": (lambda x: x**3, lambda x: x),
    "inverse": (lambda x: 1 / x, lambda x: away(x, 0.1)),
    "leaky": (lambda x: ops.where(x > 0, x, x * 0.01), lambda x: away(x, 1e-4)),
    "abs": (ops.abs, lambda x: away(x, 1e-3)),
    "stiff": (lambda x: ops.tanh(x * 300), lambda x: x / 300),
    "narrow": (lambda x: 1 / (x * x + 1e-3), lambda x: x),
    "root of a small square": (lambda x: ops.sqrt(x * x + 1e-12), lambda x: x),
    "cancelling": (lambda x: (x + 1e3) - 1e3 + x * x, lambda x: x),
}
SPOILS: dict[str, Callable[[Any], Any]] = {
    "1.001": lambda g: g * 1.001,
    "sign": lambda g: -g,
    "zero": lambda g: g * 0,
    "first": lambda g: g * Tensor(np.where(np.arange(g.size).reshape(g.shape) == 0, 1.05, 1.0)),
    "added": lambda g: g + Tensor(np.full(g.shape, 0.01 * np.abs(g.data).max())),
}


def attack(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fn, domain = RIGHT[name]
    scale_in, scale_out = 10 ** rng.uniform(-8, 8, 2)
    x = np.asarray(domain(rng.standard_normal(SHAPES[seed % len(SHAPES)])) * scale_in)
    report = gradcheck(lambda x: fn(x / scale_in) * scale_out, x, seed=seed, self_test=True)
    assert all(m.rejected for m in report.mutations)
    strided = np.broadcast_to(np.asarray(domain(rng.standard_normal((1, 6)))), (3, 6))[::-1, ::2].T
    gradcheck(fn, strided, seed=seed, order=2)
    for spoil in SPOILS.values():
        wrong = gradcheck(spoilt(lambda x: fn(x / scale_in) * scale_out, spoil), x, seed=seed, raise_on_failure=False)
        assert wrong.verdict == "WRONG"


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_attack(name: str, seed: int) -> None:
    attack(name, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_long_attack(name: str) -> None:
    for seed in range(2, 60):
        attack(name, seed)
