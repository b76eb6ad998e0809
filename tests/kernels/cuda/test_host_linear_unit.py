"""The CUDA kernels of linear units on the host against the reference."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.cuda.test_host_activation import constants

from minigen_kernels import cuda, reference
from minigen_kernels.cuda.source import HERE
from minigen_kernels.reference.linear_unit import CUBIC, FLAT, STEEP, UNITS

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def numbers(dtype) -> np.ndarray:
    return np.array([*np.linspace(-80, 80, 999), *np.linspace(-4, 4, 999), 0, 3, -3, 1e30, -1e30, np.nan], dtype)


@each_dtype
@pytest.mark.parametrize("unit", UNITS)
def test_units(host, dtype, unit):
    x = numbers(dtype)
    gy = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    for kernel, *arguments in ((cuda.linear_unit, x, unit), (cuda.linear_unit_backward, gy, x, unit)):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            y, wanted = host.run(kernel, *arguments), getattr(reference, kernel.__name__)(*arguments)
        assert y.dtype == dtype and y.shape == x.shape
        # The same formula with another exp, whose argument in the tails is rounded; near a minimum two numbers cancel.
        np.testing.assert_allclose(y, wanted, rtol=300 * np.finfo(dtype).eps, atol=2 * np.finfo(dtype).eps)


@each_dtype
@pytest.mark.parametrize("constants", [(1.0, 1.0, 1.0), (1.0507, 1.7581, 1.0), (1.0, 2.0, 0.5)])
def test_exponential_units(host, dtype, constants):
    x = numbers(dtype)
    gy = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    for kernel, *arguments in ((cuda.elu, x), (cuda.elu_backward, gy, x)):
        y, wanted = (
            host.run(kernel, *arguments, *constants),
            getattr(reference, kernel.__name__)(*arguments, *constants),
        )
        assert y.dtype == dtype and y.shape == x.shape
        np.testing.assert_allclose(y, wanted, rtol=8 * np.finfo(dtype).eps, atol=0)


@each_dtype
@settings(max_examples=20)
@given(shape=st.tuples(st.integers(0, 4), st.integers(1, 40), st.sampled_from([1, 2, 9, 300])), seed=st.integers(0, 99))
def test_prelu(host, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    x, gy = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    w = rng.normal(size=shape[1]).astype(dtype)
    np.testing.assert_array_equal(host.run(cuda.prelu, x, w), reference.prelu(x, w))
    (gx, gw), wanted = host.run(cuda.prelu_backward, gy, x, w), reference.prelu_backward(gy, x, w)
    np.testing.assert_array_equal(gx, wanted[0])
    terms = 1 + abs(gy * x).sum()
    np.testing.assert_allclose(gw, wanted[1], rtol=0, atol=4 * np.finfo(dtype).eps * terms)


def test_strides(host):
    x = np.random.default_rng(1).normal(size=(6, 7))
    np.testing.assert_array_equal(host.run(cuda.linear_unit, x.T, "gelu"), host.run(cuda.linear_unit, x, "gelu").T)
    np.testing.assert_array_equal(host.run(cuda.elu, x.T, 1.0, 1.0, 1.0), host.run(cuda.elu, x, 1.0, 1.0, 1.0).T)


def test_the_numbers_in_the_source_are_those_of_the_reference():
    codes = constants("linear_unit.cu")
    assert [codes[unit.upper()] for unit in UNITS] == [0, 1, 2, 3, 4]
    text = (HERE / "linear_unit.cu").read_text(encoding="utf-8")
    found = {name: float(value) for name, value in re.findall(r"constexpr double (\w+) = ([\d.]+);", text)}
    assert [found[name] for name in ("STEEP", "CUBIC", "FLAT")] == [STEEP, CUBIC, FLAT]
    assert [found["ROOT_HALF"], found["DENSITY"]] == [np.sqrt(0.5), 1 / np.sqrt(2 * np.pi)]


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match="linear_unit: unit is one of silu, gelu, gelu_tanh, mish, hardswish, got 'glu'"
    ):
        cuda.linear_unit(np.ones(3), "glu")
    with pytest.raises(ValueError, match=r"linear_unit_backward: x has shape \(3,\)"):
        cuda.linear_unit_backward(np.ones((2, 3)), np.ones(3), "silu")
    with pytest.raises(ValueError, match=r"prelu: w has shape \(2,\)"):
        cuda.prelu(np.ones((2, 3, 4)), np.ones(2))
    with pytest.raises(ValueError, match=r"prelu_backward: gy has shape \(2, 3, 1\)"):
        cuda.prelu_backward(np.ones((2, 3, 1)), np.ones((2, 3, 4)), np.ones(3))
    with pytest.raises(ValueError, match=r"elu_backward: x has shape \(3,\)"):
        cuda.elu_backward(np.ones((2, 3)), np.ones(3), 1.0, 1.0, 1.0)
