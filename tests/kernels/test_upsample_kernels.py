"""Upsampling: the reference against one result at a time, the processor's room against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
PAIRS = [("upsample_nearest2d", "block_sum2d"), ("upsample_bilinear2d", "upsample_bilinear2d_adjoint")]

SIZES = st.one_of(st.integers(1, 5), st.integers(15, 34))  # also lines of several registers
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 2), SIZES, SIZES)
SCALES = st.tuples(st.integers(1, 4), st.integers(1, 4))
SEEDS = st.integers(0, 2**32 - 1)


def arrays(shape, scale, seed):
    rng = np.random.default_rng(seed)
    N, C, H, W = shape
    return rng.normal(size=shape), rng.normal(size=(N, C, H * scale[0], W * scale[1]))


@given(shape=SHAPES, scale=SCALES, seed=SEEDS)
def test_reference_is_the_formula(shape, scale, seed):
    x, g = arrays(shape, scale, seed)
    (fh, fw), (H, W) = scale, shape[2:]
    nearest, bilinear = reference.upsample_nearest2d(x, scale), reference.upsample_bilinear2d(x, scale)
    sums = reference.block_sum2d(g, scale)
    for i, j in list(np.ndindex(H * fh, W * fw))[::7]:
        np.testing.assert_array_equal(nearest[:, :, i, j], x[:, :, i // fh, j // fw])
        wanted = 0
        s, t = (min(max((n + 0.5) / f - 0.5, 0), size - 1) for n, f, size in ((i, fh, H), (j, fw, W)))
        for a in (math.floor(s), math.ceil(s)):
            for b in (math.floor(t), math.ceil(t)):
                # The tent that is 1 at cell (a, b) and 0 at its neighbours; a whole number has one cell.
                weight = (1 - abs(s - a)) / (1 + (s == int(s))) * (1 - abs(t - b)) / (1 + (t == int(t)))
                wanted = wanted + weight * x[:, :, a, b]
        np.testing.assert_allclose(bilinear[:, :, i, j], wanted, rtol=0, atol=1e-14)  # four terms near 1
    for i, j in np.ndindex(H, W):
        block = g[:, :, i * fh : (i + 1) * fh, j * fw : (j + 1) * fw].sum((2, 3))
        np.testing.assert_allclose(sums[:, :, i, j], block, rtol=0, atol=1e-13)  # 16 terms near 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("up", "down"), PAIRS)
@given(shape=SHAPES, scale=SCALES, seed=SEEDS)
def test_cpu_equals_reference(dtype, up, down, shape, scale, seed):
    x, g = arrays(shape, scale, seed)
    for name, a in ((up, x), (down, g)):
        got, wanted = getattr(cpu, name)(a.astype(dtype), scale), getattr(reference, name)(a, scale)
        assert got.dtype == dtype and got.shape == wanted.shape
        # At most 49 terms below 8 with weights whose squares sum to less than 16: far below 64 roundings of 8.
        assert np.abs(got - wanted).max() <= 64 * 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("up", "down"), PAIRS)
@given(shape=SHAPES, scale=SCALES, seed=SEEDS)
def test_adjoints(room, up, down, shape, scale, seed):
    x, g = arrays(shape, scale, seed)
    left, right = np.vdot(getattr(room, up)(x, scale), g), np.vdot(x, getattr(room, down)(g, scale))
    # Sums of the same products, each below 25, in another order.
    assert abs(left - right) <= 8 * np.finfo(np.float64).eps * 25 * g.size


@pytest.mark.parametrize("room", ROOMS)
def test_a_slope_stays_a_slope(room):
    """Bilinear interpolation is exact on straight lines, and constant beyond the outer cell centres."""
    x = (np.arange(5.0)[:, None] * 3 + np.arange(6.0)).reshape(1, 1, 5, 6)
    y = room.upsample_bilinear2d(x, (2, 4))[0, 0]
    rows = np.clip((np.arange(10) + 0.5) / 2 - 0.5, 0, 4)
    columns = np.clip((np.arange(24) + 0.5) / 4 - 0.5, 0, 5)
    np.testing.assert_allclose(y, rows[:, None] * 3 + columns, rtol=0, atol=1e-14)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("up", "down"), PAIRS)
def test_no_samples(room, up, down):
    assert getattr(room, up)(np.zeros((0, 2, 3, 4)), (2, 3)).shape == (0, 2, 6, 12)
    assert getattr(room, down)(np.zeros((0, 2, 6, 12)), (2, 3)).shape == (0, 2, 3, 4)
