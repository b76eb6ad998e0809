"""exp, expm1, sigmoid, tanh, log1p and the error function of one number, for use inside the loops of compiled kernels.

Numba calls the C library for these functions, one number at a time, and a loop around such a call is not vectorised.
In float32 they are polynomials here, without a call or a branch, so that LLVM vectorises them; the error is at most 2.5
units in the last place, and 6 in the tails of the error function. In float64 they are those of the C library.

exp: write x = n ln 2 + r with a whole n and |r| <= ln(2) / 2; then exp(x) = 2^n exp(r). A polynomial gives exp(r), and
2^n is made from its bits, as two factors, because the smallest results need an exponent that no float has. expm1 is
2^n (exp(r) - 1) + (2^n - 1).

erfc: erfc(z) exp(z^2) is smooth for z >= 0, and a polynomial in t = 1 / (1 + 0.4 z) that begins with t, as in Hastings,
Approximations for Digital Computers (1955). In exp(-z^2) a rounded z^2 would cost digits: z is cut into a part of 12
bits, whose square is exact, and a small rest.

The functions are compiled into the kernel that calls them, but with their own fastmath flags: "reassoc" would simplify
x + MAGIC - MAGIC to x.

Imports: NumPy, Numba, jit. Read next: ``activation.py``.
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

from minigen_kernels.cpu.jit import njit_inner

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

# The same in erf(x) = x q(x^2), where |x| <= NEAR, and in erfc(z) exp(z^2) = t q(t), where t = 1 / (1 + SLOWLY z).
ERF = tuple(map(F4, (1.1283791637, -0.376126013885, 0.112831128121, -0.0268208066671, 0.00508513033, -0.000653523535)))
TAIL = (
    0.225704913297, 0.224990927998, 0.214595084754, 0.131194460183, 0.267677593321, -0.276180602734, 0.537583279537,
    -0.49141796985, 0.194867075162, -0.0290147531191,
)  # fmt: skip
Q = tuple(map(F4, TAIL))
NEAR, SLOWLY, FAR = F4(0.8), F4(0.4), F4(15)  # beyond FAR exp(-z^2 / 2) is 0 in float32
HIGH_BITS = I4(-(1 << 12))  # all but the last 12: sign, exponent and 11 bits of the fraction, whose first is implied
HALF, SIXTH, ROOT_HALF = F4(1 / 2), F4(1 / 6), F4(math.sqrt(1 / 2))
DENSITY = F4(1 / math.sqrt(2 * math.pi))
DENSITY8, ROOT_HALF8 = 1 / math.sqrt(2 * math.pi), math.sqrt(0.5)


def exp(x: Any) -> Any:
    """e^x: NaN for NaN, 0 and infinity beyond the range of the dtype."""
    raise NotImplementedError(_ONLY_COMPILED)


def expm1(x: Any) -> Any:
    """e^x - 1, with all its digits near 0."""
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


def erf(x: Any) -> Any:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    raise NotImplementedError(_ONLY_COMPILED)


def erfc(x: Any) -> Any:
    """1 - erf(x), with all its digits where it is small."""
    raise NotImplementedError(_ONLY_COMPILED)


def normal(x: Any) -> Any:
    """The normal distribution's function and density: erfc(-x / sqrt(2)) / 2, and exp(-x^2 / 2) / sqrt(2 pi)."""
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


def _expm1_4(x: Any) -> Any:
    x = LOWEST if x < LOWEST else HIGHEST if x > HIGHEST else x
    shifted = F4(x * PER_LN2 + MAGIC)
    n = I4(shifted.view(I4) - MAGIC_BITS)
    rounded = F4(shifted - MAGIC)
    r = (x - rounded * LN2_HIGH) - rounded * LN2_LOW
    above = r + r * r * (EXP[0] + r * (EXP[1] + r * (EXP[2] + r * (EXP[3] + r * EXP[4]))))
    half = I4(n >> I4(1))
    low, high = I4((half + BIAS) << FRACTION_BITS).view(F4), I4((n - half + BIAS) << FRACTION_BITS).view(F4)
    one = I4((half - n + BIAS) << FRACTION_BITS).view(F4)  # 1 / high
    return (above * low + (low - one)) * high


def _expm1_8(x: Any) -> Any:
    return math.expm1(x)


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


@njit_inner(fastmath={"contract"})
def _exp_minus_square(z: Any, share: Any) -> Any:
    """exp(-share z^2) for 0 <= z <= FAR; `share` is 1 or 1/2."""
    first = I4(F4(z).view(I4) & HIGH_BITS).view(F4)
    v = (first - z) * (first + z) * share  # up to 0.1: a few terms of its exp are enough
    return exp(-(first * first) * share) * (ONE + v * (ONE + v * (HALF + v * (SIXTH + v * F4(1 / 24)))))


@njit_inner(fastmath={"contract"})
def _tail_polynomial(t: Any) -> Any:
    high = Q[5] + t * (Q[6] + t * (Q[7] + t * (Q[8] + t * Q[9])))
    return t * (Q[0] + t * (Q[1] + t * (Q[2] + t * (Q[3] + t * (Q[4] + t * high)))))


def _erfc4(x: Any) -> Any:
    z = FAR if abs(x) > FAR else abs(x)  # a NaN stays one
    tail = _exp_minus_square(z, ONE) * _tail_polynomial(ONE / (ONE + SLOWLY * z))
    return TWO - tail if x < ZERO else tail


def _erfc8(x: Any) -> Any:
    return 1.0 - math.erf(x) if x < 0.5 else math.erfc(x)  # no cancellation there, and erf is faster


def _erf4(x: Any) -> Any:
    z, t = FAR if abs(x) > FAR else abs(x), x * x
    near = x * (ERF[0] + t * (ERF[1] + t * (ERF[2] + t * (ERF[3] + t * (ERF[4] + t * ERF[5])))))
    # What a rounded z * z loses is lost beside 1.
    far = ONE - exp(-z * z) * _tail_polynomial(ONE / (ONE + SLOWLY * z))
    far = far if x > ZERO else -far
    return near if abs(x) < NEAR else far


def _erf8(x: Any) -> Any:
    return math.erf(x)


def _normal4(x: Any) -> Any:
    z = FAR if abs(x) > FAR else abs(x)
    e = _exp_minus_square(z, HALF)
    tail = HALF * e * _tail_polynomial(ONE / (ONE + (SLOWLY * ROOT_HALF) * z))
    return (ONE - tail if x > ZERO else tail), e * DENSITY


def _normal8(x: Any) -> Any:
    return 0.5 * erfc(-x * ROOT_HALF8), math.exp(-0.5 * x * x) * DENSITY8


_chosen_by_dtype(exp, _exp4, _exp8)
_chosen_by_dtype(expm1, _expm1_4, _expm1_8)
_chosen_by_dtype(sigmoid, _sigmoid4, _sigmoid8)
_chosen_by_dtype(tanh, _tanh4, _tanh8)
_chosen_by_dtype(log1p, _log1p4, _log1p8)
_chosen_by_dtype(erf, _erf4, _erf8)
_chosen_by_dtype(erfc, _erfc4, _erfc8)
_chosen_by_dtype(normal, _normal4, _normal8)
