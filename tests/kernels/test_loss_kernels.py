"""The kernels of losses: both rooms against plain statements in float64, at extremes, and their sums' accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
#: Any shape, also (), empty ones, and sums of more than one run.
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), st.sampled_from([(511,), (2, 256), (9, 171)])
)
SEEDS = st.integers(0, 2**32 - 1)

each_room = pytest.mark.parametrize("room", ROOMS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def bce(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x) - x * y


def mse(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return p * p - 2 * p * t + t * t


def gaussian_kl(mean: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    return (mean * mean + np.exp(logvar) - logvar - 1) / 2


#: name -> (the elements, their derivatives in the first and the second argument)
SUMS = {
    "bce_with_logits_sum": (bce, lambda x, y: (1 / (1 + np.exp(-x)) - y,)),
    "mse_sum": (mse, lambda p, t: (2 * (p - t),)),
    "gaussian_kl_sum": (gaussian_kl, lambda mean, logvar: (mean, (np.exp(logvar) - 1) / 2)),
}
each_sum = pytest.mark.parametrize("name", SUMS)


def draw(name: str, shape: tuple[int, ...], seed: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    second = rng.random(shape) if name.startswith("bce") else rng.normal(size=shape)
    return np.asarray(rng.normal(size=shape) * 3, dtype), np.asarray(second, dtype)


def exact(*arrays: np.ndarray) -> list[np.ndarray]:
    return [a.astype(np.float64) for a in arrays]


@each_room
@each_dtype
@given(shape=SHAPES, seed=SEEDS)
def test_elements(room, dtype, shape, seed):
    x, y = draw("bce", shape, seed, dtype)
    out = room.bce_with_logits(x, y)
    assert out.dtype == dtype and out.shape == shape
    # |x| stays below 20: exp, log1p and four more roundings on numbers up to 20.
    np.testing.assert_allclose(out, bce(*exact(x, y)), rtol=0, atol=8 * np.finfo(dtype).eps * 20)


@each_sum
@each_room
@each_dtype
@given(shape=SHAPES, seed=SEEDS, scale=st.sampled_from([1.0, 0.25, 1 / 30]))
def test_sums(name, room, dtype, shape, seed, scale):
    a, b = draw(name, shape, seed, dtype)
    total = getattr(room, name)(a, b, scale)
    assert total.dtype == dtype and total.shape == ()
    elements = SUMS[name][0](*exact(a, b))
    # Each element has a few roundings of terms that are as large as a^2 + exp(b) + |a b|.
    terms = np.sum(1 + exact(a)[0] ** 2 + np.exp(exact(b)[0]) + np.abs(a * b), dtype=np.float64)
    np.testing.assert_allclose(total, elements.sum() * scale, rtol=0, atol=4 * np.finfo(dtype).eps * terms * scale)


@each_sum
@each_room
@each_dtype
@given(shape=SHAPES, seed=SEEDS, scale=st.sampled_from([1.0, 0.25, 1 / 30]), gy=st.sampled_from([1.0, -0.7]))
def test_gradients(name, room, dtype, shape, seed, scale, gy):
    a, b = draw(name, shape, seed, dtype)
    gradients = getattr(room, f"{name}_backward")(np.array(gy, dtype), a, b, scale)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for got, slope in zip(gradients, SUMS[name][1](*exact(a, b)), strict=True):
        assert got.dtype == dtype and got.shape == shape
        largest = np.abs(slope).max(initial=1)
        np.testing.assert_allclose(got, slope * gy * scale, rtol=0, atol=6 * np.finfo(dtype).eps * largest * scale)


@each_sum
@each_room
def test_a_long_sum_is_as_accurate_as_a_short_one(name, room):
    # One number after the other, a float32 sum of 10**6 terms would be off by some 1e-4; NumPy's in pairs by 1e-6.
    a, b = draw(name, (1000, 1001), 0, np.float32)
    wanted = SUMS[name][0](*exact(a, b)).sum()
    # What is left: the error of every element, up to 3 units and in both directions; and one rounding at the end.
    assert abs(float(getattr(room, name)(a, b, 1.0)) / wanted - 1) < 2e-7


@each_room
@each_dtype
@given(shape=SHAPES, seed=SEEDS, delta=st.sampled_from([1.0, 0.3, 1e3]), scale=st.sampled_from([1.0, 1 / 30]))
def test_huber(room, dtype, shape, seed, delta, scale):
    p, t = draw("huber", shape, seed, dtype)
    d = np.subtract(*exact(p, t))
    total = room.huber_sum(p, t, delta, scale)
    assert total.dtype == dtype and total.shape == ()
    elements = np.where(abs(d) <= delta, d * d / 2, delta * (abs(d) - delta / 2))
    terms = 1 + elements.sum() + (abs(d) * min(delta, 10)).sum()
    np.testing.assert_allclose(total, elements.sum() * scale, rtol=0, atol=4 * np.finfo(dtype).eps * terms * scale)
    gp = room.huber_sum_backward(np.array(-0.7, dtype), p, t, delta, scale)
    assert gp.dtype == dtype and gp.shape == shape
    wanted = np.clip(d, -delta, delta) * (-0.7 * scale)
    largest = np.abs(exact(p)[0]).max(initial=0) + np.abs(exact(t)[0]).max(initial=1)
    np.testing.assert_allclose(gp, wanted, rtol=0, atol=6 * np.finfo(dtype).eps * largest * scale)


@each_room
@each_dtype
def test_huber_of_what_is_not_finite(room, dtype):
    gy, zero = np.ones((), dtype), np.zeros(3, dtype)
    p = np.array([np.inf, -np.inf, np.nan], dtype)
    np.testing.assert_array_equal(room.huber_sum_backward(gy, p, zero, 2.0, 1.0), [2, -2, np.nan])
    assert room.huber_sum(p[:2], zero[:2], 2.0, 1.0) == np.inf and np.isnan(room.huber_sum(p, zero, 2.0, 1.0))
    with pytest.raises(ValueError, match=r"huber_sum: t has shape \(3,\)"):
        room.huber_sum(np.ones((2, 3)), np.ones(3), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"huber_sum_backward: t has shape \(3,\)"):
        room.huber_sum_backward(np.ones(()), np.ones((2, 3)), np.ones(3), 1.0, 1.0)
    with pytest.raises(ValueError, match="huber_sum_backward: gy is the gradient of a sum"):
        room.huber_sum_backward(np.ones(1), np.ones(3), np.ones(3), 1.0, 1.0)


@each_room
@each_dtype
def test_bce_keeps_the_digits_of_its_tails(room, dtype):
    x, y = np.array([-20, 20, -80, 80, 1e4, -1e4, 0] * 9, dtype), np.array([0, 1, 0, 1, 1, 0, 1] * 9, dtype)
    wanted = np.array([*np.log1p(np.exp([-20.0, -20.0, -80.0, -80.0])), 0, 0, np.log(2)] * 9)
    rtol = 8 * np.finfo(dtype).eps  # exp and log1p, a few roundings each
    np.testing.assert_allclose(room.bce_with_logits(x, y), wanted, rtol=rtol)
    np.testing.assert_allclose(room.bce_with_logits_sum(x[:4], y[:4], 1.0), wanted[:4].sum(), rtol=rtol)
    zero = np.array([0, 1, 0, 1, 1, 0] * 9, dtype)
    big = np.array([-1e4, 1e4] * 27, dtype)
    assert room.bce_with_logits_sum(big, np.array([0, 1] * 27, dtype), 1.0) == 0
    np.testing.assert_array_equal(
        room.bce_with_logits_sum_backward(np.ones((), dtype), big, zero, 1.0), np.array([0, 1] * 27) - zero
    )


def exp_excess(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1 - x in extended precision, by its series near 0."""
    x = x.astype(np.longdouble)
    factorials = np.cumprod(np.arange(1, 26, dtype=np.longdouble))
    series = sum(np.where(np.abs(x) < 1, x, 0) ** k / factorials[k - 1] for k in range(2, 26))
    return np.where(np.abs(x) < 1, series, np.expm1(x) - x)


