"""The pieces of a kernel's work: done once each, by any number of threads, with the same bits; and what may go wrong.

Read next: ``../training/test_threads.py``, the same for training steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from kernels.sharing import sharing
from threadpoolctl import threadpool_limits

from minigen_kernels import cpu
from minigen_kernels.calls import IDS, arguments, produced
from minigen_kernels.cpu.choice import algorithm
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.jit import njit_cached
from minigen_kernels.cpu.threads import PIECE, njit_shared, share

ROOT = Path(__file__).resolve().parents[2]
SIZES = [0, 1, 6, 7, 8, 700, 701]


@numba.njit
def _count_part(first, last, done, starts):
    for i in range(first, last):
        done[i] += 1
    if last - first > 0:
        starts[first // 7] = first


@njit_cached()
def count(n, done, starts):
    share(_count_part, n, 7, (done, starts))


@numba.njit
def _count_all_part(first, last, done, starts):
    for row in range(first, last):
        share(_count_part, done.shape[1], 7, (done[row], starts[row]))


@njit_cached()
def count_all(done, starts):
    share(_count_all_part, len(done), 1, (done, starts))


@njit_shared()
def fail_at_negative(x):
    for i in range(x.size):
        if x[i] < 0:
            raise ValueError("negative")
        x[i] += 1


def marks(n: int, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((rows, n), int), np.full((rows, -(-n // 7)), -1)


def check(done: np.ndarray, starts: np.ndarray) -> None:
    """Every number was met once, in pieces of 7."""
    assert (done == 1).all() and (starts == 7 * np.arange(starts.shape[1])).all()


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("size", SIZES)
def test_every_piece_is_done_once(size: int, n: int) -> None:
    with sharing(n):
        for _ in range(200):
            done, starts = marks(size)
            count(size, done[0], starts[0])
            check(done, starts)


def test_a_piece_may_have_pieces() -> None:
    with sharing(3):
        for _ in range(100):
            done, starts = marks(50, rows=9)
            count_all(done, starts)
            check(done, starts)


def test_threads_of_python_that_call_kernels_at_once() -> None:
    def work() -> None:
        for _ in range(300):
            done, starts = marks(700)
            count(700, done[0], starts[0])
            check(done, starts)
        finished.append(True)

    finished: list[bool] = []
    with sharing(3):
        callers = [threading.Thread(target=work) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
    assert len(finished) == 4


@pytest.mark.parametrize("n", [1, 2])
def test_a_piece_that_fails_ends_the_kernel_and_not_the_workers(n: int) -> None:
    bad = np.zeros(9 * PIECE)
    bad[5 * PIECE + 3] = -1
    with sharing(n):
        for _ in range(20):
            with pytest.raises(MemoryError, match="a part of a kernel failed"):
                fail_at_negative(bad.copy())
            good = np.zeros(9 * PIECE)
            fail_at_negative(good)
            assert (good == 1).all()


NUMBERS = 5 * PIECE + 3  # about as many as the largest array has


def longer(array: np.ndarray, factor: int) -> np.ndarray:
    """`factor` times as many rows; those of floats are no copies of each other."""
    rows = np.concatenate([array] * factor)
    if rows.dtype.kind != "f":
        return rows
    return (rows * np.random.default_rng(0).uniform(0.5, 1, rows.shape)).astype(array.dtype)


@pytest.mark.parametrize(("call", "name"), list(enumerate(IDS)), ids=IDS)
def test_the_same_bits_for_any_number_of_threads(call: int, name: str) -> None:
    given = arguments(call, np.dtype(np.float32))
    arrays = [a for a in given if isinstance(a, np.ndarray) and a.ndim]
    length = len(arrays[0]) if arrays else None
    factor = NUMBERS // max((a.size for a in arrays), default=9)
    given = [longer(a, factor) if isinstance(a, np.ndarray) and a.shape[:1] == (length,) else a for a in given]
    if name in ("philox", "uniform", "normal", "bernoulli", "permutation"):
        given[3] = 9 * factor
    made = {}
    for n in (1, 2, 3):
        with sharing(n):
            copies = [a.copy() if isinstance(a, np.ndarray) else a for a in given]
            made[n] = [np.asarray(result).tobytes() for result in produced(cpu, name, copies)]
    assert made[1] == made[2] == made[3]


def test_spectra_are_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape, np.float32) for shape in ((32, 96, 7, 7), (128, 96, 5, 5)))
    layer = (7, 7), (1, 1), (2, 2), (1, 1)
    geometry = Geometry((7, 7), (7, 7), (5, 5), *layer[1:])
    assert algorithm(32, 96, 128, 1, geometry, 4, False, transposed=False) == "spectra"
    made = set()
    for n in (1, 2, 3):
        with sharing(n):
            y = cpu.conv2d(x, w, *layer, 1)
            gradients = cpu.conv_transpose2d(y, w, *layer, 1), cpu.conv2d_weight_grad(x, y, (5, 5), *layer[1:], 1)
            made.add(b"".join(a.tobytes() for a in (y, *gradients)))
    assert len(made) == 1


def test_threads_of_blas_change_no_bits() -> None:
    """In products that NumPy multiplies, and in those of vectors."""
    rng = np.random.default_rng(0)
    x, w, columns, v = (
        rng.standard_normal(shape, np.float32) for shape in ((2, 512, 7, 7), (256, 512, 1, 1), (300, 3008), (3000, 1))
    )
    one = (1, 1), (0, 0), (1, 1), 1
    made = set()
    for n in (1, 2, 4):
        with threadpool_limits(n, user_api="blas"):
            y, pixel = cpu.conv2d(x, w, (7, 7), *one), cpu.conv2d(x[:, :, :1, :1].copy(), w, (1, 1), *one)
            results = y, pixel, cpu.conv_transpose2d(y, w, (7, 7), *one), cpu.matmul(columns[:, :3000], v)
            made.add(b"".join(a.tobytes() for a in results))
    assert len(made) == 1


def program(text: str, *, patience: float = 60) -> Any:
    """Run a program in a process of its own, which may use two threads."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests")])
    head = "import os, sys, time, numpy as np\nfrom kernels.sharing import sharing\nfrom minigen_kernels import cpu\n"
    head += "from minigen_kernels.cpu import workers\nx = np.ones(10**6, np.float32)\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore:.*multi-threaded", "-c", head + text],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=patience,
    )


