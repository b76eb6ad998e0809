"""exp, expm1, sigmoid, tanh, log1p and the error function inside compiled loops, over the whole range of float32.

Exact values are those of NumPy, and of the C library, in float64.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigen_kernels.cpu import exponential
from minigen_kernels.cpu.jit import FASTMATH, KernelCompiler
from minigen_kernels.cpu.jit import compiled as compiled_by


def compiled(function):
    # The liberties of the kernels that call these functions; no cache, which would not see a change in their file.
    @compiled_by(KernelCompiler, nogil=True, fastmath=FASTMATH)
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    def run(x):
        y = np.empty_like(x)
        loop(x, y)
        return y

    return run


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def of_c(function):
    return lambda x: np.array([function(v) for v in x.tolist()])


EXACT = {
    "exp": np.exp, "expm1": np.expm1, "sigmoid": sigmoid, "tanh": np.tanh, "log1p": np.log1p,
    "erf": of_c(math.erf), "erfc": of_c(math.erfc),
}  # fmt: skip
COMPILED = {name: compiled(getattr(exponential, name)) for name in EXACT}
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 88.72283, 88.72284, -87.5, -103.9, -104, 88, -88, 1e38, -1e38])

each_function = pytest.mark.parametrize("name", EXACT)


def arguments(name: str) -> np.ndarray:
    """Evenly over the range, densely around 0, in every binary order, and at random; log1p from 0 to 1 only."""
    rng = np.random.default_rng(0)
    parts = [
        np.linspace(-110, 95, 1_000_001),
        np.linspace(-2, 2, 400_001),
        np.ldexp(1.0, np.arange(-149, 7)) * np.array([[1], [-1]]),
        rng.uniform(-90, 90, 1_000_000),
    ]
    x = np.concatenate([part.ravel() for part in parts]).astype(np.float32)
    return x[(x >= 0) & (x <= 1)] if name == "log1p" else x


@each_function
def test_float32_is_within_a_few_units_in_the_last_place(name):
    x = arguments(name)
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    y = COMPILED[name](x)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    units = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite])).astype(np.float64)
    # exp and its argument reduction: 1. The sum, the quotient and their roundings in the other functions: up to 1.5.
    # In the tail of erfc an exp of a square, a polynomial and a quotient are multiplied.
    assert units.max() <= (6 if name == "erfc" else 2.5)
    assert np.isfinite(y[finite]).all()


@each_function
def test_special_values(name):
    x = SPECIAL[:5] if name != "log1p" else SPECIAL[[0, 3, 4]]
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x)
    np.testing.assert_array_equal(COMPILED[name](x.astype(np.float32)), exact.astype(np.float32))
    np.testing.assert_array_equal(COMPILED[name](x), exact)


def test_the_normal_distribution():
    @compiled_by(KernelCompiler, nogil=True, fastmath=FASTMATH)
    def loop(x, below, density):
        for i in range(x.size):
            below[i], density[i] = exponential.normal(x[i])

    wide = np.concatenate([np.linspace(-12.9, 12.9, 100_001), np.geomspace(1e-30, 1, 99), [np.inf, -np.inf, np.nan]])
    for dtype, most in ((np.float32, 6), (np.float64, 160)):  # x^2 / 2 is rounded in float64, and is up to 84
        x = wide.astype(dtype)
        found = np.empty_like(x), np.empty_like(x)
        loop(x, *found)
        v = x.astype(float)
        exact = of_c(math.erfc)(-v * math.sqrt(0.5)) / 2, np.exp(-v * v / 2) / math.sqrt(2 * math.pi)
        for got, wanted in zip(found, exact, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=most * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("name", ["exp", "expm1", "sigmoid", "tanh", "erf", "erfc"])
def test_the_ends_of_the_range(name):
    x = SPECIAL.astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x.astype(np.float64)).astype(np.float32)
    y = COMPILED[name](x)
    # Subnormal results are whole multiples of the smallest number: rounded to a neighbour at worst.
    np.testing.assert_allclose(y, exact, rtol=3e-7, atol=1.5e-45)
    np.testing.assert_array_equal(np.isinf(y), np.isinf(exact))


@each_function
def test_float64_is_that_of_the_c_library(name):
    x = arguments(name).astype(np.float64)[::50]
    np.testing.assert_allclose(COMPILED[name](x), EXACT[name](x), rtol=1e-15)  # 4 units in the last place


@each_function
def test_outside_of_compiled_functions_there_is_a_clear_error(name):
    with pytest.raises(NotImplementedError, match="only inside functions compiled by Numba; elsewhere use NumPy's"):
        getattr(exponential, name)(1.0)
