"""What the host finds: races, missing and divergent barriers, wrong reads and writes. Each check must find its mistake.

`planted.cu` holds the mistakes. Then every kernel of the room runs once under the address and undefined-behaviour
sanitizers, in a process of its own, as these must be loaded before Python.

Read next: ``planted.cu``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernels.cuda import sanitized

from minigen_kernels.cuda.launch import counters, launch, using
from minigen_kernels.host import build

PLANTED = sanitized.PLANTED
ROOT = Path(__file__).resolve().parents[3]


def in_both_orders(folder: Path, kernel: str, grid: int, block: int, *arguments, cells: int) -> list[np.ndarray]:
    """The output of a planted kernel, whose first arguments are `arguments` and the output."""
    results = []
    for order in (0, 1):
        y = np.zeros(cells, np.float32)
        with using(build.HostBackend(folder, order)):
            launch(PLANTED, kernel, grid, block, *(y if a is Ellipsis else a for a in arguments))
        results.append(y)
    return results


def numbers(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=n).astype(np.float32)


@pytest.mark.parametrize("threads", [32, 96, 1024])
def test_a_right_kernel_passes(cuda_host_folder, threads):
    """Also the sums over a block in `common.cuh`, one after another in the same shared memory."""
    x = numbers(5 * 300)
    forward, reverse = in_both_orders(cuda_host_folder, "row_sum", 2, threads, x, ..., 5, 300, cells=5)
    assert forward.tobytes() == reverse.tobytes()
    np.testing.assert_allclose(forward, x.reshape(5, 300).sum(1), rtol=0, atol=1e-4)  # 300 roundings of 6e-8 of 5


def test_a_missing_barrier_is_found(cuda_host_folder):
    x = numbers(128)
    right = x.reshape(2, 64)[:, ::-1].ravel()
    for result in in_both_orders(cuda_host_folder, "reverse_runs", 2, 64, x, ..., 1, cells=128):
        np.testing.assert_array_equal(result, right)
    forward, reverse = in_both_orders(cuda_host_folder, "reverse_runs", 2, 64, x, ..., 0, cells=128)
    assert forward.tobytes() != reverse.tobytes()
    assert np.isnan(forward).any() and np.isnan(reverse).any()  # read before it was written


@pytest.mark.parametrize(("grid", "block"), [(1, 64), (5, 1)])
def test_a_race_is_found(cuda_host_folder, grid, block):
    """Between the threads of a block, and between blocks."""
    forward, reverse = in_both_orders(cuda_host_folder, "last_wins", grid, block, ..., cells=1)
    assert forward != reverse


@pytest.mark.parametrize("kernel", ["not_cleared", "not_cleared_in_a_template"])
def test_shared_memory_that_nothing_has_written_is_found(cuda_host_folder, kernel):
    """In each block: what the block before has left there is no value."""
    for result in in_both_orders(cuda_host_folder, kernel, 2, 32, ..., cells=32):
        assert np.isnan(result).all()


def last_block_sums(backend: build.HostBackend, way: int) -> np.ndarray:
    """What the planted sum over five blocks makes of 5 x 20 numbers."""
    y, parts = (backend.empty(shape, np.float32) for shape in ((1,), (5,)))
    with using(backend):
        launch(PLANTED, "last_block_sums", 5, 32, numbers(100), y, parts, counters(1), 20, way)
    return y


def test_a_sum_by_the_last_block_is_the_same_whichever_it_is(cuda_host_folder):
    forward, reverse = (last_block_sums(build.HostBackend(cuda_host_folder, order), 0) for order in (0, 1))
    assert forward.tobytes() == reverse.tobytes()
    np.testing.assert_allclose(forward, numbers(100).sum(), rtol=1e-5)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    ("way", "message"),
    [
        (1, "last_block_sums: atomicAdd in line .* without __threadfence"),
        (2, "last_block_sums: left counters that are not 0"),
        (3, "last_block_sums: left counters that are not 0"),
    ],
)
def test_a_wrong_count_of_blocks_is_found(cuda_host_folder, way, message, order):
    """A missing fence, a wrong last block, a counter that is not 0 for the next launch."""
    backend = build.HostBackend(cuda_host_folder, order)
    with pytest.raises(RuntimeError, match=message):
        last_block_sums(backend, way)
    assert last_block_sums(backend, 0) == last_block_sums(build.HostBackend(cuda_host_folder, 0), 0)


def test_a_sum_that_trusts_in_the_order_of_blocks_is_found(cuda_host_folder):
    forward, reverse = (last_block_sums(build.HostBackend(cuda_host_folder, order), 4) for order in (0, 1))
    assert forward.tobytes() != reverse.tobytes()


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (0, "returned while others wait at __syncthreads|__syncthreads.. in line .* after another thread has returned"),
        (1, "divergent barriers: __syncthreads.. in line .* while other threads wait in line"),
        (2, "deadlock: threads wait at barriers that never open"),
    ],
)
@pytest.mark.parametrize("order", [0, 1])
def test_a_barrier_that_half_of_the_threads_miss_is_found(cuda_host_folder, way, message, order):
    y = np.zeros(64, np.float32)
    with using(build.HostBackend(cuda_host_folder, order)):
        with pytest.raises(RuntimeError, match=f"planted.cu: kernel half_a_barrier: ({message})"):
            launch(PLANTED, "half_a_barrier", 1, 64, y, way)
        launch(PLANTED, "row_sum", 1, 64, numbers(9), y, 1, 9)  # the next launch is not disturbed
    np.testing.assert_allclose(y[0], numbers(9).sum(), rtol=1e-5)


def sanitized_process(need, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    need("g++", build.compiler())
    environment = build.sanitizer_environment()
    need("libasan", environment if Path(environment["LD_PRELOAD"]).is_file() else None)
    environment["PYTHONPATH"] = ":".join(str(ROOT / part) for part in ("tests", "kernels"))
    command = [sys.executable, sanitized.__file__, str(folder), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_kernel_is_clean(need, cuda_host_folder):
    done = sanitized_process(need, cuda_host_folder, "all")
    assert done.returncode == 0 and done.stdout == "no report\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fill", 64, 15, 16), "heap-buffer-overflow"),
        (("beyond_shared", 32, 32), "global-buffer-overflow|out of bounds"),
        (("overflow", 1, 1, 2**31 - 1), "signed integer overflow"),
    ],
)
def test_the_sanitizers_find(need, cuda_host_folder, arguments, message):
    """A write past the end of an array, a read past the end of shared memory, an overflow; with file and line."""
    done = sanitized_process(need, cuda_host_folder, *arguments)
    assert done.returncode != 0 and "no report" not in done.stdout
    assert any(kind in done.stderr for kind in message.split("|")), done.stderr
    assert "planted.cu:" in done.stderr


def test_the_sanitizers_pass_a_right_call(need, cuda_host_folder):
    assert sanitized_process(need, cuda_host_folder, "fill", 64, 16, 16).stdout == "no report\n"
