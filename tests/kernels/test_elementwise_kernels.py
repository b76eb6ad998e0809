"""Element-wise kernels: the CPU room against the reference, and the reference against plain statements."""

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


@pytest.mark.parametrize("name", ["erf", "erfc"])
@given(data=st.data())
def test_erf_and_erfc_are_those_of_the_c_library(name, data):
    dtype = data.draw(DTYPES)
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(-6, 6, width=32)))
    expected = np.vectorize(getattr(math, name), otypes=[np.float64])(x)
    of_reference, of_cpu = getattr(reference, name)(x), getattr(cpu, name)(x)
    # One rounding to the dtype, which is coarse among subnormal numbers; the C libraries may differ in the last digit.
    eps, least = np.finfo(dtype).eps, float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(of_reference, expected, rtol=2 * eps, atol=2 * least)
    np.testing.assert_allclose(of_cpu, expected, rtol=4 * eps, atol=4 * least)
    assert of_cpu.dtype == of_reference.dtype == dtype


#: Far from 0, near it, and so near that a float32 shows nothing of exp(x) - 1; none close to -1 and below.
SIZES = st.one_of(
    st.floats(-0.9, 80), st.floats(-17, 0).map(lambda e: 10**e), st.floats(-17, -0.1).map(lambda e: -(10**e))
)


@pytest.mark.parametrize("room", [reference, cpu])
@given(x=st.lists(SIZES, max_size=40), dtype=DTYPES)
def test_distances_from_the_tangents(room, x, dtype):
    x = np.array(x, dtype)
    long = x.astype(np.longdouble)
    small, s = np.where(abs(long) < 1, long, 0), np.where(abs(long) < 0.5, long / (2 + long), 0)
    series = sum(small**k / np.longdouble(math.factorial(k)) for k in range(2, 25))
    excess = np.where(abs(long) < 1, series, np.expm1(long) - long)
    deficit = np.where(
        abs(s) > 0, long * s - 2 * sum(s**k / np.longdouble(k) for k in range(3, 61, 2)), long - np.log1p(long)
    )
    for got, wanted in ((room.exp_excess(x), excess), (room.log_deficit(x), deficit)):
        # A few roundings; where the series end, a difference that is a fifth of its terms; squares that are subnormal.
        np.testing.assert_allclose(got, wanted, rtol=8 * np.finfo(dtype).eps, atol=float(np.finfo(dtype).tiny))
        assert got.dtype == dtype and (got >= 0).all()


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tangents_at_what_is_not_finite(room, dtype):
    x = np.array([np.inf, -np.inf, np.nan, 1e30], dtype)
    np.testing.assert_array_equal(room.exp_excess(x), [np.inf, np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(room.log_deficit(np.array([-1, np.nan, 0], dtype)), [np.inf, np.nan, 0])


@given(st.data())
def test_scale_where_keeps_or_scales(data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(width=32)))  # Inf and NaN as well
    condition = data.draw(hnp.arrays(bool, x.shape))
    with np.errstate(over="ignore"):
        ours, plain = cpu.scale_where(x, condition, slope), reference.scale_where(x, condition, slope)
        scaled = np.zeros_like(x) if slope == 0 else x * dtype(slope)
    np.testing.assert_array_equal(ours, plain)
    assert ours.dtype == plain.dtype == dtype
    np.testing.assert_array_equal(ours[condition], x[condition])
    np.testing.assert_array_equal(ours[~condition], scaled[~condition])


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_slope_zero_stops_what_is_not_finite(bad):
    y = cpu.scale_where(np.array([bad, 1.0]), np.array([False, True]), 0.0)
    np.testing.assert_array_equal(y, [0.0, 1.0])


@pytest.mark.parametrize("room", [reference, cpu])
@given(st.data())
def test_leaky_relu_and_its_gradient(room, data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x, gy = (data.draw(hnp.arrays(dtype, (7,), elements=st.floats(width=32))) for _ in range(2))  # Inf and NaN as well
    with np.errstate(over="ignore"):
        y, gx = room.leaky_relu(x, slope), room.leaky_relu_backward(gy, x, slope)
        for v, g, a, b in zip(x, gy, y, gx, strict=True):
            other = (v if np.isnan(v) else 0) if slope == 0 else dtype(slope) * v
            np.testing.assert_array_equal(a, v if v > 0 else other)
            np.testing.assert_array_equal(b, g if v > 0 else 0 if slope == 0 else dtype(slope) * g)
    assert y.dtype == gx.dtype == dtype


@pytest.mark.parametrize("room", [reference, cpu])
def test_sums_of_pairs(room):
    pairs = [(np.float32([[1, 2]]), np.float32([[0.5, -2]])), (np.float32(3), np.float32(4))]
    sums = room.add([np.asarray(a) for a, _ in pairs], [np.asarray(b) for _, b in pairs])
    assert [s.tolist() for s in sums] == [[[1.5, 0]], 7] and {s.dtype for s in sums} == {np.dtype(np.float32)}
    assert room.add(*pairs[0]).tolist() == [[1.5, 0]]
    with pytest.raises(ValueError, match="add: shapes and dtypes"):
        room.add(np.ones(3), np.ones(3, np.float32))


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mix(room, dtype):
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3, 2)).astype(dtype)
    w = np.array([0, 1, 0.25, 0.7], dtype)
    y = room.mix(a, b, w)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[:2], np.stack([b[0], a[1]]))
    for n in (2, 3):
        np.testing.assert_allclose(y[n], b[n] + w[n] * (a[n] - b[n]), rtol=0, atol=8 * np.finfo(dtype).eps)
    with pytest.raises(ValueError, match=r"mix: weight has \(3,\)"):
        room.mix(a, b, w[:3])


