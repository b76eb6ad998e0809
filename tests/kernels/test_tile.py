"""A block of a product in registers: every sum against float64, whole and partial blocks, rows anywhere.

Read next: ``test_gemm_kernel.py``.
"""

from __future__ import annotations

import numba
import numpy as np
import pytest

from minigen_kernels.cpu import tile
from minigen_kernels.cpu.lanes import REGISTER_BYTES

DTYPES = [np.float32, np.float64]
R, V = tile.ROWS, tile.REGISTERS


@numba.njit
def block(a, index, b, at, terms, c, first, pitch, height, width, again):
    rows = tile.rows_from(index, 0, R)
    sums = tile.multiply(tile.zeros(a, R, V), a, rows, b, at, *terms)
    tile.write(c, tile.rows_at(first, pitch, R), sums, height, width)
    if again:
        tile.prefetch(c, first)
        tile.add_to(c, tile.rows_at(first, pitch, R), sums, height, width)


def columns(dtype):
    return V * REGISTER_BYTES // np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("segments", "length"), [(0, 5), (3, 0), (1, 1), (1, 4), (2, 3), (3, 11)])
def test_sums_of_products(dtype, again, segments, length):
    rng = np.random.default_rng(segments * 100 + length)
    width = columns(dtype)
    a, b = rng.normal(size=500).astype(dtype), rng.normal(size=60 * width).astype(dtype)
    index = rng.integers(0, 300, R)
    a_segment, a_step, b_segment, b_step, at, first, pitch = 40, 3, 12 * width + 1, width, 5, 7, width + 3
    terms = segments, length, a_segment, a_step, b_segment, b_step
    s, m = np.arange(segments)[:, None], np.arange(length)
    of_a = a[index[:, None, None] + s * a_segment + m * a_step].reshape(R, -1)
    of_b = b[(at + s * b_segment + m * b_step)[..., None] + np.arange(width)].reshape(-1, width)
    wanted = of_a.astype(np.float64) @ of_b.astype(np.float64)
    for high, wide in (
        (R, width),
        (R + 1, width + 1),
        (R - 1, width),
        (1, 1),
        (R, width - 1),
        (2, width // 2 + 1),
        (0, 0),
    ):
        c = np.full(first + R * pitch, 7, dtype)
        expected = c.astype(np.float64)
        for r in range(min(high, R)):
            expected[first + r * pitch :][: min(wide, width)] = wanted[r, : min(wide, width)] * (1 + again)
        block(a, index, b, at, terms, c, first, pitch, high, wide, again)
        # At most 33 products, each rounded once and added once, of a size of about 4.
        np.testing.assert_allclose(c, expected, rtol=0, atol=33 * np.finfo(dtype).eps * 16)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_zero_times_what_is_no_number_is_nan(number):
    a, b, c = (
        np.zeros(R, np.float32),
        np.zeros(columns(np.float32), np.float32),
        np.zeros(R * columns(np.float32), np.float32),
    )
    a[1] = number
    block(a, np.arange(R), b, 0, (1, 1, 0, 1, 0, 1), c, 0, columns(np.float32), R, columns(np.float32), False)
    assert np.isnan(c.reshape(R, -1)).all(axis=1).tolist() == [r == 1 for r in range(R)]


def test_the_number_of_rows_has_to_be_known():
    @numba.njit
    def unknown(array, count):
        return tile.zeros(array, count, 2)

    with pytest.raises(numba.TypingError, match="known when this is compiled"):
        unknown(np.zeros(3), 2)
