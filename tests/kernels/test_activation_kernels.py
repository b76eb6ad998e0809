"""Bias and activation: both rooms against plain formulas in extended precision, on every layout of channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
ACTIVATIONS = [
    ("identity", 0.0),
    ("leaky_relu", 0.0),
    ("leaky_relu", 0.2),
    ("leaky_relu", 1.5),
    ("sigmoid", 0.0),
    ("tanh", 0.0),
]

#: (N, C, L): nothing, one number, dense layers (L = 1), short periods (several to a row), long ones (several strips),
#: many rows.
SHAPES = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 9)),
    st.sampled_from(
        [(128, 20, 1), (70, 3, 1), (3, 2500, 1), (2, 70, 16), (5, 3, 1000), (300, 1, 2), (1, 1, 5000), (4000, 40, 1)]
    ),
)
SEEDS = st.integers(0, 2**32 - 1)

each_room = pytest.mark.parametrize("room", ROOMS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_activation = pytest.mark.parametrize(("name", "slope"), ACTIVATIONS)


def activate(z: np.ndarray, name: str, slope: float) -> np.ndarray:
    z = z.astype(np.longdouble)
    if name == "leaky_relu":
        return np.where(z > 0, z, slope * z)
    return {"identity": z, "sigmoid": 1 / (1 + np.exp(-z)), "tanh": np.tanh(z)}[name]


def derivative(z: np.ndarray, name: str, slope: float) -> np.ndarray:
    """Of the activation, from its argument: the kernels work from the result."""
    z = z.astype(np.longdouble)
    if name == "leaky_relu":
        return np.where(z > 0, 1, slope)
    return {"identity": np.ones_like(z), "sigmoid": 1 / (2 + np.exp(z) + np.exp(-z)), "tanh": 1 / np.cosh(z) ** 2}[name]


@each_room
@each_dtype
@each_activation
@given(shape=SHAPES, seed=SEEDS)
def test_forward_and_backward(room, dtype, name, slope, shape, seed):
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    x, gy = (rng.normal(scale=2, size=shape).astype(dtype) for _ in range(2))
    b = rng.normal(size=shape[1]).astype(dtype)
    y = room.bias_act(x, b, name, slope)
    gx, gb = room.bias_act_backward(gy, y, name, slope)
    assert y.dtype == gx.dtype == gb.dtype == dtype and y.shape == gx.shape == shape and gb.shape == b.shape
    z = x + b[:, None]  # rounded once, as in the kernels
    # |z| < 20: activations of it are off by 3 units in the last place, and for sigmoid and tanh, which are flat, of 1.
    np.testing.assert_allclose(y, activate(z, name, slope), rtol=4 * eps, atol=0)
    # 1 - y is off by a unit of 1, which the derivative feels where it is small.
    np.testing.assert_allclose(
        gx, gy * derivative(z, name, slope), rtol=4 * eps, atol=8 * eps * np.abs(gy).max(initial=0)
    )
    # Up to 16 numbers are added in dtype, then in float64, then rounded: 16 half units of the sum of sizes.
    sizes = np.abs(gx).sum(axis=(0, 2), dtype=np.float64)
    assert (np.abs(gb - gx.sum(axis=(0, 2), dtype=np.float64)) <= 8 * eps * sizes).all()


@each_activation
@given(shape=SHAPES, seed=SEEDS)
def test_rooms_agree(name, slope, shape, seed):
    rng = np.random.default_rng(seed)
    x, gy, b = (rng.normal(size=size) for size in (shape, shape, shape[1]))
    y = reference.bias_act(x, b, name, slope)
    np.testing.assert_allclose(cpu.bias_act(x, b, name, slope), y, rtol=1e-14)
    for got, wanted in zip(cpu.bias_act_backward(gy, y, name, slope), reference.bias_act_backward(gy, y, name, slope)):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)  # sums of up to 5000 numbers in another order


@each_room
@each_dtype
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_at_zero_and_beyond_the_finite(room, dtype, slope):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0], dtype).reshape(1, 1, 6)
    y = room.bias_act(x, np.zeros(1, dtype), "leaky_relu", slope)
    lowest = -np.inf if slope else 0.0
    np.testing.assert_array_equal(y.ravel(), np.array([np.nan, np.inf, lowest, 0, 0, -slope], dtype))
    gy = np.array([1, 2, np.inf, 3, np.nan, 5], dtype).reshape(1, 1, 6)
    gx, _ = room.bias_act_backward(gy, y, "leaky_relu", slope)
    # At 0 and at NaN the gradient is that of the negative side; with slope 0 it stops what is not finite.
    wanted = [slope, 2, np.inf * slope if slope else 0, 3 * slope, np.nan if slope else 0, 5 * slope]
    np.testing.assert_array_equal(gx.ravel(), np.array(wanted, dtype))
    for name, ends in (("sigmoid", [1, 0]), ("tanh", [1, -1])):
        y = room.bias_act(x, np.zeros(1, dtype), name, 0.0).ravel()
        assert np.isnan(y[0])
        np.testing.assert_array_equal(y[1:3], ends)


@each_room
def test_sigmoid_is_exact_in_its_tail(room):
    x = np.array([-80.0, -87.0], np.float32).reshape(1, 1, 2)
    y = room.bias_act(x, np.zeros(1, np.float32), "sigmoid", 0.0)
    np.testing.assert_allclose(y.ravel(), np.exp([-80.0, -87.0]), rtol=3e-7)  # 2.5 units in the last place


@each_room
def test_a_gradient_of_many_rows_keeps_its_sum(room):
    """3000 times 0.1 in float32: a plain sum is off by 3e-5 of it, one of 16 numbers at a time by 8 roundings."""
    gy = np.full((3000, 2100, 1), 0.1, np.float32)  # rows so long that none is joined with another
    _, gb = room.bias_act_backward(gy, gy, "identity", 0.0)
    np.testing.assert_allclose(gb, 3000 * np.float64(np.float32(0.1)), rtol=8 * 6e-8)


@each_room
def test_errors(room):
    x, b = np.ones((2, 3, 4), np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match="activation is one of identity, leaky_relu, sigmoid, tanh, got 'relu6'"):
        room.bias_act(x, b, "relu6", 0.0)
    with pytest.raises(ValueError, match="bias_act: slope must be 0 or more, got -0.1"):
        room.bias_act(x, b, "leaky_relu", -0.1)
    with pytest.raises(ValueError, match="bias_act: slope must be 0 or more, got nan"):
        room.bias_act(x, b, "leaky_relu", float("nan"))
    with pytest.raises(ValueError, match=r"bias_act: b has shape \(2,\) and dtype float32, but .* asks for \(3,\)"):
        room.bias_act(x, b[:2], "tanh", 0.0)
    with pytest.raises(ValueError, match="bias_act: b has .* float64, but .* float32"):
        room.bias_act(x, b.astype(np.float64), "tanh", 0.0)
    with pytest.raises(ValueError, match=r"x \(N, C, L\) = \(2, 3\)"):
        room.bias_act(x[:, :, 0], b, "tanh", 0.0)
    with pytest.raises(ValueError, match=r"bias_act_backward: gy has shape \(1, 3, 4\)"):
        room.bias_act_backward(x[:1], x, "tanh", 0.0)
