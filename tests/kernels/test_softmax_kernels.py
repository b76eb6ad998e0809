"""Softmax and log-softmax: both rooms against sums in Python, at extremes, and like PyTorch where not all is finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
#: (R, K): no rows, one class, tiles that do not come out even, rows that are longer than a tile.
SHAPES = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(1, 9)), st.sampled_from([(700, 10), (3, 2049), (1, 5000), (41, 100)])
)
SEEDS = st.integers(0, 2**32 - 1)

each_room = pytest.mark.parametrize("room", ROOMS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
quick = settings(max_examples=25)


def logits(shape: tuple[int, int], seed: int, dtype) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * 5).astype(dtype)


def log_probabilities(row: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax of one row, with a sum that is exact to the last digit."""
    largest = float(row.max())
    shifted = [float(v) - largest for v in row]
    log_sum = math.log(math.fsum(math.exp(v) for v in shifted))
    return np.array([v - log_sum for v in shifted])


@each_room
@each_dtype
@quick
@given(shape=SHAPES, seed=SEEDS)
def test_values(room, dtype, shape, seed):
    x, eps = logits(shape, seed, dtype), np.finfo(dtype).eps
    y, log_y = room.softmax(x), room.log_softmax(x)
    assert y.dtype == log_y.dtype == dtype and y.shape == log_y.shape == shape
    for r in range(min(shape[0], 10)):
        wanted = log_probabilities(x[r])
        # The largest is subtracted with a rounding of a difference up to 60, which exp makes a relative error.
        np.testing.assert_allclose(y[r], np.exp(wanted), rtol=40 * eps)
        np.testing.assert_allclose(log_y[r], wanted, rtol=0, atol=2 * eps * 60)
    # Every number is rounded, up and down.
    np.testing.assert_allclose(y.sum(axis=1, dtype=np.float64), np.ones(shape[0]), rtol=0, atol=8 * eps)


@each_room
@each_dtype
@quick
@given(shape=SHAPES, seed=SEEDS)
def test_gradients(room, dtype, shape, seed):
    x, eps = logits(shape, seed, dtype), np.finfo(dtype).eps
    gy = np.random.default_rng(seed + 1).normal(size=shape).astype(dtype)
    of_softmax, of_log = room.softmax_backward(gy, room.softmax(x)), room.log_softmax_backward(gy, room.log_softmax(x))
    assert of_softmax.dtype == of_log.dtype == dtype and of_softmax.shape == of_log.shape == shape
    for r in range(min(shape[0], 5)):
        p, g = np.exp(log_probabilities(x[r])), gy[r].astype(np.float64)
        # d y_i / d x_j = y_i (1[i = j] - y_j), and d log y_i / d x_j = 1[i = j] - y_j.
        wanted = [math.fsum(g * p * ((np.arange(len(p)) == j) - p[j])) for j in range(min(len(p), 10))]
        np.testing.assert_allclose(of_softmax[r, :10], wanted, rtol=0, atol=60 * eps)  # p has 40 units of error
        wanted = [math.fsum(g * ((np.arange(len(p)) == j) - p[j])) for j in range(min(len(p), 10))]
        np.testing.assert_allclose(of_log[r, :10], wanted, rtol=0, atol=150 * eps * max(1, abs(g.sum())))


@each_room
@each_dtype
def test_large_numbers_do_not_overflow(room, dtype):
    x = np.array([[1e4, -1e4, 1e4], [-1e30, -1e30, -1e30], [1e30, 0, -1e30]], dtype)
    np.testing.assert_allclose(room.softmax(x), [[0.5, 0, 0.5], [1 / 3] * 3, [1, 0, 0]], rtol=4 * np.finfo(dtype).eps)
    wanted = [[math.log(0.5), -2e4 - math.log(2), math.log(0.5)], [-math.log(3)] * 3, [0, -1e30, -2e30]]
    np.testing.assert_allclose(room.log_softmax(x), wanted, rtol=8 * np.finfo(dtype).eps)


INF, NAN = np.inf, np.nan
NOT_FINITE = [
    [-INF, 0, 1], [-INF, -INF, 2], [-INF, -INF, -INF], [INF, 0, 1], [INF, -INF, 1], [INF, INF, 0], [NAN, 0, 1],
    [NAN, -INF, -INF], [INF, NAN, 1],
]  # fmt: skip


@each_room
@each_dtype
def test_rows_that_are_not_finite_are_those_of_pytorch(room, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.array(NOT_FINITE, dtype)
    gy = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    for name in ("softmax", "log_softmax"):
        t = torch.tensor(x, requires_grad=True)
        theirs = getattr(torch, name)(t, 1)
        (g,) = torch.autograd.grad(theirs, t, torch.tensor(gy))
        ours = getattr(room, name)(x)
        tolerance = 8 * np.finfo(dtype).eps  # two implementations of exp and log
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance)
        ours = getattr(room, f"{name}_backward")(gy, ours)
        np.testing.assert_allclose(ours, g.numpy(), rtol=0, atol=tolerance)


@each_room
def test_errors(room):
    y = np.ones((2, 3))
    for backward in (room.softmax_backward, room.log_softmax_backward):
        for bad in (np.ones(3), np.ones((2, 3), np.float32), np.ones((3, 2))):
            with pytest.raises(
                ValueError, match=rf"{backward.__name__}: gy has shape .* but y has \(2, 3\) and float64"
            ):
                backward(bad, y)