@each_room
@each_dtype
@given(size=st.floats(-18, 1.9), sign=st.sampled_from([1, -1]))
def test_gaussian_kl_keeps_its_digits_near_0(room, dtype, size, sign):
    """From logvar 1e-18, where a float32 shows nothing of exp(logvar) - 1, to 80."""
    logvar, one = np.array([sign * 10**size], dtype), np.ones((), dtype)
    # A series or a difference that is at least a third of its terms, and exp itself: a few units, each half an eps.
    rtol = 4 * np.finfo(dtype).eps
    value = room.gaussian_kl_sum(np.zeros(1, dtype), logvar, 1.0)
    np.testing.assert_allclose(value, exp_excess(logvar)[0] / 2, rtol=rtol)
    slope = room.gaussian_kl_sum_backward(one, np.zeros(1, dtype), logvar, 1.0)[1]
    np.testing.assert_allclose(slope, np.expm1(logvar.astype(np.longdouble)) / 2, rtol=rtol)


@each_room
@each_dtype
def test_what_is_not_finite(room, dtype):
    one = np.ones(1, dtype)
    for name, (a, b) in {"bce_with_logits_sum": (np.nan, 0.5), "mse_sum": (1, np.nan)}.items():
        assert np.isnan(getattr(room, name)(a * one, b * one, 1.0))
    for a, b in ((np.nan, 0), (0, np.nan), (np.inf, np.nan)):
        assert np.isnan(room.gaussian_kl_sum(a * one, b * one, 1.0))
    for a, b in ((0, np.inf), (0, -np.inf), (np.inf, 0), (0, 1e30), (1e30, 1)):  # infinitely far, or as good as that
        value = room.gaussian_kl_sum(a * one, b * one, 1.0)
        assert value == np.inf or (dtype is np.float64 and a == 1e30 and value == pytest.approx(5e59))
    gmean, glogvar = room.gaussian_kl_sum_backward(np.ones((), dtype), one, np.array([np.inf], dtype), 1.0)
    assert gmean == 1 and glogvar == np.inf
    assert room.mse_sum(np.full(3, 3e19, np.float32), np.zeros(3, np.float32), 1.0) == np.inf


@each_room
def test_errors(room):
    x, short, gy = np.ones((2, 3)), np.ones(3), np.ones(())
    for name in SUMS:
        with pytest.raises(ValueError, match=rf"{name}: \w+ has shape \(3,\).* must be like the first .*\(2, 3\)"):
            getattr(room, name)(x, short, 1.0)
        with pytest.raises(ValueError, match=rf"{name}: \w+ has shape \(2, 3\) and dtype float32"):
            getattr(room, name)(x, x.astype(np.float32), 1.0)
        backward = getattr(room, f"{name}_backward")
        with pytest.raises(ValueError, match=rf"{name}_backward: \w+ has shape \(3,\)"):
            backward(gy, x, short, 1.0)
        for bad in (np.ones(1), gy.astype(np.float32)):
            with pytest.raises(ValueError, match=rf"{name}_backward: gy is the gradient of a sum, of shape \(\)"):
                backward(bad, x, x, 1.0)
    with pytest.raises(ValueError, match=r"bce_with_logits: y has shape \(3,\)"):
        room.bce_with_logits(x, short)
