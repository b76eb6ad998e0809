"""The element-wise CUDA kernels on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cuda, reference

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
DTYPES = st.sampled_from([np.float32, np.float64])


@given(data=st.data())
def test_erf(host, data):
    dtype = data.draw(DTYPES)
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(-6, 6, width=32)))
    y = host.run(cuda.erf, x)
    # The reference rounds the double's erf; the C library's erf of the dtype is within 2 units in the last place.
    np.testing.assert_allclose(y, reference.erf(x), rtol=4 * np.finfo(dtype).eps)
    assert y.dtype == dtype and y.shape == x.shape


@given(data=st.data())
def test_scale_where(host, data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(width=32)))  # Inf and NaN as well
    condition = data.draw(hnp.arrays(bool, x.shape))
    y = host.run(cuda.scale_where, x, condition, slope)
    np.testing.assert_array_equal(y, reference.scale_where(x, condition, slope))  # one rounding in both: the same bits
    assert y.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slope_zero_stops_what_is_not_finite(host, dtype):
    x = np.array([np.inf, -np.inf, np.nan, 2, np.nan, np.inf], dtype)
    y = host.run(cuda.scale_where, x, np.array([False, False, False, False, True, True]), 0.0)
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 0, np.nan, np.inf], dtype))


def test_more_elements_than_threads(host, monkeypatch):
    """The grid-stride loop goes round when blocks are fewer than the elements ask for."""
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 2)
    x = np.random.default_rng(0).normal(size=2000)
    np.testing.assert_array_equal(host.run(cuda.scale_where, x, x > 0, 0.1), np.where(x > 0, x, 0.1 * x))


def test_strides(host):
    x = np.random.default_rng(1).normal(size=(6, 7))
    np.testing.assert_array_equal(host.run(cuda.erf, x.T), host.run(cuda.erf, x).T)
    turned = host.run(cuda.scale_where, x.T, x.T > 0, 0.5)
    np.testing.assert_array_equal(turned, host.run(cuda.scale_where, x, x > 0, 0.5).T)


def test_condition_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"scale_where: condition has shape \(3,\), but x has \(2, 3\)"):
        cuda.scale_where(np.zeros((2, 3)), np.zeros(3, bool), 0.0)
