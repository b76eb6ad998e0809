"""The pooling CUDA kernels on the host against the reference.

Most results are the reference's bits: nothing is rounded, or the same numbers are added in the same order.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.pool_windows import windows

from minigen_kernels import reference
from minigen_kernels.cuda import pool

DTYPES = [np.float32, np.float64]
CASES = windows(st.integers(1, 12))


def assert_same(got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=CASES, special=st.sampled_from([None, np.nan, -np.inf, np.inf]))
def test_max_pool2d(host, dtype, case, special):
    x = case.image(dtype)
    if special is not None:
        x[np.random.default_rng(case.seed).random(x.shape) < 0.7] = special
    for got, wanted in zip(host.run(pool.max_pool2d, x, *case.pools), reference.max_pool2d(x, *case.pools)):
        assert_same(got, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=CASES)
def test_gather_and_scatter_of_a_pooling(host, dtype, case):
    x, g = case.normal(case.shape, dtype), case.normal(case.results, dtype)
    _, index = reference.max_pool2d(x, *case.pools)
    assert_same(host.run(pool.plane_gather, x, index), reference.plane_gather(x, index))
    window = (case.kernel, case.stride, case.padding)
    gx = host.run(pool.plane_scatter, g, index, case.shape[2:], window)
    assert_same(gx, reference.plane_scatter(g, index, case.shape[2:], None))


@settings(max_examples=20)  # one warp at work: each result costs the host 128 barriers
@given(
    dtype=st.sampled_from(DTYPES),
    index_dtype=st.sampled_from([np.int64, np.int32]),
    planes=st.tuples(st.integers(1, 2), st.integers(1, 6)),
    results=st.tuples(st.integers(1, 6), st.integers(1, 12)),
    hw=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    seed=st.integers(0, 2**32 - 1),
)
def test_scatter_takes_any_index(host, dtype, index_dtype, planes, results, hw, seed):
    """Results of a warp, of less and of more; few cells, so that many results name one."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(*planes, *results)).astype(dtype)
    index = rng.integers(0, hw[0] * hw[1], g.shape).astype(index_dtype)
    assert_same(host.run(pool.plane_scatter, g, index, hw, None), reference.plane_scatter(g, index, hw, None))
    x = rng.normal(size=(*planes, *hw)).astype(dtype)
    assert_same(host.run(pool.plane_gather, x, index), reference.plane_gather(x, index))


def test_places_outside_of_the_plane_touch_no_memory(host):
    x, g = np.arange(12.0).reshape(1, 2, 2, 3), np.ones((1, 2, 1, 3))
    index = np.array([[[[5, -1, 6]], [[0, 2**40, -(2**40)]]]])
    assert_same(host.run(pool.plane_gather, x, index), np.array([[[[5, np.nan, np.nan]], [[6, np.nan, np.nan]]]]))
    wanted = np.zeros((1, 2, 2, 3))
    wanted[0, 0, 1, 2] = wanted[0, 1, 0, 0] = 1
    assert_same(host.run(pool.plane_scatter, g, index, (2, 3), None), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=CASES, count_include_pad=st.booleans())
def test_averages(host, dtype, case, count_include_pad):
    x, g = case.normal(case.shape, dtype), case.normal(case.results, dtype)
    y = host.run(pool.avg_pool2d, x, *case.pools, count_include_pad)
    assert_same(y, reference.avg_pool2d(x, *case.pools, count_include_pad))
    adjoint = (case.shape[2:], case.kernel, case.stride, case.padding, count_include_pad)
    assert_same(host.run(pool.avg_pool2d_adjoint, g, *adjoint), reference.avg_pool2d_adjoint(g, *adjoint))


def test_more_cells_than_threads(host, monkeypatch):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 1)
    x = np.random.default_rng(0).normal(size=(2, 20, 6, 7))  # 40 planes are five times the warps of one block
    geometry = ((6, 7), (3, 2), (1, 1), (1, 1))
    y, index = host.run(pool.max_pool2d, x, *geometry)
    wanted = reference.max_pool2d(x, *geometry)
    assert_same(y, wanted[0])
    assert_same(index, wanted[1])
    gx = reference.plane_scatter(y, index, (6, 7), None)
    for window in (None, geometry[1:]):
        assert_same(host.run(pool.plane_scatter, y, index, (6, 7), window), gx)
    assert_same(host.run(pool.plane_gather, x, index), y)
    assert_same(host.run(pool.avg_pool2d, x, *geometry, True), reference.avg_pool2d(x, *geometry, True))
    adjoint = ((6, 7), *geometry[1:], False)
    assert_same(host.run(pool.avg_pool2d_adjoint, y, *adjoint), reference.avg_pool2d_adjoint(y, *adjoint))


def test_no_samples(host):
    x = np.zeros((0, 2, 6, 6), np.float32)
    window = ((3, 3), (2, 2), (2, 2), (0, 0))
    y, index = host.run(pool.max_pool2d, x, *window)
    assert y.shape == index.shape == host.run(pool.avg_pool2d, x, *window, True).shape == (0, 2, 3, 3)
    assert host.run(pool.plane_gather, x, index).shape == (0, 2, 3, 3)
    for known_window in (None, window[1:]):
        assert host.run(pool.plane_scatter, y, index, (6, 6), known_window).shape == x.shape
    assert host.run(pool.avg_pool2d_adjoint, y, (6, 6), *window[1:], True).shape == x.shape
