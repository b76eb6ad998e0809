"""erf and scale_where: the CPU room against the reference, and the reference against plain statements."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cpu, reference

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.sampled_from([np.float32, np.float64])


@given(st.data())
def test_erf_is_that_of_the_c_library(data):
    dtype = data.draw(DTYPES)
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(-6, 6, width=32)))
    expected = np.vectorize(math.erf, otypes=[np.float64])(x)
    # One rounding to the dtype, and the two C libraries may differ in the last digit.
    np.testing.assert_allclose(reference.erf(x), expected, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(cpu.erf(x), expected, rtol=4 * np.finfo(dtype).eps)
    assert cpu.erf(x).dtype == reference.erf(x).dtype == dtype


@given(st.data())
def test_scale_where_keeps_or_scales(data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(width=32)))  # Inf and NaN as well
    condition = data.draw(hnp.arrays(bool, x.shape))
    ours, plain = cpu.scale_where(x, condition, slope), reference.scale_where(x, condition, slope)
    np.testing.assert_array_equal(ours, plain)
    assert ours.dtype == plain.dtype == dtype
    np.testing.assert_array_equal(ours[condition], x[condition])
    scaled = np.zeros_like(x) if slope == 0 else x * dtype(slope)
    np.testing.assert_array_equal(ours[~condition], scaled[~condition])


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_slope_zero_stops_what_is_not_finite(bad):
    y = cpu.scale_where(np.array([bad, 1.0]), np.array([False, True]), 0.0)
    np.testing.assert_array_equal(y, [0.0, 1.0])