def test_a_process_ends_with_its_workers() -> None:
    """Whether they sleep or look for work."""
    done = program("with sharing(3):\n    cpu.softplus(x); time.sleep(0.1)\n    cpu.softplus(x)\n    sys.exit(7)")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_begins_with_one_thread() -> None:
    done = program("""
with sharing(3):
    y = cpu.softplus(x)
    child = os.fork()
    if not child:
        assert workers.threads() == 1 and (cpu.softplus(x) == y).all()
        with sharing(2):
            assert workers.threads() == 2 and (cpu.softplus(x) == y).all()
        sys.exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert workers.threads() == 3 and (cpu.softplus(x) == y).all()
""")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_control_c_reaches_the_caller() -> None:
    done = program("""
import signal, threading
cpu.softplus(x)  # compiles
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
with sharing(2):
    try:
        while True:
            cpu.softplus(x)
    except KeyboardInterrupt:
        assert (cpu.softplus(x) == cpu.softplus(x[:1])).all()
        sys.exit(5)
""")
    assert (done.returncode, done.stderr) == (5, "")


def test_a_worker_that_gets_no_core_keeps_nobody_waiting() -> None:
    """All threads on one core: a kernel that wakes the workers takes milliseconds at most, not the turns of others."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs sched_setaffinity")
    done = program("""
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
workers.set_threads(8)
assert workers.threads() == 1
with sharing(2):
    cpu.softplus(x)
    start = time.perf_counter()
    for _ in range(20):
        cpu.softplus(x)
        time.sleep(0.003)
    assert time.perf_counter() - start < 5
""")
    assert (done.returncode, done.stderr) == (0, "")
