"""Linear units: both rooms against exact values over the whole range, at what is not finite, and wrong arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference
from minigen_kernels.reference.linear_unit import UNITS

each_room = pytest.mark.parametrize("room", [reference, cpu])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: Subnormal and zero results of exp, 1, and huge numbers, near 0 and between.
RANGE = [*np.linspace(-120, 120, 4001), *np.linspace(-4, 4, 2001), *np.geomspace(1e-30, 1e30, 121), 0.0]
long = np.longdouble


def parts(x: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exactly: the gate, its slope, and by how many roundings of the argument of an exp both may move."""
    e = np.exp(-abs(x))  # a long double has a wider range, so that nothing here is lost
    if unit == "silu":
        return np.where(x > 0, 1, e) / (1 + e), e / (1 + e) ** 2, abs(x)
    if unit == "gelu":
        below = np.array([math.erfc(v) for v in (-x / np.sqrt(long(2))).astype(float)], long) / 2
        return below, np.exp(-x * x / 2) / np.sqrt(2 * long(math.pi)), x * x
    if unit == "gelu_tanh":
        near = np.clip(x, -1000, 1000)
        u = np.sqrt(8 / long(math.pi)) * (near + long("0.044715") * near**3)
        du = np.sqrt(8 / long(math.pi)) * (1 + 3 * long("0.044715") * near**2)
        e = np.exp(-abs(u))
        return np.where(x > 0, 1, e) / (1 + e), e / (1 + e) ** 2 * du, abs(u)
    if unit == "mish":
        n = np.where(x > 0, 1 + 2 * e, e * (e + 2))  # exp(x) (exp(x) + 2), times e^2 above 0
        d = np.where(x > 0, 1 + 2 * e + 2 * e * e, n + 2)
        return n / d, 4 * np.where(x > 0, e * e, e) * (1 + e) / (d * d), abs(x)
    inside = (x > -3) & (x < 3)
    return np.clip((x + 3) / 6, 0, 1), np.where(inside, long(1) / 6, 0), 0 * x


@each_room
@each_dtype
@pytest.mark.parametrize("unit", UNITS)
def test_units_over_the_whole_range(room, dtype, unit):
    x = np.array([*RANGE, *(-v for v in RANGE)], dtype)
    if unit == "hardswish":
        x = x[abs(x) != 3]  # where the slope jumps
    exact = x.astype(long)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        gate, slope, condition = parts(exact, unit)
        got = room.linear_unit(x, unit), room.linear_unit_backward(np.full_like(x, 1.5), x, unit)
    lost = np.finfo(dtype).tiny * np.maximum(1, abs(exact))  # exp has lost digits below the normal numbers, x scales it
    roundings = 12 + 2 * np.minimum(condition, 1500)
    for y, wanted in zip(got, (exact * gate, 1.5 * (gate + exact * slope)), strict=True):
        assert y.dtype == dtype and y.shape == x.shape
        # Near the minimum of a unit its derivative is the difference of two numbers.
        allowed = roundings * np.finfo(dtype).eps * np.maximum(abs(wanted), abs(exact * slope)) + 4 * lost
        bad = ~(abs(y - wanted) <= allowed)
        assert not bad.any(), (x[bad][:5], y[bad][:5], wanted[bad][:5])


@each_room
@each_dtype
@pytest.mark.parametrize("numbers", [(1.0, 1.0, 1.0), (1.0507, 1.7581, 1.0), (1.0, 2.0, 0.5), (1.0, -0.3, 1.0)])
def test_exponential_units_over_the_whole_range(room, dtype, numbers):
    positive, negative, rate = (long(dtype(number)) for number in numbers)
    x = np.array([*RANGE, *(-v for v in RANGE)], dtype)
    exact, below = x.astype(long), np.minimum(x, 0).astype(long)
    y, gx = room.elu(x, *numbers), room.elu_backward(np.full_like(x, 1.5), x, *numbers)
    assert y.dtype == gx.dtype == dtype
    eps, tiny = np.finfo(dtype).eps, float(np.finfo(dtype).tiny)
    wanted = np.where(x > 0, positive * exact, negative * np.expm1(rate * below))
    np.testing.assert_allclose(y, wanted, rtol=8 * eps, atol=4 * tiny)
    wanted = 1.5 * np.where(x > 0, positive, negative * rate * np.exp(rate * below))
    # An exp moves by as many roundings of its argument as that is large.
    np.testing.assert_allclose(gx, wanted, rtol=120 * eps, atol=4 * tiny)


