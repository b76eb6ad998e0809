"""exp, sigmoid, tanh and log1p of one number, for use inside the loops of compiled kernels.

Numba calls the C library for these functions, one number at a time, and a loop around such a call is not vectorised.
In float32 they are polynomials here, without a call or a branch, so that LLVM vectorises them; the error is at most 2.5
units in the last place. In float64 they are those of the C library.

exp: write x = n ln 2 + r with a whole n and |r| <= ln(2) / 2; then exp(x) = 2^n exp(r). A polynomial gives exp(r), and
2^n is made from its bits, as two factors, because the smallest results need an exponent that no float has.

The functions are compiled into the kernel that calls them, but with their own fastmath flags: "reassoc" would simplify
x + MAGIC - MAGIC to x.

Imports: NumPy, Numba. Read next: ``activation.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

F4, I4 = np.float32, np.int32
ZERO, ONE, TWO = F4(0), F4(1), F4(2)

LOWEST, HIGHEST = F4(-104), F4(89)  # beyond them exp is 0 and infinite in float32
PER_LN2 = F4(1 / math.log(2))
LN2_HIGH = F4(355 / 512)  # 9 bits long: its product with a whole number of 8 bits is exact
LN2_LOW = F4(math.log(2) - 355 / 512)
MAGIC = F4(1.5 * 2**23)  # a float so large has no fraction: x + MAGIC rounds x, and holds it in its lowest bits
MAGIC_BITS, BIAS, FRACTION_BITS = I4(0x4B400000), I4(127), I4(23)
SMALL = F4(0.55)  # up to here tanh is a polynomial

# Minimax polynomials q, lowest power first, in exp(r) = 1 + r + r^2 q(r), tanh(x) = x + x^3 q(x^2), artanh(s) = s + s^3
# q(s^2), where |r| <= ln(2) / 2, |x| <= SMALL, |s| <= 1 / 3. The relative error of the function is below 5e-9.
EXP = tuple(map(F4, (0.499999934324, 0.166665203998, 0.0416683907352, 0.00836874501529, 0.00138145424727)))
TANH = tuple(map(F4, (-0.333333176064, 0.133325873772, -0.0538524192339, 0.0210720735553, -0.00627474128930)))
ARTANH = tuple(map(F4, (0.333332085271, 0.200107508523, 0.140010105018, 0.140058332537)))


def exp(x: Any) -> Any:
    """e^x: NaN for NaN, 0 and infinity beyond the range of the dtype."""
    raise NotImplementedError(_ONLY_COMPILED)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x), exact in both tails."""
    raise NotImplementedError(_ONLY_COMPILED)


def tanh(x: Any) -> Any:
    """(e^x - e^-x) / (e^x + e^-x)."""
    raise NotImplementedError(_ONLY_COMPILED)


def log1p(x: Any) -> Any:
    """log(1 + x) for 0 <= x <= 1, which is where log(1 + e^-|x|) needs it."""
    raise NotImplementedError(_ONLY_COMPILED)


_ONLY_COMPILED = "this function exists only inside functions compiled by Numba; elsewhere use NumPy's"


def _chosen_by_dtype(function: Callable[..., Any], of_float32: Any, of_float64: Any) -> None:
    """Let `function` mean the one or the other inside compiled functions."""

    def choose(x: Any) -> Any:
        return {types.float32: of_float32, types.float64: of_float64}.get(x)

    overload(function, jit_options={"error_model": "numpy", "fastmath": {"contract"}})(choose)


def _exp4(x: Any) -> Any:
    x = LOWEST if x < LOWEST else HIGHEST if x > HIGHEST else x  # a NaN stays one
    shifted = F4(x * PER_LN2 + MAGIC)
    n = I4(shifted.view(I4) - MAGIC_BITS)
    rounded = F4(shifted - MAGIC)
    r = (x - rounded * LN2_HIGH) - rounded * LN2_LOW
    of_r = ONE + (r + r * r * (EXP[0] + r * (EXP[1] + r * (EXP[2] + r * (EXP[3] + r * EXP[4])))))
    half = I4(n >> I4(1))
    low, high = I4((half + BIAS) << FRACTION_BITS), I4((n - half + BIAS) << FRACTION_BITS)
    return of_r * low.view(F4) * high.view(F4)


def _exp8(x: Any) -> Any:
    return math.exp(x)


def _sigmoid4(x: Any) -> Any:
    e = exp(-abs(x))  # at most 1: never overflows
    return (ONE if x >= ZERO else e) / (ONE + e)


def _sigmoid8(x: Any) -> Any:
    e = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else e) / (1.0 + e)


def _tanh4(x: Any) -> Any:
    size, t = abs(x), x * x
    near = x + x * t * (TANH[0] + t * (TANH[1] + t * (TANH[2] + t * (TANH[3] + t * TANH[4]))))
    far = ONE - TWO / (exp(size + size) + ONE)
    return near if size < SMALL else far if x > ZERO else -far


def _tanh8(x: Any) -> Any:
    return math.tanh(x)


def _log1p4(x: Any) -> Any:
    s = x / (TWO + x)  # log((1 + s) / (1 - s)) = 2 artanh(s)
    t = s * s
    return TWO * (s + s * t * (ARTANH[0] + t * (ARTANH[1] + t * (ARTANH[2] + t * ARTANH[3]))))


def _log1p8(x: Any) -> Any:
    return math.log1p(x)


_chosen_by_dtype(exp, _exp4, _exp8)
_chosen_by_dtype(sigmoid, _sigmoid4, _sigmoid8)
_chosen_by_dtype(tanh, _tanh4, _tanh8)
_chosen_by_dtype(log1p, _log1p4, _log1p8)
