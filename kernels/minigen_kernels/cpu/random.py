"""Random numbers on the CPU: the steps of ``reference/random.py``, vectorised.

The blocks are made in tiles of 64, one array per word, so that LLVM runs Philox and the series in
wide registers (about four times as fast as block after block); then the tile is written in order.
No fastmath here: fused or reordered operations would change the bits, and all versions must agree.

Imports: NumPy, Numba, threads; the check of arguments from ``reference``. Read next: ``optim.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.jit import njit_inner
from minigen_kernels.cpu.threads import njit_shared
from minigen_kernels.reference.random import check_probabilities

TILE = 64  # blocks
BLOCKS = 64 * TILE  # that a thread does at a time

F4, F8, I4, I8, U4, U8 = np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64
M0, M1 = U8(0xD2511F53), U8(0xCD9E8D57)
STEP0, STEP1 = U8(0x9E3779B9), U8(0xBB67AE85)
MASK, HALF = U8(2**32 - 1), U8(32)

# Series for artanh(s)/s in s^2, cos x and sin(x)/x in x^2: as many terms as the reference takes.
ARTANH4 = tuple(F4(1 / (2 * k + 1)) for k in range(6))
COS4 = tuple(F4((-1) ** k / math.factorial(2 * k)) for k in range(6))
SIN4 = tuple(F4((-1) ** k / math.factorial(2 * k + 1)) for k in range(6))
ARTANH8 = tuple(F8(1 / (2 * k + 1)) for k in range(11))
COS8 = tuple(F8((-1) ** k / math.factorial(2 * k)) for k in range(11))
SIN8 = tuple(F8((-1) ** k / math.factorial(2 * k + 1)) for k in range(11))
ONE4, TWO4, LN2_4, ANGLE4 = F4(1), F4(2), F4(math.log(2)), F4(2 * math.pi / 2**32)
LN2_8, ANGLE8 = F8(math.log(2)), F8(2 * math.pi / 2**64)
SCALE24, SCALE32, SCALE33 = F4(2.0**-24), F4(2.0**-32), F4(2.0**-33)
SCALE53, SCALE64, SCALE65 = F8(2.0**-53), F8(2.0**-64), F8(2.0**-65)
ROOT4, ROOT8 = F4(math.sqrt(0.5)).view(I4), F8(math.sqrt(0.5)).view(I8)  # sqrt(1/2) as bits


def philox(seed: int, stream: int, position: int, blocks: int) -> Array:
    """Blocks of four random words: uint32 (blocks, 4)."""
    out = np.empty((blocks, 4), dtype=U4)
    _philox(blocks, U8(seed), U8(stream), U8(position), out)
    return out


def uniform(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` numbers from [0, 1): float32 or float64 (n,)."""
    out = _empty_blocks(n, dtype)
    kernel = _uniform4 if out.dtype == F4 else _uniform8
    kernel(len(out), U8(seed), U8(stream), U8(position), out)
    return out.reshape(-1)[:n]


def normal(seed: int, stream: int, position: int, n: int, dtype: Any) -> Array:
    """`n` standard normal numbers: float32 or float64 (n,)."""
    out = _empty_blocks(n, dtype)
    kernel = _normal4 if out.dtype == F4 else _normal8
    kernel(len(out), U8(seed), U8(stream), U8(position), out)
    return out.reshape(-1)[:n]


def bernoulli(seed: int, stream: int, position: int, n: int, p: float | Array) -> Array:
    """`n` numbers that are 1 with probability p (a number, or one for each), else 0: float32 (n,)."""
    out = np.empty(n, dtype=F4)
    if isinstance(p, float):
        _bernoulli(n, U8(seed), U8(stream), U8(position), F4(p), out)
    else:
        check_probabilities(p, n)
        _bernoulli_each(n, U8(seed), U8(stream), U8(position), np.ascontiguousarray(p), out)
    return out


