"""Interpolation to any size: the reference against one result at a time, the processor's room against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 9)


@st.composite
def geometries(draw):
    """Sizes of the image and the result, and steps: those of the sizes, of a factor, or of aligned corners."""
    hw, out = draw(st.tuples(SIZES, SIZES)), draw(st.tuples(SIZES, SIZES))
    align = draw(st.booleans())
    if align:
        step = tuple((n - 1) / (o - 1) if o > 1 else 0.0 for n, o in zip(hw, out))
    else:
        step = tuple(n / o * draw(st.sampled_from([1.0, 0.9, 1.1])) for n, o in zip(hw, out))
    return hw, out, step, align


def images(hw, seed, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(2, 2, *hw)).astype(dtype)


@given(geometry=geometries(), seed=SEEDS)
def test_reference_is_the_formula(geometry, seed):
    hw, out, step, align = geometry
    x, half = images(hw, seed), 0 if align else 0.5
    y = reference.interpolate_bilinear2d(x, out, step, align)
    for i in np.ndindex(*out):
        s, t = (min(max((i[k] + half) * step[k] - half, 0), hw[k] - 1) for k in (0, 1))
        # The tent that is 1 at a pixel and 0 at its neighbours.
        wanted = sum(
            max(0, 1 - abs(s - a)) * max(0, 1 - abs(t - b)) * x[:, :, a, b] for a in range(hw[0]) for b in range(hw[1])
        )
        np.testing.assert_allclose(y[:, :, i[0], i[1]], wanted, rtol=0, atol=1e-13)  # places up to 9, four terms near 1
    if not align:
        z = reference.interpolate_nearest2d(x, out, step)
        for i in np.ndindex(*out):
            u, v = (min(math.floor(np.float32(i[k]) * np.float32(step[k])), hw[k] - 1) for k in (0, 1))
            np.testing.assert_array_equal(z[:, :, i[0], i[1]], x[:, :, u, v])


@pytest.mark.parametrize("dtype", DTYPES)
@given(geometry=geometries(), seed=SEEDS)
def test_cpu_equals_reference(dtype, geometry, seed):
    hw, out, step, align = geometry
    x, g = images(hw, seed, dtype), images(out, seed + 1, dtype)
    calls = [("interpolate_bilinear2d", x, out, step, align), ("interpolate_bilinear2d_adjoint", g, hw, step, align)]
    calls += [("interpolate_nearest2d", x, out, step), ("interpolate_nearest2d_adjoint", g, hw, step)]
    for name, *arguments in calls:
        got, wanted = getattr(cpu, name)(*arguments), getattr(reference, name)(*arguments)
        assert got.dtype == dtype and got.shape == wanted.shape
        # At most 81 terms below 5, whose partial sums stay below 64, are each rounded once.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=81 * 64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("room", ROOMS)
@given(geometry=geometries(), seed=SEEDS)
def test_adjoints(room, geometry, seed):
    hw, out, step, align = geometry
    x, g = images(hw, seed), images(out, seed + 1)
    pairs = [
        (room.interpolate_nearest2d(x, out, step), room.interpolate_nearest2d_adjoint(g, hw, step)),
        (room.interpolate_bilinear2d(x, out, step, align), room.interpolate_bilinear2d_adjoint(g, hw, step, align)),
    ]
    for y, gx in pairs:
        # Sums of the same products, each below 25, in another order.
        assert abs(np.vdot(y, g) - np.vdot(x, gx)) <= 8 * np.finfo(np.float64).eps * 25 * g.size


@pytest.mark.parametrize("room", ROOMS)
def test_no_samples(room):
    assert room.interpolate_nearest2d(np.zeros((0, 2, 3, 4)), (5, 2), (0.6, 2.0)).shape == (0, 2, 5, 2)
    assert room.interpolate_bilinear2d_adjoint(np.zeros((0, 2, 5, 2)), (3, 4), (0.6, 2.0), False).shape == (0, 2, 3, 4)


@pytest.mark.parametrize("room", ROOMS)
def test_a_pixel_that_is_not_chosen_does_not_count(room):
    """Half the rows are left out by nearest: what is infinite there stays there."""
    x = np.ones((1, 1, 4, 4))
    x[:, :, 1::2] = np.inf
    np.testing.assert_array_equal(room.interpolate_nearest2d(x, (2, 2), (2.0, 2.0)), np.ones((1, 1, 2, 2)))
