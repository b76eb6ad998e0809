"""The crc32 of a row of blocks from those of the blocks, without reading them again.

A cyclic redundancy check is linear over GF(2): appending n bytes multiplies the checksum so far by a 32x32 matrix of
bits that depends on n alone (Adler's crc32_combine in zlib, 2004). So checksums of equal blocks are combined in pairs,
all pairs at once.

Imports: NumPy. Read next: ``stored.py``.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0xEDB88320  # of crc32, lowest power first


def crc32_of_each(x: NDArray[Any]) -> NDArray[np.uint32]:
    """The crc32 (N,) of the bytes of each x[i] in C order."""
    return np.array([zlib.crc32(row.data) for row in np.ascontiguousarray(x)], np.uint32)


def combined_crc32(crc: NDArray[np.uint32], size: int) -> int:
    """The crc32 of blocks of `size` bytes one behind the other, from the crc32 (N,) of each."""
    matrix = _matrix_of_bytes(size)
    while len(crc) > 1:
        if len(crc) % 2:  # a 0 in front changes nothing
            crc = np.concatenate([np.zeros(1, np.uint32), crc])
        crc = _times(matrix, crc[0::2]) ^ crc[1::2]
        matrix = _times(matrix, matrix)
    return int(crc[0]) if len(crc) else 0


def joined_crc32(first: int, second: int, size: int) -> int:
    """The crc32 of two blocks one behind the other, the second of `size` bytes."""
    return int(_times(_matrix_of_bytes(size), np.array([first], np.uint32))[0]) ^ second


def _matrix_of_bytes(count: int) -> NDArray[np.uint32]:
    """The matrix, as 32 columns, that appends `count` bytes: that of one bit to the power 8 count."""
    power = np.array([POLYNOMIAL, *(1 << k for k in range(31))], np.uint32)
    product = np.array([1 << k for k in range(32)], np.uint32)
    exponent = 8 * count
    while exponent:
        if exponent & 1:
            product = _times(power, product)
        power, exponent = _times(power, power), exponent >> 1
    return product


def _times(matrix: NDArray[np.uint32], vectors: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The matrix of 32 columns times each of the vectors (N,) of 32 bits, over GF(2)."""
    result = np.zeros_like(vectors)
    for k, column in enumerate(matrix):
        result ^= np.where(vectors >> np.uint32(k) & np.uint32(1), column, np.uint32(0))
    return result
