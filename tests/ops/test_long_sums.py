"""Sums of many float32 keep their digits, wherever an operation, a gradient of any order or a loss adds up.

The rows are constants such as 0.1, whose roundings all go one way: added one after the other, 300,000 of them are some
0.5 % off, in pairs less than 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigen import losses, nn, ops
from minigen.autograd import Tensor, grad

ROWS = 300_000
#: Sums in pairs are off by half a unit of float32 for each of 18 levels, at worst.
TOLERANCE = 18 * np.finfo(np.float32).eps


def tall(*columns: int, value: float = 0.1) -> Tensor:
    return Tensor(np.full((ROWS, *columns), value, np.float32), requires_grad=True)


TENTH = float(np.float32(0.1))
REDUCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "sum": (lambda x: ops.sum(x, 0), ROWS * TENTH),
    "mean": (lambda x: ops.mean(x, 0), TENTH),
    "sum_to": (lambda x: ops.sum_to(x, (1, 3)), ROWS * TENTH),
    "norm": (lambda x: ops.norm(x, 0), np.sqrt(ROWS) * TENTH),
    "norm of order 1": (lambda x: ops.norm(x, 0, order=1), ROWS * TENTH),
    "norm of order 3": (lambda x: ops.norm(x, 0, order=3), ROWS ** (1 / 3) * TENTH),
    "cumsum": (lambda x: ops.cumsum(x, 0)[-1], ROWS * TENTH),
    "einsum": (lambda x: ops.einsum("ij->j", x), ROWS * TENTH),
    "logsumexp": (lambda x: ops.exp(ops.logsumexp(x * 0 + np.log(0.1), 0)), ROWS * 0.1),
    "softmax": (lambda x: ops.softmax(x, 0)[0] * ROWS, 1),
    "matmul": (lambda x: ops.matmul(Tensor(np.ones(ROWS, np.float32)), x), ROWS * TENTH),
    "transposed": (lambda x: ops.sum(ops.reshape(x, (ROWS, 3)).T, 1), ROWS * TENTH),
    "losses.l1": (lambda x: losses.l1(x, x * 0, reduction="sum"), 3 * ROWS * TENTH),
    "losses.mse": (lambda x: losses.mse(x, x * 0), TENTH**2),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    operation, wanted = REDUCTIONS[name]
    # exp of a logarithm near 10 multiplies half a unit of the logarithm by 10; the others have a few roundings more
    np.testing.assert_allclose(operation(tall(3)).numpy(), wanted, rtol=2 * TOLERANCE)


@pytest.mark.parametrize("mean", [0, 1e3, 1e6])
def test_variance_around_a_large_mean(mean):
    x = np.random.default_rng(1).normal(mean, 1, (ROWS, 2)).astype(np.float32)
    for axis, wanted in ((0, x.astype(float).var(0)), (None, x.astype(float).var())):
        # The deviations are numbers of float32, exact where the mean is large; their squares have one rounding each.
        np.testing.assert_allclose(ops.var(Tensor(x), axis).numpy(), wanted, rtol=TOLERANCE)


#: A function of x (N, 4) or (N, 4, 1, 1) and of a bias (4,), into which x goes with slope 1.
BIASES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x + b": lambda x, b: x + b,
    "b - x": lambda x, b: b - x,
    "x * b": lambda x, b: (x * 0 + 1) * b,
    "linear": lambda x, b: ops.linear(x, Tensor(np.eye(4, dtype=np.float32)), b),
    "linear and relu": lambda x, b: ops.linear(x, Tensor(np.eye(4, dtype=np.float32)), b, ops.relu),
    "bias_act": lambda x, b: ops.bias_act(x, b),
    "conv2d": lambda x, b: ops.reshape(
        ops.conv2d(ops.reshape(x, (-1, 4, 1, 1)), Tensor(np.eye(4, dtype=np.float32)[:, :, None, None]), b), x.shape
    ),
    "where": lambda x, b: ops.where(x.data > 0, ops.reshape(b, (1, 4)), x),
    "maximum": lambda x, b: ops.maximum(x * 0, b),
    "broadcast_to": lambda x, b: ops.broadcast_to(b, x.shape),
    "layer_norm": lambda x, b: ops.layer_norm(x, b * 0 + 1, b),
    "an index": lambda x, b: x + b[np.arange(4 * ROWS).reshape(ROWS, 4) % 4],
    "rows of an index": lambda x, b: x + b[None][np.zeros(ROWS, int)],
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", BIASES)
def test_gradient_of_what_is_broadcast(name, create_graph):
    b = Tensor(np.ones(4, np.float32), requires_grad=True)
    weights = tall(4)  # of the results; a sum of ones would be exact
    y = BIASES[name](Tensor(np.full((ROWS, 4), 0.3, np.float32)), b)
    (gb,) = grad(y, [b], weights, create_graph=create_graph)
    np.testing.assert_allclose(gb.numpy(), ROWS * TENTH, rtol=TOLERANCE)


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_of_the_sums_so_far(create_graph):
    x = tall(3)
    (gx,) = grad(ops.cumsum(x, 0), [x], tall(3), create_graph=create_graph)
    np.testing.assert_allclose(gx.numpy()[0], ROWS * TENTH, rtol=TOLERANCE)


def batch_norm_gradients(x: np.ndarray, weights: np.ndarray, dtype: Any, create_graph: bool) -> list[np.ndarray]:
    w, b = (Tensor(np.full(2, v, dtype), requires_grad=True) for v in (1, 0))
    y = ops.batch_norm(Tensor(x.astype(dtype)), w, b)
    return [g.numpy() for g in grad(y, [w, b], Tensor(weights.astype(dtype)), create_graph=create_graph)]


@pytest.mark.parametrize("create_graph", [False, True])
def test_batch_norm_of_many_rows_with_a_large_mean(create_graph):
    rng = np.random.default_rng(1)
    x, weights = rng.normal(1000, 1, (ROWS, 2)).astype(np.float32), rng.normal(size=(ROWS, 2)).astype(np.float32)
    wanted = batch_norm_gradients(x, weights, np.float64, create_graph)
    got = batch_norm_gradients(x, weights, np.float32, create_graph)
    # Sums of products of both diagnostics: their roundings are relative to the sum of the sizes, ROWS * 2 / pi.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=np.finfo(np.float32).eps * ROWS * 2 / np.pi)


def test_batch_norm_in_training_follows_the_statistics_of_many_rows():
    x = np.random.default_rng(1).normal(1000, 1, (ROWS, 2)).astype(np.float32)
    layer = nn.BatchNorm(2, momentum=1.0)
    layer(Tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean(0, dtype=float), rtol=TOLERANCE)
    np.testing.assert_allclose(layer.running_var.numpy(), x.astype(float).var(0, ddof=1), rtol=TOLERANCE)


def test_the_second_derivative_adds_up_as_well():
    b = Tensor(np.full(3, 2, np.float32), requires_grad=True)
    (g,) = grad(ops.sum(tall(3) * b**3), [b], create_graph=True)
    (h,) = grad(ops.sum(g), [b])
    np.testing.assert_allclose(h.numpy(), 12 * ROWS * TENTH, rtol=TOLERANCE)


def test_sums_of_whole_numbers_stay_what_they_were():
    for dtype in (np.int32, np.uint8, bool):
        x = np.random.default_rng(0).integers(0, 2, (5, 7)).astype(dtype)
        for axis, keepdims in ((0, False), ((0, 1), True), (None, False)):
            got = ops.sum(Tensor(x), axis, keepdims)
            wanted = x.sum(axis, keepdims=keepdims)
            assert got.dtype == wanted.dtype and got.shape == wanted.shape and (got.numpy() == wanted).all()


@pytest.mark.slow
def test_ten_million_rows():
    x = Tensor(np.full((10**7, 3), 0.1, np.float32))
    np.testing.assert_allclose(ops.mean(x, 0).numpy(), TENTH, rtol=2e-7)
    y = np.random.default_rng(1).normal(1000, 1, (10**7, 2)).astype(np.float32)
    np.testing.assert_allclose(ops.var(Tensor(y), 0).numpy(), y.astype(float).var(0), rtol=2e-6)
