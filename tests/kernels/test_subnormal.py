"""Subnormal numbers: zeros inside shared work on x86 processors, and kept everywhere else.

Read next: ``test_threads.py``.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from kernels.sharing import sharing

from minigen_kernels import cpu
from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.threads import PIECE, njit_shared, share

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other processors than x86 keep subnormal numbers"
)
NUMBERS = 3 * PIECE + 5
DTYPES = ["float32", "float64"]


@njit_inner()
def _product_part(first, last, a, b, y, fails):
    for i in range(first, last):
        y[i] = a[i] * b[i]
    if fails:
        raise ValueError("the caller wanted it")


@njit_cached()
def product(a, b, y, fails):
    share(_product_part, a.size, PIECE, (a, b, y, fails))


@njit_shared()
def product_exactly(a, b, y):
    for i in range(a.size):
        y[i] = a[i] * b[i]


def factors(dtype: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Normal numbers with a subnormal product, and a subnormal number times a large one."""
    tiny = float(np.finfo(dtype).tiny)
    pairs = [(2 * tiny, 0.125), (tiny / 64, 4096.0)]
    return [(np.full(NUMBERS, a, dtype), np.full(NUMBERS, b, dtype)) for a, b in pairs]


def subnormals_are_kept(dtype: Any) -> bool:
    """By NumPy, in this thread."""
    return bool((np.full(9, np.finfo(dtype).tiny, dtype) * np.full(9, 0.125, dtype)).all())


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pieces_of_shared_work_have_none(dtype: str, n: int) -> None:
    with sharing(n):
        for a, b in factors(dtype):
            y = np.ones_like(a)
            product(a, b, y, False)
            assert (y == 0).all()
            assert subnormals_are_kept(dtype), "after the kernel the processor is as before"
            product_exactly(a, b, y)
            assert (y == a[0] * b[0]).all() and y[0] != 0, "functions of single numbers keep them"


@pytest.mark.parametrize("n", [1, 2])
def test_the_processor_is_as_before_after_an_error(n: int) -> None:
    a = np.ones(NUMBERS)
    with sharing(n):
        with pytest.raises(MemoryError):
            product(a, a, a.copy(), True)
        assert subnormals_are_kept("float64")


def test_a_caller_who_flushes_still_does() -> None:
    """`share` inside of a piece of another `share`: what follows it is flushed, too."""
    tiny = np.finfo("float32").tiny
    a, y = np.full(2 * PIECE, tiny, "float32"), np.ones((3, 2 * PIECE), "float32")
    nested(a, y)
    assert (y == 0).all()


@njit_inner()
def _nested_part(first, last, a, y):
    for row in range(first, last):
        share(_scaled_part, a.size, PIECE, (a, y[row]))
        y[row, 0] = a[0] * np.float32(0.25)


@njit_inner()
def _scaled_part(first, last, a, y):
    for i in range(first, last):
        y[i] = a[i] * np.float32(0.5)


@njit_cached()
def nested(a, y):
    share(_nested_part, len(y), 1, (a, y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("channels", "filters", "kernel"), [(16, 16, 3), (3, 24, 3), (1, 8, 5), (48, 64, 3), (16, 1, 3)]
)
def test_convolutions_and_products_take_them_for_zeros(dtype: str, channels: int, filters: int, kernel: int) -> None:
    """Half of an image, of a gradient, of a factor: the bits are those of zeros in these places."""
    rng = np.random.default_rng(0)
    tiny = np.finfo(dtype).tiny

    def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=shape).astype(dtype)
        small = rng.random(shape) < 0.5
        return np.where(small, np.copysign(tiny / 4, x), x), np.where(small, 0, x).astype(dtype)

    (x, x0), (w, w0) = pair(4, channels, 12, 12), pair(filters, channels, kernel, kernel)
    g, g0 = pair(4, filters, 12, 12)
    p = kernel // 2
    layer = ((1, 1), (p, p), (1, 1), 1)
    same(cpu.conv2d(x, w, (12, 12), *layer), cpu.conv2d(x0, w0, (12, 12), *layer))
    same(cpu.conv_transpose2d(g, w, (12, 12), *layer), cpu.conv_transpose2d(g0, w0, (12, 12), *layer))
    same(
        cpu.conv2d_weight_grad(x, g, (kernel, kernel), *layer), cpu.conv2d_weight_grad(x0, g0, (kernel, kernel), *layer)
    )
    (a, a0), (b, b0) = pair(96, 80), pair(80, 72)
    same(cpu.matmul(a, b), cpu.matmul(a0, b0))


def same(result: np.ndarray, of_zeros: np.ndarray) -> None:
    """Equal numbers: -0 is 0."""
    np.testing.assert_array_equal(result, of_zeros)


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_of_adam_do_not_stay_subnormal(dtype: str) -> None:
    """Without gradients they shrink step by step, and the smallest number times 0.9 is itself."""
    tiny = np.finfo(dtype).tiny
    p, m = np.ones(200, dtype), np.full(200, tiny, dtype)
    v, g = np.full(200, tiny, dtype), np.zeros(200, dtype)
    cpu.adam_update([p], [g], [m], [v], 1, 1e-3, 0.9, 0.999, 1e-8, 0.0, False)
    assert (m == 0).all() and (v == 0).all()
