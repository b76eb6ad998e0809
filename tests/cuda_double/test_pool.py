"""The memory pool: what lives, what is used again, what is given back. Holds on a device too.

Read next: ``cupy/cuda/memory.py``.
"""

from __future__ import annotations

import gc

import pytest

pytestmark = pytest.mark.gpu
cp = pytest.importorskip("cupy")


def test_memory_returns_to_the_pool_and_is_used_again() -> None:
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        a = cp.empty(100, cp.float32)
        assert pool.used_bytes() == 512
        b = cp.empty(200, cp.float32)
        assert pool.used_bytes() == 512 + 1024
        where = a.data.ptr
        view = a[1:]
        del a
        assert pool.used_bytes() == 512 + 1024, "a view keeps its memory"
        del view
        assert pool.used_bytes() == 1024 and pool.n_free_blocks() == 1
        assert cp.empty(90, cp.float32).data.ptr == where
        total = pool.total_bytes()
        pool.free_all_blocks()
        assert pool.total_bytes() < total and pool.used_bytes() == b.nbytes + 224
        del b
        pool.free_all_blocks()
        assert pool.total_bytes() == pool.free_bytes() == 0


def test_the_default_pool_counts_what_lives() -> None:
    pool = cp.get_default_memory_pool()
    gc.collect()
    before = pool.used_bytes()
    x = cp.ones((100, 100), cp.float32)
    y = x + 1
    assert pool.used_bytes() == before + 2 * 40448
    del x, y
    assert pool.used_bytes() == before


def test_a_pool_has_a_limit() -> None:
    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=4096)
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.empty(2048, cp.uint8)
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match="limit set to: 4,096"):
            cp.empty(4096, cp.uint8)
        assert x.size == 2048