@each_room
@each_dtype
def test_what_is_not_finite(room, dtype):
    x, ones = np.array([np.nan, np.inf], dtype), np.ones(2, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for unit in UNITS:
            np.testing.assert_array_equal(room.linear_unit(x, unit), x, unit)
            slopes = room.linear_unit_backward(ones, np.array([1e30, -1e30], dtype), unit)
            np.testing.assert_array_equal(slopes, [1, 0], unit)
        np.testing.assert_array_equal(room.elu(np.array([*x, -np.inf], dtype), 1.0, 2.0, 1.0), [*x, -2])
    np.testing.assert_array_equal(room.linear_unit(np.array([-np.inf], dtype), "hardswish"), [0])


@each_room
def test_layouts_and_empty_arrays(room):
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 17)).astype(np.float32).transpose(0, 3, 1, 2)
    for unit in UNITS:
        np.testing.assert_array_equal(room.linear_unit(x, unit), room.linear_unit(x.copy(), unit))
        gx = room.linear_unit_backward(x.copy(), x, unit)
        np.testing.assert_array_equal(gx, room.linear_unit_backward(x, x.copy(), unit))
        assert room.linear_unit(x[:0], unit).shape == (0, 17, 5, 3)
    assert room.elu(np.ones(()), 1.0, 1.0, 1.0) == 1


#: (N, C, L): one place, one channel, few and many channels, more than a row of several places takes.
SHAPES = st.one_of(
    st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 9)),
    st.sampled_from([(3, 700, 1), (2, 1, 600), (70, 3, 49), (2, 40, 33), (300, 2, 1)]),
)


@each_room
@each_dtype
@given(shape=SHAPES, last=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_prelu(room, dtype, shape, last, seed):
    rng = np.random.default_rng(seed)
    x, gy = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    w = rng.normal(size=shape[1]).astype(dtype)
    there = x.transpose(0, 2, 1).copy().transpose(0, 2, 1) if last else x
    y, (gx, gw) = room.prelu(there, w), room.prelu_backward(gy, there, w)
    assert y.dtype == gx.dtype == gw.dtype == dtype and gw.shape == w.shape
    np.testing.assert_array_equal(y, np.where(x > 0, x, w[:, None] * x))
    np.testing.assert_array_equal(gx, np.where(x > 0, gy, w[:, None] * gy))
    terms = np.where(x > 0, 0, gy.astype(long) * x)
    allowed = 4 * np.finfo(dtype).eps * abs(terms).sum(axis=(0, 2))
    assert (abs(gw - terms.sum(axis=(0, 2))) <= allowed).all()


@each_room
def test_prelu_keeps_a_nan_and_refuses_other_shapes(room):
    x, two = np.array([[[np.nan, -np.inf, np.inf, 0]]], np.float32), np.ones(2, np.float32)
    np.testing.assert_array_equal(room.prelu(x, two[:1]), x)
    assert np.isnan(room.prelu_backward(np.ones_like(x), x, two[:1])[1])
    with pytest.raises(ValueError, match=r"prelu: w has shape \(2,\)"):
        room.prelu(x, two)
    with pytest.raises(ValueError, match=r"prelu_backward: gy has shape \(1, 1, 2\)"):
        room.prelu_backward(x[..., :2], x, two[:1])


@each_room
def test_wrong_arguments_are_refused(room):
    for kernel in (
        lambda: room.linear_unit(np.ones(3), "glu"),
        lambda: room.linear_unit_backward(*np.ones((2, 3)), "glu"),
    ):
        with pytest.raises(ValueError, match="unit is one of silu, gelu, gelu_tanh, mish, hardswish, got 'glu'"):
            kernel()
    with pytest.raises(ValueError, match=r"linear_unit_backward: x has shape \(3,\)"):
        room.linear_unit_backward(np.ones((2, 3)), np.ones(3), "silu")
    with pytest.raises(ValueError, match=r"elu_backward: x has shape \(3,\)"):
        room.elu_backward(np.ones((2, 3)), np.ones(3), 1.0, 1.0, 1.0)
