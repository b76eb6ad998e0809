"""exp, sigmoid, tanh and log1p inside compiled loops, against NumPy in float64 over the whole range of float32."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from minigen_kernels.cpu import exponential
from minigen_kernels.cpu.jit import FASTMATH


def compiled(function):
    # The liberties of the kernels that call these functions; no cache, which would not see a change in their file.
    @numba.njit(error_model="numpy", fastmath=FASTMATH)
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


EXACT = {"exp": np.exp, "sigmoid": sigmoid, "tanh": np.tanh, "log1p": np.log1p}
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
def test_float32_is_within_two_and_a_half_units_in_the_last_place(name):
    x = arguments(name)
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    y = COMPILED[name](x)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    units = np.abs(y[finite] - exact[finite]) / np.spacing(np.abs(rounded[finite])).astype(np.float64)
    # exp and its argument reduction: 1. The sum, the quotient and their roundings in the other functions: up to 1.5.
    assert units.max() <= 2.5
    assert np.isfinite(y[finite]).all()


@each_function
def test_special_values(name):
    x = SPECIAL[:5] if name != "log1p" else SPECIAL[[0, 3, 4]]
    with np.errstate(over="ignore", under="ignore"):
        exact = EXACT[name](x)
    np.testing.assert_array_equal(COMPILED[name](x.astype(np.float32)), exact.astype(np.float32))
    np.testing.assert_array_equal(COMPILED[name](x), exact)


@pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh"])
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
