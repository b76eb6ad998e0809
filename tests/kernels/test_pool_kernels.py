"""Pooling: the reference against one window at a time, the processor's room against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.pool_windows import windows

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
#: Also lines of several registers.
CASES = windows(st.one_of(st.integers(1, 9), st.integers(15, 40)))


@given(case=CASES)
def test_reference_takes_the_first_maximum(case):
    x = case.image()
    y, index = reference.max_pool2d(x, *case.pools)
    numbers = np.arange(x[0, 0].size).reshape(case.shape[2:])
    for i, j in np.ndindex(case.out_hw):
        rows, columns = case.window(i, j)
        cells = x[:, :, rows, columns].reshape(*case.shape[:2], -1)
        assert (y[:, :, i, j] == cells.max(-1)).all()
        assert (index[:, :, i, j] == numbers[rows, columns].ravel()[cells.argmax(-1)]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special", [None, np.nan, -np.inf, np.inf])
@given(case=CASES)
def test_cpu_max_equals_reference(dtype, special, case):
    """Nothing is rounded, so the two agree bit for bit; also on planes full of nan or infinities."""
    x = case.image(dtype)
    if special is not None:
        x[np.random.default_rng(case.seed).random(x.shape) < 0.7] = special
    for got, wanted in zip(cpu.max_pool2d(x, *case.pools), reference.max_pool2d(x, *case.pools), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("room", ROOMS)
def test_nan_is_the_largest_and_padding_never_chosen(room):
    x = np.full((1, 1, 3, 3), -np.inf)
    y, index = room.max_pool2d(x, (2, 2), (2, 2), (2, 2), (1, 1))
    assert (y == -np.inf).all() and index.ravel().tolist() == [0, 1, 3, 4]
    x[0, 0, 1, 1:] = np.nan
    x[0, 0, 2, 2] = np.inf
    y, index = room.max_pool2d(x, (2, 2), (2, 2), (2, 2), (1, 1))
    assert np.isnan(y).ravel().tolist() == [False, False, False, True] and index[0, 0, 1, 1] == 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("room", ROOMS)
@given(case=CASES)
def test_gather_and_scatter(room, dtype, case):
    """Overlapping windows name a cell more than once, and their numbers add up."""
    x = case.image(dtype)
    _, index = room.max_pool2d(x, *case.pools)
    g = case.normal(case.results).astype(dtype)
    window = (case.kernel, case.stride, case.padding)
    gx = room.plane_scatter(g, index, case.shape[2:], window)
    assert gx.dtype == dtype and gx.shape == x.shape
    np.testing.assert_array_equal(gx, room.plane_scatter(g, index, case.shape[2:], None))
    np.testing.assert_array_equal(room.plane_gather(x, index), room.max_pool2d(x, *case.pools)[0])
    for n, c in np.ndindex(case.shape[:2]):
        wanted = np.bincount(index[n, c].ravel(), g[n, c].ravel(), gx[n, c].size)
        # At most 16 windows share a cell; a sum of so many numbers below 8 is rounded 16 times.
        assert np.abs(gx[n, c].ravel() - wanted).max() <= 16 * 8 * np.finfo(dtype).eps
    z = case.normal(x.shape)
    # <gather(z), g> = <z, scatter(g)>: sums of the same products in another order.
    left, right = np.vdot(room.plane_gather(z, index), g), np.vdot(z, gx)
    assert abs(left - right) <= 8 * np.finfo(dtype).eps * 25 * g.size


@pytest.mark.parametrize("room", ROOMS)
def test_gather_and_scatter_take_any_index(room):
    """Also one that no pooling has made, with more results than cells."""
    rng = np.random.default_rng(0)
    x, index, g = rng.normal(size=(2, 3, 2, 3)), rng.integers(0, 6, (2, 3, 5, 4)), rng.normal(size=(2, 3, 5, 4))
    y, gx = room.plane_gather(x, index), room.plane_scatter(g, index, (2, 3), None)
    for n, c in np.ndindex(2, 3):
        np.testing.assert_array_equal(y[n, c], x[n, c].ravel()[index[n, c]])
        wanted = np.bincount(index[n, c].ravel(), g[n, c].ravel(), 6)
        np.testing.assert_allclose(gx[n, c].ravel(), wanted, rtol=0, atol=1e-14)  # 20 numbers near 1


@pytest.mark.parametrize("count_include_pad", [True, False])
@given(case=CASES)
def test_reference_averages_windows(count_include_pad, case):
    x = case.image()
    y = reference.avg_pool2d(x, *case.pools, count_include_pad)
    padded = np.full([n + 2 * p for n, p in zip(case.shape[2:], case.padding)], count_include_pad, float)
    (ph, pw), (H, W) = case.padding, case.shape[2:]
    padded[ph : ph + H, pw : pw + W] = 1  # the cells that count
    for i, j in np.ndindex(case.out_hw):
        top, left = i * case.stride[0], j * case.stride[1]
        count = padded[top : top + case.kernel[0], left : left + case.kernel[1]].sum()
        rows, columns = case.window(i, j)
        wanted = x[:, :, rows, columns].sum((2, 3)) / count  # sums of small integers are exact
        np.testing.assert_array_equal(y[:, :, i, j], wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count_include_pad", [True, False])
@given(case=CASES)
def test_cpu_average_equals_reference(dtype, count_include_pad, case):
    x, g = case.normal(case.shape), case.normal(case.results)
    tolerance = 16 * 8 * np.finfo(dtype).eps  # up to 16 numbers below 8, each sum rounded once
    y = cpu.avg_pool2d(x.astype(dtype), *case.pools, count_include_pad)
    assert y.dtype == dtype
    assert np.abs(y - reference.avg_pool2d(x, *case.pools, count_include_pad)).max() <= tolerance
    adjoint = (case.shape[2:], case.kernel, case.stride, case.padding, count_include_pad)
    gx = cpu.avg_pool2d_adjoint(g.astype(dtype), *adjoint)
    assert gx.dtype == dtype and gx.shape == case.shape
    assert np.abs(gx - reference.avg_pool2d_adjoint(g, *adjoint)).max() <= tolerance


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("count_include_pad", [True, False])
@given(case=CASES)
def test_average_adjoint(room, count_include_pad, case):
    x, g = case.normal(case.shape), case.normal(case.results)
    y = room.avg_pool2d(x, *case.pools, count_include_pad)
    gx = room.avg_pool2d_adjoint(g, case.shape[2:], case.kernel, case.stride, case.padding, count_include_pad)
    # Sums of the same products, each below 25, in another order.
    assert abs(np.vdot(y, g) - np.vdot(x, gx)) <= 8 * np.finfo(np.float64).eps * 25 * (g.size + x.size)


@pytest.mark.parametrize("room", ROOMS)
def test_no_samples(room):
    x = np.zeros((0, 2, 6, 6), np.float32)
    window = ((3, 3), (2, 2), (2, 2), (0, 0))
    y, index = room.max_pool2d(x, *window)
    assert y.shape == index.shape == room.avg_pool2d(x, *window, True).shape == (0, 2, 3, 3)
    assert room.plane_gather(x, index).shape == (0, 2, 3, 3)
    assert room.plane_scatter(y, index, (6, 6), None).shape == x.shape
    assert room.avg_pool2d_adjoint(y, (6, 6), *window[1:], True).shape == x.shape
