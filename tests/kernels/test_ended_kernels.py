"""What ends a convolution: the reference against its parts, the processor's room against the reference.

Read next: ``ended.py``, ``cuda/test_host_ended.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from kernels.ended import NAMED, Drawn, assert_close, calls, drawn

from minigen_kernels import cpu, reference

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30)
@given(d=drawn)
def test_cpu_equals_reference(dtype, d):
    wanted = calls(reference, reference, d, dtype)
    for name, (function, *arguments) in calls(cpu, reference, d, dtype).items():
        assert_close(name, function(*arguments), wanted[name][0](*wanted[name][1:]), dtype)


@pytest.mark.parametrize("room", [reference, cpu])
@settings(max_examples=30)
@given(d=drawn)
def test_it_is_its_parts_to_the_bit(room, d):
    """So a network that is fused computes what it did before."""
    N, C, H, W = d.shape
    x, b, w, bias = d.arrays(np.float32, d.shape, (C,), (2, C, 3, 2), (2,))
    geometry = (H, W), (1, 1), (1, 1), (1, 1), 1
    plain = room.conv2d(x, w, *geometry)
    y = room.bias_act(plain.reshape(N, 2, H * W), bias, *d.named).reshape(plain.shape)
    np.testing.assert_array_equal(room.conv2d(x, w, *geometry, bias, *d.named), y)
    for a, c in zip(room.conv2d_upsample(x, w, *geometry, bias, *d.named, d.scale), (y, None)):
        np.testing.assert_array_equal(a, room.upsample_nearest2d(y, d.scale) if c is None else c)
    full = room.bias_act(x.reshape(N, C, H * W), b, *d.named)
    pooled, index = room.max_pool2d(full.reshape(d.shape), d.out_hw, *d.window)
    for a, c in zip(room.bias_act_max_pool2d(x, b, *d.named, d.out_hw, *d.window), (pooled, index)):
        np.testing.assert_array_equal(a, c)
    if d.named[0] in ("identity", "leaky_relu"):  # the others' products may be rounded in another order
        (gy,) = d.arrays(np.float32, pooled.shape)
        scattered = room.plane_scatter(gy, index, (H, W), d.window).reshape(N, C, H * W)
        gx, gb = room.bias_act_backward(scattered, full, *d.named)
        got = room.bias_act_max_pool2d_backward(gy, pooled, index, *d.named, (H, W), d.window)
        np.testing.assert_array_equal(got[0].reshape(N, C, H * W), gx)
        # The sum of the same numbers without the zeros between them: up to 16 at a time are added in float32.
        np.testing.assert_allclose(got[1], gb, rtol=0, atol=16 * np.finfo(np.float32).eps * np.abs(gx).sum())


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("named", NAMED)
def test_nothing_in_nothing_out(room, named):
    gy, index = np.ones((0, 2, 1, 1), np.float32), np.ones((0, 2, 1, 1), np.int64)
    window = (2, 2), (2, 2), (0, 0)
    gx, gb = room.bias_act_max_pool2d_backward(gy, gy, index, *named, (2, 2), window)
    assert gx.shape == (0, 2, 2, 2) and not gb.any() and gb.shape == (2,)


@pytest.mark.parametrize("room", [reference, cpu])
def test_misfits_are_refused(room):
    x, y = np.ones((1, 2, 4, 4), np.float32), np.ones((1, 2, 2, 2), np.float32)
    with pytest.raises(
        ValueError, match=r"gy has shape \(1, 2, 2, 2\).* but y \(1, 2, 4, 4\) and scale \(2, 2\) ask for"
    ):
        room.bias_act_upsample_backward(y, x, "tanh", 0.0, (2, 2))
    with pytest.raises(ValueError, match=r"b has shape \(3,\)"):
        room.bias_act_max_pool2d(x, np.ones(3, np.float32), "tanh", 0.0, (2, 2), (2, 2), (2, 2), (0, 0))
    with pytest.raises(ValueError, match="mse_act_sum: activation is 'sigmoid' or 'tanh', got 'relu'"):
        room.mse_act_sum(x, x, "relu", 1.0)


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_squared_error_of_an_activation_is_its_parts_to_the_bit(room, dtype, activation):
    """The parts are those that `ops` had before: products in this order."""
    rng = np.random.default_rng(0)
    x, t, gy = (np.asarray(rng.normal(size=shape), dtype) for shape in ((7, 300), (7, 300), ()))
    y = room.sigmoid(x) if activation == "sigmoid" else np.tanh(x)
    total, kept = room.mse_act_sum(x, t, activation, 0.3)
    np.testing.assert_array_equal(kept, y)
    np.testing.assert_array_equal(total, room.mse_sum(y, t, 0.3))
    g = room.mse_sum_backward(gy, y, t, 0.3)
    wanted = g * (y * (1 - y)) if activation == "sigmoid" else g * (1 - y * y)
    np.testing.assert_array_equal(room.mse_act_sum_backward(gy, y, t, activation, 0.3), wanted)


def test_the_draws_have_windows_without_overlap():
    d = Drawn((1, 1, 5, 5), NAMED[0], (1, 1), (3, 2), (0, 1), 0)
    assert d.window == ((3, 2), (3, 3), (0, 0)) and d.out_hw == (1, 2)
