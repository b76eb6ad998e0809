"""The gradient checker on right functions: no false alarm, and what it accepts.

Kinks and refusals: ``test_verdicts.py``. Wrong functions: ``test_planted_errors.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck.wrong_gradients import point
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import losses, nn, ops
from minigen.autograd import Function, Tensor, grad
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.random import Generator
from minigen_kernels import Array

Draw = Callable[[np.random.Generator], tuple[Array, ...]]


# No false alarms.


def scaled(rng: np.random.Generator, *shape: int, low: float = 1e-3, high: float = 1e3) -> Array:
    """Of either sign and of any size from `low` to `high`."""
    return np.exp(rng.uniform(np.log(low), np.log(high), shape)) * rng.choice([-1.0, 1.0], shape)


SMOOTH: dict[str, tuple[Callable[..., Tensor], Draw]] = {
    "exp": (ops.exp, lambda r: (scaled(r, 4, high=20),)),
    "log": (ops.log, lambda r: (np.abs(scaled(r, 5)),)),
    "sqrt": (ops.sqrt, lambda r: (np.abs(scaled(r, 5)),)),
    "tanh": (ops.tanh, lambda r: (scaled(r, 5, high=5),)),
    "sigmoid": (ops.sigmoid, lambda r: (scaled(r, 5, high=20),)),
    "softplus": (ops.softplus, lambda r: (scaled(r, 5),)),
    "gelu": (ops.gelu, lambda r: (scaled(r, 5),)),
    "silu": (ops.silu, lambda r: (scaled(r, 5),)),
    "multiply": (lambda a, b: a * b, lambda r: (scaled(r, 3, 2), scaled(r, 2))),
    "divide": (lambda a, b: a / b, lambda r: (scaled(r, 3, 2), scaled(r, 2))),
    "power": (ops.power, lambda r: (np.abs(scaled(r, 4, low=1e-2, high=1e2)), r.uniform(0.5, 3, 4))),
    "matmul": (ops.matmul, lambda r: (scaled(r, 3, 2), scaled(r, 2, 3))),
    "softmax": (ops.softmax, lambda r: (scaled(r, 3, 4, high=5),)),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), lambda r: (scaled(r, 3, 4),)),
    "var": (lambda x: ops.var(x, 0), lambda r: (scaled(r, 4, 3),)),
    "norm": (lambda x: ops.norm(x, 1), lambda r: (scaled(r, 4, 3),)),
    "batch_norm": (ops.batch_norm, lambda r: (scaled(r, 4, 1), scaled(r, 1), scaled(r, 1))),
    "layer_norm": (ops.layer_norm, lambda r: (scaled(r, 1, 4), scaled(r, 4), scaled(r, 4))),
}


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(10, 200, 10))])
@pytest.mark.parametrize("name", SMOOTH)
def test_no_false_alarm_in_200_draws(name: str, first: int) -> None:
    """Ten draws always, the others with the slow tests."""
    fn, draw = SMOOTH[name]
    for seed in range(first, first + 10):
        report = gradcheck(fn, *draw(np.random.default_rng(seed)), seed=seed)
        assert all(row.verdict in ("OK", "VACUOUS") for row in report.rows)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_false_alarm_at_second_order(name: str, seed: int) -> None:
    fn, draw = SMOOTH[name]
    gradcheck(fn, *draw(np.random.default_rng(seed)), seed=seed, order=2)


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 8))])
def test_no_false_alarm_with_relu_and_pooling(seed: int) -> None:
    rng = Generator(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, rng=rng), nn.BatchNorm(4), ops.relu, nn.MaxPool2d(2), nn.Flatten(),
        nn.Dense(64, 5, rng=rng), ops.relu, nn.Dense(5, 2, rng=rng),
    )  # fmt: skip
    gradcheck(net, point(3, 2, 8, 8, seed=seed), seed=seed, max_elements=100)


# What is accepted, and how it is shown.


def test_float32_inputs_are_promoted_and_not_touched() -> None:
    array = point(3).astype(np.float32)
    tensor = Tensor(array.copy(), requires_grad=True)
    seen = []

    def fn(a: Tensor, b: Tensor, indices: Array, n: int) -> Tensor:
        seen.append((a.dtype, b.dtype, indices.dtype, n))
        return ops.exp(a * b)[indices]

    gradcheck(fn, array, tensor, np.array([0, 2, 2]), 7)
    assert set(seen) == {(np.dtype("f8"), np.dtype("f8"), np.dtype("i8"), 7)}
    assert tensor.dtype == np.float32 and tensor.grad is None and np.array_equal(tensor.data, array)


def test_wrt_chooses_inputs() -> None:
    report = gradcheck(lambda p, target: losses.mse(p, target.detach()), point(3), point(3, seed=1), wrt=[0])
    assert [row.name for row in report.rows] == ["input 0"]


def test_several_outputs_of_different_sizes_are_all_checked() -> None:
    class Wrong(Function):
        def forward(self, x: Array) -> Array:
            return x * 1e-6

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * 1.01e-6

    gradcheck(lambda x: (ops.exp(x) * 1e3, x * 1e-6, x > 0), point(4), order=2)
    with pytest.raises(GradientMismatch, match="WRONG, input 0"):
        gradcheck(lambda x: [ops.exp(x) * 1e3, Wrong.apply(x)], point(4))


def test_a_scalar_shows_its_own_derivative() -> None:
    with pytest.raises(GradientMismatch) as info:
        gradcheck(lambda x: (x * x).sum() + (x * x.detach()).sum(), np.array([3.0]), seed=2)
    assert info.value.numeric == pytest.approx(12, rel=1e-6)
    assert info.value.analytic == pytest.approx(9, rel=1e-12)


def test_shapes_without_axes_and_without_elements() -> None:
    gradcheck(lambda x, y: x * x + y.sum(), np.array(2.0), np.zeros((0, 3)), order=3)


@pytest.mark.parametrize("fn", [lambda x: x, lambda x: (x, x)])
def test_the_input_itself_as_output(fn: Any) -> None:
    gradcheck(fn, point(3), order=2)


def test_fn_may_differentiate_inside() -> None:
    def penalty(x: Tensor, w: Tensor) -> Tensor:
        (gx,) = grad(ops.tanh(x @ w).sum(), [x], create_graph=True)
        return ((ops.norm(gx, 1) - 1) ** 2).sum()

    gradcheck(penalty, point(3, 2), point(2, 4, seed=1), order=2)


def test_a_row_says_what_was_compared() -> None:
    report = gradcheck(nn.Dense(4, 2, rng=Generator(0)), point(3, 4), order=2)
    assert len(report.rows) == 7
    assert report.rows[0].name == "input 0" and report.rows[0].shape == (3, 4)
    assert report.rows[0].worst_index is not None and report.rows[0].resolution < 1e-5


def test_second_order_of_a_linear_function_is_zero_and_fine() -> None:
    report = gradcheck(lambda x: x * 2, point(3), order=2)
    assert [row.verdict for row in report.rows] == ["OK", "VACUOUS", "OK"]


def test_large_inputs_are_fast_and_an_error_in_them_is_located() -> None:
    x, mask = point(40, 500), np.ones((40, 500))
    mask[17, 123] = 1.02

    class Wrong(Function):
        def forward(self, x: Array) -> Array:
            return np.tanh(x)

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * (1 - y * y) * Tensor(mask)

    report = gradcheck(ops.tanh, x, order=2)
    assert "directions" in report.rows[0].compared and report.evaluations < 200
    start = time.perf_counter()
    with pytest.raises(GradientMismatch) as info:
        gradcheck(Wrong.apply, x)
    assert info.value.index == (17, 123)
    assert time.perf_counter() - start < 20  # about 0.1 s; element by element it would be a minute