#: Everything that exp can make of a number: subnormal and zero results, 1, huge and infinite ones.
RANGE = [*np.linspace(-120, 120, 4001), *np.linspace(-1, 1, 1001), *np.geomspace(1e-30, 1e30, 121), 0.0, np.inf]


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_softplus_over_the_whole_range(room, dtype):
    x = np.array([*RANGE, *(-v for v in RANGE)], dtype)
    exact = x.astype(np.longdouble)
    with np.errstate(over="ignore"):
        sigmoid, softplus = 1 / (1 + np.exp(-exact)), np.logaddexp(np.longdouble(0), exact)
    # A few roundings, and below the smallest normal number no more than a few of the smallest steps.
    tolerance = {"rtol": 6 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).smallest_subnormal}
    for y, wanted in ((room.sigmoid(x), sigmoid), (room.softplus(x), softplus)):
        assert y.dtype == dtype
        np.testing.assert_allclose(y, wanted.astype(dtype), **tolerance)
    nan = np.full(40, np.nan, dtype)
    assert np.isnan(room.sigmoid(nan)).all() and np.isnan(room.softplus(nan)).all()


@pytest.mark.parametrize("room", [reference, cpu])
@given(st.data())
def test_gradients_of_sigmoid_and_tanh_from_their_results(room, data):
    dtype, shape = data.draw(DTYPES), data.draw(SHAPES)
    gy = data.draw(hnp.arrays(dtype, shape, elements=st.floats(-9, 9, width=32)))
    for name, y, slope in (
        (
            "sigmoid_backward",
            data.draw(hnp.arrays(dtype, shape, elements=st.floats(0, 1, width=32))),
            lambda y: y - y * y,
        ),
        (
            "tanh_backward",
            data.draw(hnp.arrays(dtype, shape, elements=st.floats(-1, 1, width=32))),
            lambda y: 1 - y * y,
        ),
    ):
        gx = getattr(room, name)(gy, y)
        assert gx.dtype == dtype and gx.shape == shape
        wanted = gy.astype(np.longdouble) * slope(y.astype(np.longdouble))
        np.testing.assert_allclose(gx, wanted, rtol=8 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)
        with pytest.raises(ValueError, match=rf"{name}: y has shape \(3,\)"):
            getattr(room, name)(np.ones((2, 3)), np.ones(3))


@pytest.mark.parametrize("room", [reference, cpu])
@given(st.data())
def test_reparameterize(room, data):
    dtype, shape = data.draw(DTYPES), data.draw(SHAPES)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    mean, logvar, noise, gz = (np.asarray(rng.normal(size=shape), dtype) for _ in range(4))
    z, gradients = room.reparameterize(mean, logvar, noise), room.reparameterize_backward(gz, logvar, noise)
    deviation = np.sqrt(np.exp(logvar.astype(np.longdouble)))
    wanted = (mean + deviation * noise, gz * noise * deviation / 2, gz * deviation)
    for got, expected in zip((z, *gradients), wanted, strict=True):
        assert got.dtype == dtype and got.shape == shape
        size = np.abs(expected).max(initial=1)
        np.testing.assert_allclose(got, expected.astype(dtype), rtol=0, atol=8 * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_deviation_that_overflows_is_infinite_and_makes_no_nan(room, dtype):
    def run(kernel, *columns):
        """In a vector register (20 of each) and one by one: the same."""
        many = np.atleast_2d(kernel(*(np.array(column * 20, dtype) for column in columns)))
        few = np.atleast_2d(kernel(*(np.array(column, dtype) for column in columns)))
        np.testing.assert_array_equal(many, np.tile(few, 20))
        return few.tolist()

    inf, nan = np.inf, np.nan
    (z,) = run(room.reparameterize, [1, 1, 1, 1, 1], [1e5, 1e5, 1e5, inf, -inf], [2, -2, 0, 0, 3])
    assert z == [inf, -inf, 1, 1, 1]
    glogvar, gnoise = run(room.reparameterize_backward, [1, 0, 1, -1, 2], [1e5, 1e5, 1e5, inf, -inf], [2, 2, 0, 0, 3])
    assert glogvar == [inf, 0, 0, 0, 0] and gnoise == [inf, 0, inf, -inf, 0]
    for column in ([nan, 0, 0], [0, nan, 0], [0, 0, nan]):
        assert np.isnan(room.reparameterize(*(np.array([v], dtype) for v in column))).all(), column
    for column in ([nan, 0, 0], [0, nan, 0]):
        assert all(np.isnan(g) for g in room.reparameterize_backward(*(np.array([v], dtype) for v in column))), column


@pytest.mark.parametrize("room", [reference, cpu])
def test_reparameterize_refuses_another_shape(room):
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"reparameterize: noise has shape \(3,\).* must be like the first"):
        room.reparameterize(x, x, np.ones(3))
    with pytest.raises(ValueError, match=r"reparameterize_backward: logvar has shape \(2, 3\) and dtype float32"):
        room.reparameterize_backward(x, x.astype(np.float32), x)
