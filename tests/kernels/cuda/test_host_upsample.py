"""The upsampling CUDA kernels on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import reference
from minigen_kernels.cuda import upsample

DTYPES = [np.float32, np.float64]
PAIRS = [("upsample_nearest2d", "block_sum2d"), ("upsample_bilinear2d", "upsample_bilinear2d_adjoint")]

SIZES = st.integers(1, 8)
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 3), SIZES, SIZES)
SCALES = st.tuples(st.integers(1, 5), st.integers(1, 5))
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("up", "down"), PAIRS)
@given(shape=SHAPES, scale=SCALES, seed=SEEDS)
def test_equals_the_reference(host, dtype, up, down, shape, scale, seed):
    rng = np.random.default_rng(seed)
    N, C, H, W = shape
    x, g = rng.normal(size=shape), rng.normal(size=(N, C, H * scale[0], W * scale[1]))
    for name, a in ((up, x.astype(dtype)), (down, g.astype(dtype))):
        got, wanted = host.run(getattr(upsample, name), a, scale), getattr(reference, name)(a, scale)
        assert got.dtype == dtype and got.shape == wanted.shape
        if name == "upsample_nearest2d":
            np.testing.assert_array_equal(got, wanted)
        else:
            # Normal numbers with weights whose squares sum to at most 25: partial sums stay below 25, and are rounded
            # by half an ulp at most 40 times in a row.
            assert np.abs(got - wanted).max() <= 64 * 8 * np.finfo(dtype).eps


@pytest.mark.parametrize(("up", "down"), PAIRS)
@given(shape=SHAPES, scale=SCALES, seed=SEEDS)
def test_adjoints(host, up, down, shape, scale, seed):
    rng = np.random.default_rng(seed)
    N, C, H, W = shape
    x, g = rng.normal(size=shape), rng.normal(size=(N, C, H * scale[0], W * scale[1]))
    left = np.vdot(host.run(getattr(upsample, up), x, scale), g)
    right = np.vdot(x, host.run(getattr(upsample, down), g, scale))
    # Sums of the same products, each below 25, in another order.
    assert abs(left - right) <= 8 * np.finfo(np.float64).eps * 25 * g.size


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_slope_stays_a_slope(host, dtype):
    """Bilinear interpolation is exact on straight lines, and constant beyond the outer cell centres."""
    x = (np.arange(5.0)[:, None] * 3 + np.arange(6.0)).reshape(1, 1, 5, 6).astype(dtype)
    y = host.run(upsample.upsample_bilinear2d, x, (2, 4))[0, 0]
    rows = np.clip((np.arange(10) + 0.5) / 2 - 0.5, 0, 4)
    columns = np.clip((np.arange(24) + 0.5) / 4 - 0.5, 0, 5)
    np.testing.assert_array_equal(y, rows[:, None] * 3 + columns)  # multiples of 1/32 below 32: nothing is rounded


@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_more_cells_than_threads(host, monkeypatch, up, down):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 1)
    x = np.random.default_rng(0).normal(size=(2, 10, 5, 6))
    y = host.run(getattr(upsample, up), x, (2, 3))
    np.testing.assert_allclose(y, getattr(reference, up)(x, (2, 3)), rtol=0, atol=1e-14)  # 4 terms near 1
    gx = host.run(getattr(upsample, down), y, (2, 3))
    np.testing.assert_allclose(gx, getattr(reference, down)(y, (2, 3)), rtol=0, atol=1e-13)  # 24 terms near 1


@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_no_samples(host, up, down):
    assert host.run(getattr(upsample, up), np.zeros((0, 2, 3, 4)), (2, 3)).shape == (0, 2, 6, 12)
    assert host.run(getattr(upsample, down), np.zeros((0, 2, 6, 12)), (2, 3)).shape == (0, 2, 3, 4)
