"""The element-wise CUDA kernels on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cuda, reference
from minigen_kernels.cuda.launch import using
from minigen_kernels.host.build import HostBackend

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
DTYPES = st.sampled_from([np.float32, np.float64])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_more_pairs_than_a_launch_takes(cuda_host_folder, dtype):
    shapes = [(), (2, 0), (3, 5), (1030,), *[(k,) for k in range(40)]]
    a, b = ([np.asarray(np.random.default_rng(i).normal(size=s), dtype) for s in shapes] for i in (0, 1))
    b[2] = np.asfortranarray(b[2])
    with using(HostBackend(cuda_host_folder)):
        sums = cuda.add(a, b)
        with pytest.raises(ValueError, match="add: shapes and dtypes"):
            cuda.add(a, b[1:])
    for x, y, z in zip(a, b, sums, strict=True):
        assert z.shape == x.shape and z.dtype == dtype
        np.testing.assert_array_equal(z, x + y)


@pytest.mark.parametrize("name", ["erf", "erfc"])
@given(data=st.data())
def test_erf_and_erfc(host, name, data):
    dtype = data.draw(DTYPES)
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(-6, 6, width=32)))
    y = host.run(getattr(cuda, name), x)
    # The reference rounds the double's result; the C library's of the dtype is within a few units in the last place.
    np.testing.assert_allclose(y, getattr(reference, name)(x), rtol=8 * np.finfo(dtype).eps)
    assert y.dtype == dtype and y.shape == x.shape


@given(data=st.data())
def test_distances_from_the_tangents(host, data):
    dtype = data.draw(DTYPES)
    sizes = st.one_of(
        st.floats(-0.875, 64, width=32), st.floats(-0.0078125, 0.0078125, width=32, allow_subnormal=False)
    )
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=sizes))
    # The same series in another length; where it ends, a difference that is a fifth of its terms. Squares of numbers
    # below 1e-19 are no normal numbers in float32.
    close = {"rtol": 8 * np.finfo(dtype).eps, "atol": float(np.finfo(dtype).tiny)}
    np.testing.assert_allclose(host.run(cuda.exp_excess, x), reference.exp_excess(x), **close)
    np.testing.assert_allclose(host.run(cuda.log_deficit, x), reference.log_deficit(x), **close)


@given(data=st.data())
def test_scale_where(host, data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(width=32)))  # Inf and NaN as well
    condition = data.draw(hnp.arrays(bool, x.shape))
    y = host.run(cuda.scale_where, x, condition, slope)
    with np.errstate(over="ignore"):
        expected = reference.scale_where(x, condition, slope)
    np.testing.assert_array_equal(y, expected)  # one rounding in both: the same bits
    assert y.dtype == dtype


@given(data=st.data())
def test_leaky_relu_and_its_gradient(host, data):
    dtype, slope = data.draw(DTYPES), data.draw(st.sampled_from([0.0, 0.2, -1.5, 1.0]))
    x = data.draw(hnp.arrays(dtype, SHAPES, elements=st.floats(width=32)))  # Inf and NaN as well
    gy = data.draw(hnp.arrays(dtype, x.shape, elements=st.floats(width=32)))
    with np.errstate(over="ignore"):
        wanted = reference.leaky_relu(x, slope), reference.leaky_relu_backward(gy, x, slope)
    got = host.run(cuda.leaky_relu, x, slope), host.run(cuda.leaky_relu_backward, gy, x, slope)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)  # one rounding in both: the same bits
        assert a.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4,), (3, 2, 5), (0, 3), (300, 2)])
def test_mix(host, dtype, shape):
    a, b = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    w = np.random.default_rng(1).uniform(size=shape[:1]).astype(dtype)
    close = {"rtol": 0, "atol": 4 * np.finfo(dtype).eps * 4}  # three roundings, of numbers below 4
    np.testing.assert_allclose(host.run(cuda.mix, a, b, w), reference.mix(a, b, w), **close)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_softplus(host, dtype):
    x = np.array(
        [*np.linspace(-120, 120, 999), *np.linspace(-1, 1, 99), 0, 1e30, -1e30, np.inf, -np.inf, np.nan], dtype
    )
    # The same formula with another exp and log1p, within 2 units each; below the normal numbers a few smallest steps.
    tolerance = {"rtol": 6 * np.finfo(dtype).eps, "atol": 4 * np.finfo(dtype).smallest_subnormal}
    for name in ("sigmoid", "softplus"):
        y = host.run(getattr(cuda, name), x)
        np.testing.assert_allclose(y, getattr(reference, name)(x), **tolerance)
        assert y.dtype == dtype
        np.testing.assert_array_equal(host.run(getattr(cuda, name), np.stack([x, x]).T)[:, 1], y)


@settings(max_examples=25)
@given(data=st.data())
def test_gradients_of_sigmoid_and_tanh(host, data):
    dtype, shape = data.draw(DTYPES), data.draw(SHAPES)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    gy, y = (np.asarray(rng.uniform(-1, 1, size=shape), dtype) for _ in range(2))
    for name in ("sigmoid_backward", "tanh_backward"):
        got, wanted = host.run(getattr(cuda, name), gy, y), getattr(reference, name)(gy, y)
        assert got.dtype == dtype and got.shape == shape
        np.testing.assert_allclose(got, wanted, rtol=0, atol=4 * np.finfo(dtype).eps)


@settings(max_examples=25)
@given(data=st.data())
def test_reparameterize(host, data):
    dtype, shape = data.draw(DTYPES), data.draw(SHAPES)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    mean, logvar, noise = (np.asarray(rng.normal(size=shape), dtype) for _ in range(3))
    got = (
        host.run(cuda.reparameterize, mean, logvar, noise),
        *host.run(cuda.reparameterize_backward, mean, logvar, noise),
    )
    wanted = reference.reparameterize(mean, logvar, noise), *reference.reparameterize_backward(mean, logvar, noise)
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == dtype and a.shape == shape
        # Another exp, and the host rounds product and sum as the reference does: a few units of numbers up to 100.
        np.testing.assert_allclose(a, b, rtol=0, atol=4 * np.finfo(dtype).eps * np.abs(b).max(initial=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_deviation_that_overflows_makes_no_nan(host, dtype):
    inf, nan = np.inf, np.nan
    first = np.array([1, 0, 1, -1, 2, nan, 0, 0], dtype)
    logvar = np.array([1e5, 1e5, 1e5, inf, -inf, 0, nan, 0], dtype)
    noise = np.array([2, 2, 0, 0, 3, 0, 0, nan], dtype)
    np.testing.assert_array_equal(
        host.run(cuda.reparameterize, first, logvar, noise), [inf, inf, 1, -1, 2, nan, nan, nan]
    )
    glogvar, gnoise = host.run(cuda.reparameterize_backward, first, logvar, noise)
    np.testing.assert_array_equal(glogvar, [inf, 0, 0, 0, 0, nan, nan, nan])
    np.testing.assert_array_equal(gnoise, [inf, 0, inf, -inf, 0, nan, nan, 0])


def test_reparameterize_refuses_another_shape():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"reparameterize: noise has shape \(3,\).* must be like the first"):
        cuda.reparameterize(x, x, np.ones(3))
    with pytest.raises(ValueError, match=r"reparameterize_backward: logvar has shape \(3,\)"):
        cuda.reparameterize_backward(x, np.ones(3), x)
