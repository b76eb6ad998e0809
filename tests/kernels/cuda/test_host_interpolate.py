"""The interpolation CUDA kernels on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import reference
from minigen_kernels.cuda import interpolate

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25)
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES), by=st.sampled_from([1.0, 0.9, 1.1]), align=st.booleans(), seed=SEEDS
)
def test_equals_the_reference(host, dtype, sizes, by, align, seed):
    hw, out = sizes[:2], sizes[2:]
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(2, 2, *hw)).astype(dtype), rng.normal(size=(2, 2, *out)).astype(dtype)
    step = tuple((n - 1) / max(o - 1, 1) if align else n / o * by for n, o in zip(hw, out))
    calls = [("interpolate_bilinear2d", x, out, step, align), ("interpolate_bilinear2d_adjoint", g, hw, step, align)]
    calls += [("interpolate_nearest2d", x, out, step), ("interpolate_nearest2d_adjoint", g, hw, step)]
    for name, *arguments in calls:
        got, wanted = host.run(getattr(interpolate, name), *arguments), getattr(reference, name)(*arguments)
        assert got.dtype == dtype and got.shape == wanted.shape
        # At most 81 terms below 5, whose partial sums stay below 64, are each rounded once.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=81 * 64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("align", [False, True])
def test_long_axes_reach_every_pixel(host, align):
    """The first result of a pixel is guessed: none is missed on axes that are enlarged or reduced a hundredfold."""
    for n, o in ((3, 301), (301, 3), (299, 300), (1, 50), (50, 1)):
        step = ((n - 1) / max(o - 1, 1) if align else n / o, 1.0 - align)
        g = np.random.default_rng(n).normal(size=(1, 1, o, 1))
        for name, *rest in (("interpolate_bilinear2d_adjoint", align), ("interpolate_nearest2d_adjoint",)):
            got = host.run(getattr(interpolate, name), g, (n, 1), step, *rest)
            wanted = getattr(reference, name)(g, (n, 1), step, *rest)
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-11)  # up to 301 terms near 1


def test_more_cells_than_threads(host, monkeypatch):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 1)
    x = np.random.default_rng(0).normal(size=(2, 10, 5, 6))
    y = host.run(interpolate.interpolate_bilinear2d, x, (9, 7), (5 / 9, 6 / 7), False)
    np.testing.assert_allclose(
        y, reference.interpolate_bilinear2d(x, (9, 7), (5 / 9, 6 / 7), False), rtol=0, atol=1e-13
    )


def test_no_samples(host):
    y = host.run(interpolate.interpolate_nearest2d, np.zeros((0, 2, 3, 4)), (5, 2), (0.6, 2.0))
    assert y.shape == (0, 2, 5, 2)
