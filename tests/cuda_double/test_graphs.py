"""Capture and graphs: on the double what CuPy and CUDA do, so all of this holds on a device too.

Read next: ``cupy/_launch.py``, ``cupy/cuda/memory.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.gpu
cp = pytest.importorskip("cupy")
IS_DOUBLE = hasattr(cp, "_ledger")
only_double = pytest.mark.skipif(not IS_DOUBLE, reason="a device says nothing here")

KERNEL = r"""
extern "C" __global__ void scale(const float* x, float* y, float factor, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * factor;
}
"""


@pytest.fixture
def stream() -> Iterator[Any]:
    s = cp.cuda.Stream(non_blocking=True)
    yield s
    if getattr(s, "_capture", None) is not None:
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
            s.end_capture()


def captured(stream: Any, work: Callable[[], Any], pool: Any = None) -> tuple[Any, Any]:
    """The graph of `work`, and what it returned."""
    with stream, cp.cuda.using_allocator((pool or cp.cuda.MemoryPool()).malloc):
        stream.begin_capture()
        result = work()
        return stream.end_capture(), result


def launched(graph: Any, stream: Any) -> None:
    graph.launch(stream)
    stream.synchronize()


def test_a_graph_replays_its_launches_on_the_same_memory(stream: Any) -> None:
    pool = cp.cuda.MemoryPool()
    x, order = cp.arange(4, dtype=cp.float32), cp.asarray(np.array([3, 2, 1, 0]))

    def work() -> tuple[Any, ...]:
        y = x * 2 + 1
        x.__iadd__(1)
        z = cp.empty(4, cp.float32)
        cp.RawKernel(KERNEL, "scale")((1,), (4,), (y, z, np.float32(10), np.int32(4)))
        return y, z[order], y.sum(), cp.where(y > 3, y, 0.0), cp.concatenate([y, z])

    graph, (y, gathered, total, chosen, joined) = captured(stream, work, pool)
    assert x.get().tolist() == [0, 1, 2, 3], "a capture runs nothing"
    for first in (0, 1, 2):
        launched(graph, stream)
        want = (np.arange(4, dtype=np.float32) + first) * 2 + 1
        assert y.get().tolist() == want.tolist()
        assert gathered.get().tolist() == (want * 10)[::-1].tolist()
        assert float(total) == want.sum()
        assert chosen.get().tolist() == np.where(want > 3, want, 0).tolist()
        assert joined.get().tolist() == [*want, *(want * 10)]
        assert x.get().tolist() == [first + n for n in (1, 2, 3, 4)]


def test_numbers_are_baked_into_a_graph_and_arrays_are_not(stream: Any) -> None:
    pool = cp.cuda.MemoryPool()
    rate, step, x = 0.5, cp.asarray(np.float32(0.5).reshape(1)), cp.ones(3, cp.float32)
    graph, (baked, read) = captured(stream, lambda: (x * rate, x * step), pool)
    rate = 2.0
    step[...] = 2.0
    launched(graph, stream)
    assert baked.get().tolist() == [0.5] * 3 and read.get().tolist() == [2.0] * 3


@only_double
def test_results_of_a_capture_are_nan_until_a_replay(stream: Any) -> None:
    graph, y = captured(stream, lambda: cp.ones(3, cp.float32) * 2, pool := cp.cuda.MemoryPool())
    assert np.isnan(y.get()).all()
    launched(graph, stream)
    assert y.get().tolist() == [2, 2, 2] and pool.used_bytes() == 512


TRANSFERS = {
    "get": lambda x: x.get(),
    "float": lambda x: float(x[0]),
    "bool": lambda x: bool(x[0] > 0),
    "array of NumPy's": lambda x: cp.asarray(np.ones(3)),
    "set": lambda x: x.set(np.ones(3, np.float32)),
    "index by a list": lambda x: x[[0, 1]],
    "index by a mask": lambda x: x[x > 0],
    "where": lambda x: cp.where(x > 0),
    "concatenate many": lambda x: cp.concatenate([x] * 9),
}


@pytest.mark.parametrize("name", TRANSFERS)
def test_a_transfer_in_a_capture_is_refused(stream: Any, name: str) -> None:
    x = cp.ones(3, cp.float32)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="the current stream is capturing"):
            TRANSFERS[name](x)
        stream.end_capture()  # CuPy refuses before CUDA hears of it, so the capture goes on


@pytest.mark.parametrize("product", ["matmul", "dot", "outer", "tensordot"])
def test_cublas_in_a_capture_is_refused(stream: Any, product: str) -> None:
    x = cp.ones((3, 3), cp.float32)
    with stream:
        stream.begin_capture()
        with pytest.raises(NotImplementedError, match="cuBLAS"):
            getattr(cp, product)(x, x)
        stream.end_capture()


@pytest.mark.parametrize("what", ["stream", "device", "query", "event"])
def test_a_wait_makes_a_capture_invalid(stream: Any, what: str) -> None:
    error = cp.cuda.runtime.CUDARuntimeError
    with stream:
        stream.begin_capture()
        if what == "query":
            assert not stream.done
        elif what == "event":
            event = stream.record()
            with pytest.raises(error, match="cudaErrorCapturedEvent"):
                event.synchronize()
        else:
            with pytest.raises(error, match="cudaErrorStreamCaptureUnsupported"):
                (stream if what == "stream" else cp.cuda.Device()).synchronize()
        with pytest.raises(RuntimeError, match="invalidated"):
            stream.is_capturing()
        with pytest.raises(error, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()
    assert not stream.is_capturing()
    stream.synchronize()


def test_the_null_stream_cannot_capture() -> None:
    with pytest.raises(RuntimeError, match="legacy"):
        cp.cuda.Stream.null.begin_capture()


def test_a_blocking_stream_that_captures_bars_the_null_stream() -> None:
    x, s = cp.ones(3), cp.cuda.Stream()
    s.begin_capture()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureImplicit"):
        cp.cuda.Stream.null.is_capturing()
    with s:
        x + 1
    s.end_capture()


def test_the_null_stream_works_while_a_non_blocking_one_captures(stream: Any) -> None:
    stream.begin_capture()
    assert (cp.ones(3) + 1).get().tolist() == [2, 2, 2]
    assert stream.is_capturing() and not cp.cuda.Stream.null.is_capturing()
    stream.end_capture()


def test_streams_fork_and_join_in_a_capture(stream: Any) -> None:
    other, e1, e2 = cp.cuda.Stream(non_blocking=True), cp.cuda.Event(), cp.cuda.Event()
    x = cp.arange(3, dtype=cp.float32)
    with stream:
        stream.begin_capture()
        y = x * 100
        e1.record(stream)
        other.wait_event(e1)
        with other:
            z = y + 1
            e2.record(other)
        stream.wait_event(e2)
        graph = stream.end_capture()
    launched(graph, stream)
    assert z.get().tolist() == [1, 101, 201] and not other.is_capturing()


def test_a_forked_stream_must_join_and_cannot_end_the_capture(stream: Any) -> None:
    error, other, event = cp.cuda.runtime.CUDARuntimeError, cp.cuda.Stream(non_blocking=True), cp.cuda.Event()
    with pytest.raises(error, match="cudaErrorIllegalState"):
        other.end_capture()
    with stream:
        stream.begin_capture()
        event.record(stream)
        other.wait_event(event)
        with other:
            cp.ones(3)
        with pytest.raises(error, match="cudaErrorStreamCaptureUnjoined"):
            stream.end_capture()


def test_a_graph_cannot_be_made_by_hand() -> None:
    with pytest.raises(NotImplementedError, match="stream capture"):
        cp.cuda.Graph()


def test_a_temporary_of_a_graph_on_shared_memory_is_overwritten(stream: Any) -> None:
    """Why a graph needs a pool of its own: the memory of `x * 2` is free when the capture ends."""
    x, pool = cp.ones(64, cp.float32), cp.cuda.MemoryPool()
    graph, _ = captured(stream, lambda: (x * 2 + 1) * 3, pool)
    with stream, cp.cuda.using_allocator(pool.malloc):
        theirs = cp.zeros(64, cp.float32)
    stream.synchronize()
    launched(graph, stream)
    assert theirs.get().tolist() != [0] * 64


@only_double
@pytest.mark.parametrize("how", ["the pool is gone", "free_all_blocks"])
def test_a_graph_on_freed_memory_is_an_illegal_address(stream: Any, how: str) -> None:
    x, pool = cp.ones(64, cp.float32), cp.cuda.MemoryPool()
    graph, y = captured(stream, lambda: x * 2, pool)
    launched(graph, stream)
    assert y.get().tolist() == [2] * 64
    del y
    if how == "free_all_blocks":
        pool.free_all_blocks()
    else:
        del pool
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorIllegalAddress"):
        graph.launch(stream)


@pytest.mark.parametrize("mode", [0, 1])
def test_a_strict_capture_refuses_a_pool_that_must_grow(stream: Any, mode: int) -> None:
    with stream, cp.cuda.using_allocator(cp.cuda.MemoryPool().malloc):
        stream.begin_capture(mode)
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureUnsupported"):
            cp.empty(3)
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()


@only_double
def test_a_replay_counts_as_one_launch(stream: Any) -> None:
    x = cp.ones(3)
    cp._ledger.reset()
    graph, _ = captured(stream, lambda: x * 2 + 1, pool := cp.cuda.MemoryPool())
    assert dict(cp._ledger.counts) == {"captured": 2} and pool.total_bytes()
    launched(graph, stream)
    assert cp._ledger.counts["graph"] == 1 and cp._ledger.counts["elementwise"] == 0