def permutation(seed: int, stream: int, position: int, n: int) -> Array:
    """The numbers 0 to n - 1 in random order, int64 (n,): the order of n random keys."""
    words = philox(seed, stream, position, -(-n // 2)).astype(U8)
    return _order((words[:, 0::2] | (words[:, 1::2] << HALF)).reshape(-1)[:n])


def _order(keys: Array) -> Array:
    """The order of 64-bit keys, of equal ones the earlier first.

    Equal keys are so rare that a sort that does not care for them comes first: it takes a sixth of the time.
    """
    order = keys.argsort()
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = keys.argsort(kind="stable")
    return order.astype(np.int64, copy=False)


def _empty_blocks(n: int, dtype: Any) -> Array:
    """Room for n values in whole blocks: (blocks, 4) float32 or (blocks, 2) float64."""
    dtype = np.dtype(dtype)
    if dtype not in (F4, F8):
        raise ValueError(f"random kernels: dtype is float32 or float64, got {dtype}")
    values_per_block = 16 // dtype.itemsize
    return np.empty((-(-n // values_per_block), values_per_block), dtype=dtype)


@njit_inner(error_model="numpy")
def _tile(seed: Any, stream: Any, position: Any, words: Array) -> None:
    """Fill words (4, TILE) with the blocks from `position` on; words are kept in 64-bit lanes."""
    for i in range(TILE):
        at = position + U8(i)
        c0, c1, c2, c3 = at & MASK, at >> HALF, stream & MASK, stream >> HALF
        k0, k1 = seed & MASK, seed >> HALF
        for _ in range(10):
            p0, p1 = M0 * c0, M1 * c2
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & MASK, (p0 >> HALF) ^ c3 ^ k1, p0 & MASK
            k0, k1 = (k0 + STEP0) & MASK, (k1 + STEP1) & MASK
        words[0, i], words[1, i], words[2, i], words[3, i] = c0, c1, c2, c3


@njit_inner(error_model="numpy")
def _store4(tile: Array, out: Array) -> None:
    """Write tile (4, TILE) to out (up to TILE blocks, 4). A loop over the four would not be vectorised."""
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = tile[0, i], tile[1, i], tile[2, i], tile[3, i]


@njit_inner(error_model="numpy")
def _store2(tile: Array, out: Array) -> None:
    """Write tile (2, TILE) to out (up to TILE blocks, 2)."""
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1] = tile[0, i], tile[1, i]


@njit_inner(error_model="numpy")
def _join(low: Any, high: Any) -> Any:
    return U8(low) | (U8(high) << HALF)


@njit_shared(BLOCKS, error_model="numpy")
def _philox(first: int, last: int, seed: Any, stream: Any, position: Any, out: Array) -> None:
    words = np.empty((4, TILE), dtype=U4)
    for start in range(first, last, TILE):
        _tile(seed, stream, position + U8(start), words)
        _store4(words, out[start : start + TILE])


@njit_shared(BLOCKS, error_model="numpy")
def _uniform4(first: int, last: int, seed: Any, stream: Any, position: Any, out: Array) -> None:
    words, tile = np.empty((4, TILE), dtype=U4), np.empty((4, TILE), dtype=F4)
    for start in range(first, last, TILE):
        _tile(seed, stream, position + U8(start), words)
        for k in range(4):
            for i in range(TILE):
                tile[k, i] = F4(I4(words[k, i] >> U4(8))) * SCALE24
        _store4(tile, out[start : start + TILE])


@njit_shared(4 * BLOCKS, error_model="numpy")
def _bernoulli(first: int, last: int, seed: Any, stream: Any, position: Any, p: Any, out: Array) -> None:
    words, u = np.empty((4, TILE), dtype=U4), np.empty(4 * TILE, dtype=F4)
    for start in range(first, last, 4 * TILE):
        _tile(seed, stream, position + U8(start // 4), words)
        _floats(words, u)
        piece = out[start : start + 4 * TILE]
        for i in range(piece.size):
            piece[i] = F4(u[i] < p)


@njit_shared(4 * BLOCKS, error_model="numpy")
def _bernoulli_each(first: int, last: int, seed: Any, stream: Any, position: Any, p: Array, out: Array) -> None:
    words, u = np.empty((4, TILE), dtype=U4), np.empty(4 * TILE, dtype=F4)
    for start in range(first, last, 4 * TILE):
        _tile(seed, stream, position + U8(start // 4), words)
        _floats(words, u)
        piece, its_p = out[start : start + 4 * TILE], p[start : start + 4 * TILE]
        for i in range(piece.size):
            piece[i] = F4(u[i] < its_p[i])


@njit_inner(error_model="numpy")
def _floats(words: Array, u: Array) -> None:
    """The uniform floats of a tile of words, in order."""
    for i in range(TILE):
        for k in range(4):
            u[4 * i + k] = F4(I4(words[k, i] >> U4(8))) * SCALE24


@njit_shared(BLOCKS, error_model="numpy")
def _uniform8(first: int, last: int, seed: Any, stream: Any, position: Any, out: Array) -> None:
    words, tile = np.empty((4, TILE), dtype=U4), np.empty((2, TILE), dtype=F8)
    for start in range(first, last, TILE):
        _tile(seed, stream, position + U8(start), words)
        for k in range(2):
            for i in range(TILE):
                bits = _join(words[2 * k, i], words[2 * k + 1, i])
                tile[k, i] = F8(I8(bits >> U8(11))) * SCALE53
        _store2(tile, out[start : start + TILE])


@njit_shared(BLOCKS, error_model="numpy")
def _normal4(first: int, last: int, seed: Any, stream: Any, position: Any, out: Array) -> None:
    words, tile = np.empty((4, TILE), dtype=U4), np.empty((4, TILE), dtype=F4)
    for start in range(first, last, TILE):
        _tile(seed, stream, position + U8(start), words)
        for k in (0, 2):
            for i in range(TILE):
                r = _radius4(words[k, i])
                c, s = _cos_sin4(words[k + 1, i])
                tile[k, i], tile[k + 1, i] = r * c, r * s
        _store4(tile, out[start : start + TILE])


@njit_shared(BLOCKS, error_model="numpy")
def _normal8(first: int, last: int, seed: Any, stream: Any, position: Any, out: Array) -> None:
    words, tile = np.empty((4, TILE), dtype=U4), np.empty((2, TILE), dtype=F8)
    for start in range(first, last, TILE):
        _tile(seed, stream, position + U8(start), words)
        for i in range(TILE):
            r = _radius8(_join(words[0, i], words[1, i]))
            c, s = _cos_sin8(_join(words[2, i], words[3, i]))
            tile[0, i], tile[1, i] = r * c, r * s
        _store2(tile, out[start : start + TILE])


# Below, one function for each width, scalars in and scalars out. Numba widens the result of 32-bit
# integer arithmetic to 64 bits, hence the I4(...) and U4(...). The exponent and mantissa of u are
# cut out of its bits: subtracting the bits of sqrt(1/2) first makes the exponent step there, not at
# 1/2.


@njit_inner(error_model="numpy")
def _radius4(k: Any) -> Any:
    """sqrt(-2 log u) for u = k / 2**32 + 2**-33."""
    bits = F4(F4(k) * SCALE32 + SCALE33).view(I4)
    e = I4(bits - ROOT4) >> I4(23)
    m = I4(bits - (e << I4(23))).view(F4)
    s = (m - ONE4) / (m + ONE4)
    return F4(math.sqrt(-TWO4 * (F4(e) * LN2_4 + TWO4 * s * _polynomial(s * s, ARTANH4))))


@njit_inner(error_model="numpy")
def _radius8(k: Any) -> Any:
    """sqrt(-2 log u) for u = k / 2**64 + 2**-65."""
    bits = F8(F8(k) * SCALE64 + SCALE65).view(I8)
    e = I8(bits - ROOT8) >> I8(52)
    m = I8(bits - (e << I8(52))).view(F8)
    s = (m - 1.0) / (m + 1.0)
    return math.sqrt(-2.0 * (F8(e) * LN2_8 + 2.0 * s * _polynomial(s * s, ARTANH8)))


@njit_inner(error_model="numpy")
def _cos_sin4(a: Any) -> Any:
    """Cosine and sine of the turn a / 2**32."""
    quarter = U4(a + U4(2**29)) >> U4(30)
    x = F4(I4(U4(a - (quarter << U4(30))))) * ANGLE4
    return _turn(quarter, _polynomial(x * x, COS4), x * _polynomial(x * x, SIN4))


@njit_inner(error_model="numpy")
def _cos_sin8(a: Any) -> Any:
    """Cosine and sine of the turn a / 2**64."""
    quarter = U8(a + U8(2**61)) >> U8(62)
    x = F8(I8(U8(a - (quarter << U8(62))))) * ANGLE8
    return _turn(quarter, _polynomial(x * x, COS8), x * _polynomial(x * x, SIN8))


@njit_inner(error_model="numpy")
def _turn(quarter: Any, c: Any, s: Any) -> Any:
    """Cosine and sine after 0 to 3 quarter turns."""
    cos = -s if quarter & 1 else c
    sin = c if quarter & 1 else s
    if quarter >= 2:
        return -cos, -sin
    return cos, sin


@njit_inner(error_model="numpy")
def _polynomial(x: Any, coefficients: Any) -> Any:
    """Horner's rule; the coefficients are a constant tuple, so the loop is unrolled."""
    total = coefficients[-1]
    for k in range(len(coefficients) - 2, -1, -1):
        total = total * x + coefficients[k]
    return total
