"""Random numbers, the obvious NumPy version: Philox4x32-10, and uniform and normal numbers on its words.

Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11) is a function, not
a sequence: block `i` of four 32-bit words is a scramble of the counter `i` under a key. So any block
can be computed on its own, on any device, in any order, and the state of a generator is one number.

Every step below is an integer operation or one correctly rounded IEEE operation (+ - * / sqrt), and
the logarithm, sine and cosine are short series of such steps. Versions that take the same steps in the
same order without fusing a multiply and an add therefore agree **bit for bit**, normals included.
A library's logarithm, by contrast, differs in the last bits from one processor to the next.

Imports: NumPy. Read next: ``optim.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, as fractions of 2**32
ROUNDS = 10
MASK = 2**32 - 1

#: Terms of each series: the first one left out is below a hundredth of an ulp of the result.
SERIES_TERMS = {np.dtype(np.float32): 6, np.dtype(np.float64): 11}


def philox(seed: int, stream: int, position: int, blocks: int) -> Array:
    """Blocks `position`, ..., `position + blocks - 1` of a stream: uint32 (blocks, 4).

    The key is the seed, low 32 bits first. The counter of a block is (low and high 32 bits of its
    position, low and high 32 bits of the stream). Positions wrap around at 2**64.
    """
    at = np.uint64(position) + np.arange(blocks, dtype=np.uint64)
    c0, c1 = at & np.uint64(MASK), at >> np.uint64(32)
    c2, c3 = np.full_like(at, stream & MASK), np.full_like(at, stream >> 32)
    for i in range(ROUNDS):
        k0, k1 = (np.uint64((k + i * step) & MASK) for k, step in zip(_halves(seed), KEY_STEPS))
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & np.uint64(MASK),
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & np.uint64(MASK),
        )
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def _halves(number: int) -> tuple[int, int]:
    return number & MASK, number >> 32


def uniform(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` numbers from [0, 1): float32 or float64 (n,), multiples of 2**-24 or 2**-53.

    A float32 takes one word, its upper 24 bits: a block holds 4. A float64 takes two words, low word
    first, and of these 64 bits the upper 53: a block holds 2. The draw starts with block `position`.
    """
    bits = _draw_bits(seed, stream, position, n, dtype).reshape(-1)[:n]
    drop, scale = (8, 2.0**-24) if bits.dtype == np.uint32 else (11, 2.0**-53)
    return (bits >> bits.dtype.type(drop)).astype(dtype) * np.dtype(dtype).type(scale)


def normal(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` standard normal numbers: float32 or float64 (n,), by Box and Muller (1958).

    The block is cut into numbers of B bits as for `uniform` (float32: B = 32, four a block; float64:
    B = 64, two a block), and each pair (k, a) of them makes the two values::

        u = k / 2**B + 2**-(B + 1)       in (0, 1], so that the logarithm is finite
        r = sqrt(-2 log u),  angle = 2 pi a / 2**B
        r cos(angle),  r sin(angle)

    |value| <= 6.77 in float32 and 9.50 in float64.
    """
    pairs = _draw_bits(seed, stream, position, n, dtype).reshape(-1, 2)
    radius = np.sqrt(-2 * _log(_open_unit(pairs[:, 0], np.dtype(dtype))))
    cos, sin = _cos_sin(pairs[:, 1], np.dtype(dtype))
    return np.stack([radius * cos, radius * sin], axis=1).reshape(-1)[:n]


def bernoulli(seed: int, stream: int, position: int, n: int, p: float | Array) -> Array:
    """`n` numbers that are 1 with probability p, else 0: float32 (n,).

    Each is 1 where the number of the same draw of `uniform` in float32 is below p; so p counts in steps of 2**-24. `p`
    is a number, which is rounded to float32, or an array (n,) of floats.
    """
    u = uniform(seed, stream, position, n, np.float32)
    if isinstance(p, float):
        return (u < np.float32(p)).astype(np.float32)
    check_probabilities(p, n)
    return (u < p).astype(np.float32)


def permutation(seed: int, stream: int, position: int, n: int) -> Array:
    """The numbers 0 to n - 1 in random order, int64 (n,): the order of n random keys, the smallest first.

    The keys are 64-bit numbers, cut as for `uniform` in float64. Of two equal ones (for n = 10**6 there are any with a
    probability of 3e-8) the earlier comes first.
    """
    keys = _draw_bits(seed, stream, position, n, np.float64).reshape(-1)[:n]
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def check_probabilities(p: Array, n: int) -> None:
    """Raise ValueError unless p is (n,), float32 or float64. All versions call this."""
    if p.shape != (n,) or p.dtype not in SERIES_TERMS:
        raise ValueError(f"bernoulli: p is a number or a float array of shape ({n},), got {p.dtype} of shape {p.shape}")


def _draw_bits(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """Enough blocks for n values: uint32 (blocks, 4) for float32, uint64 (blocks, 2) for float64."""
    dtype = np.dtype(dtype)
    if dtype not in SERIES_TERMS:
        raise ValueError(f"random kernels: dtype is float32 or float64, got {dtype}")
    values_per_block = 16 // dtype.itemsize
    words = philox(seed, stream, position, -(-n // values_per_block))
    if dtype == np.float32:
        return words
    low, high = words[:, 0::2].astype(np.uint64), words[:, 1::2].astype(np.uint64)
    return low | (high << np.uint64(32))


def _open_unit(k: Array, dtype: np.dtype[Any]) -> Array:
    """B-bit integers -> k / 2**B + 2**-(B + 1), in (0, 1]."""
    scale = 2.0 ** -(8 * k.dtype.itemsize)
    return k.astype(dtype) * dtype.type(scale) + dtype.type(scale / 2)


def _log(u: Array) -> Array:
    """Natural logarithm of 0 < u <= 1.

    u = m * 2**e with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...)
    with s = (m - 1) / (m + 1), so |s| <= 0.172.
    """
    real = u.dtype.type
    m, e = np.frexp(u)  # m in [1/2, 1)
    small = m < real(math.sqrt(0.5))
    m, e = np.where(small, m * real(2), m), e - small
    s = (m - real(1)) / (m + real(1))
    terms = [1 / (2 * k + 1) for k in range(SERIES_TERMS[u.dtype])]
    return e.astype(u.dtype) * real(math.log(2)) + real(2) * s * _polynomial(s * s, terms)


def _cos_sin(a: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Cosine and sine of the turn a / 2**B, for B-bit integers a.

    The nearest multiple of a quarter turn is taken off in integers, without error; what is left is
    at most pi/4, where the Taylor series is short. Then each quarter turn maps (c, s) to (-s, c).
    """
    word = a.dtype.type
    bits = 8 * a.dtype.itemsize
    quarter = (a + word(2 ** (bits - 3))) >> word(bits - 2)  # the sum wraps: a full turn is none
    rest = (a - (quarter << word(bits - 2))).view(f"i{a.dtype.itemsize}")
    x = rest.astype(dtype) * dtype.type(2 * math.pi / 2**bits)
    n = SERIES_TERMS[dtype]
    c = _polynomial(x * x, [(-1) ** k / math.factorial(2 * k) for k in range(n)])
    s = x * _polynomial(x * x, [(-1) ** k / math.factorial(2 * k + 1) for k in range(n)])
    cos = np.choose(quarter.astype(np.int64), [c, -s, -c, s])
    sin = np.choose(quarter.astype(np.int64), [s, c, -s, -c])
    return cos, sin


def _polynomial(x: Array, coefficients: list[float]) -> Array:
    """sum_k coefficients[k] x^k by Horner's rule, each step rounded to the dtype of x."""
    total = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + x.dtype.type(c)
    return total
