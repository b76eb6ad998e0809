"""The files in which compiled kernels are kept: damaged, stale or impossible to write, the results are right."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import logging
import os
import pickle
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core.registry import CPUDispatcher

from minigen_kernels import cpu
from minigen_kernels.cpu import cache

ROOT = Path(__file__).resolve().parents[2]
COMPILING, ANEW, UNKEPT = "compiling kernels, once", "is compiled anew", "cannot be kept"

#: A module with a kernel of one number.
SOURCE = """
from numba import njit
from minigen_kernels.cpu.jit import FASTMATH, njit_cached

@njit(fastmath=FASTMATH)
def square(x):
    return x * x

@njit_cached(fastmath=FASTMATH)
def kernel(x):
    return square(x) * FACTOR
"""
SINGLE, DOUBLE = np.float32(5), np.float64(5)


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python keeps none of `sample.py`: it would lie among the files that are looked at here."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def kernel_in(folder: Path, factor: float = 3.0) -> CPUDispatcher:
    """The kernel of SOURCE as a process sees it that has just begun; its code is kept below `folder`."""
    file = folder / "sample.py"
    file.write_text(f"FACTOR = {factor}\n{SOURCE}")
    spec = importlib.util.spec_from_file_location("sample", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


def kept(kernel: CPUDispatcher) -> list[Path]:
    """The files of a kernel, those that were left half-written too."""
    return sorted(Path(kernel.stats.cache_path).glob("sample.*"))


def python(program: str, path: Path, folder: Path) -> tuple[str, str]:
    """What a program in a process of its own prints on stdout and stderr, with compiled kernels in `folder`."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, "-B", "-c", program], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """What is logged meanwhile by a process that has said nothing so far."""
    lines, listener, level, told = [], logging.Handler(), cache.LOG.level, set(cache.logged)
    listener.emit = lambda record: lines.append(record.getMessage())
    cache.logged.clear()
    cache.LOG.setLevel(logging.INFO)
    cache.LOG.addHandler(listener)
    try:
        yield lines
    finally:
        cache.LOG.removeHandler(listener)
        cache.LOG.setLevel(level)
        cache.logged.update(told)


def run(kernel: CPUDispatcher) -> tuple[bool, list[str]]:
    """Call the kernel; was it loaded, and what was said? The result has to be right."""
    with heard() as lines:
        result = kernel(SINGLE)
        assert result == 25 * kernel.py_func.__globals__["FACTOR"]
    return bool(kernel.stats.cache_hits), lines


def test_a_kernel_is_compiled_once_and_then_loaded(tmp_path):
    kernel = kernel_in(tmp_path)
    assert run(kernel) == (False, [COMPILING])
    assert run(kernel) == (False, [])  # a second call compiles nothing
    assert len(kept(kernel)) == 1
    assert run(kernel_in(tmp_path)) == (True, [])


def test_each_dtype_has_a_file_of_its_own(tmp_path):
    one, other = kernel_in(tmp_path), kernel_in(tmp_path)  # two processes, neither knows of the other
    assert one(SINGLE) == 75 and other(DOUBLE) == 75
    assert len(kept(one)) == 2
    third = kernel_in(tmp_path)
    assert third(SINGLE) == 75 and third(DOUBLE) == 75 and len(third.stats.cache_hits) == 2


damages = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1, exclude_max=True)),
    st.tuples(st.just("flip"), st.floats(0, 1, exclude_max=True)),
    st.tuples(st.just("replace"), st.binary(max_size=200)),
)


@functools.cache
def whole() -> bytes:
    """The file of the kernel, as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = kernel_in(Path(folder))
        kernel(SINGLE)
        return kept(kernel)[0].read_bytes()


@settings(max_examples=8)
@given(damage=damages)
@example(damage=("cut", 0.0))
@example(damage=("replace", pickle.dumps("0.65.0") + pickle.dumps((b"", {}))))  # an index of Numba's own
def test_a_damaged_file_is_replaced(damage):
    """Whatever stands in the file: the kernel is right, one line names the file, and the next process can load it."""
    how, what = damage
    place = what if how == "replace" else int(what * len(whole()))
    if how == "flip":
        damaged = whole()[:place] + bytes([whole()[place] ^ 1]) + whole()[place + 1 :]
    else:
        damaged = whole()[:place] if how == "cut" else what
    with tempfile.TemporaryDirectory() as folder:
        kernel = kernel_in(Path(folder))
        file = kernel._cache._path((numba.float32,), kernel.targetctx.codegen())
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(damaged)
        loaded, lines = run(kernel)
        assert not loaded and lines[-1] == COMPILING
        if damaged[cache.DIGEST :] != whole()[cache.DIGEST :]:  # else it looks like the file of another version
            assert len(lines) == 2 and ANEW in lines[0] and str(file) in lines[0]
        assert kept(kernel) == [file]
        assert run(kernel_in(Path(folder))) == (True, [])


def test_many_damaged_files_make_one_line(tmp_path):
    kernel = kernel_in(tmp_path)
    kernel(SINGLE), kernel(DOUBLE)
    for file in kept(kernel):
        file.write_bytes(b"")
    kernel = kernel_in(tmp_path)
    with heard() as lines:
        assert kernel(SINGLE) == kernel(DOUBLE) == 75
    assert len(lines) == 2 and ANEW in lines[0] and lines[1] == COMPILING


def test_a_file_of_other_sources_is_replaced(tmp_path, monkeypatch):
    """Of another Numba, or another file of the room (`sources`); or a constant of the kernel's own file has changed."""
    kernel = kernel_in(tmp_path)
    kernel(SINGLE)
    sources = cache.sources()
    monkeypatch.setattr(cache, "sources", lambda: ("another", *sources))
    assert run(kernel_in(tmp_path)) == (False, [COMPILING])
    assert run(kernel_in(tmp_path)) == (True, [])
    assert run(kernel_in(tmp_path, factor=4.0)) == (False, [COMPILING])
    assert len(kept(kernel)) == 1


def test_the_sources_are_all_files_of_the_room_and_both_compilers():
    found = cache.sources()
    names = {entry[0] for entry in found if isinstance(entry, tuple)}
    assert {f"{file.name}.py" for file in pkgutil.iter_modules(cpu.__path__)} | {"__init__.py"} == names
    assert numba.__version__ in found and llvmlite.__version__ in found


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_kernel_that_cannot_be_kept_runs(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    kernel = kernel_in(tmp_path)
    loaded, lines = run(kernel)
    assert not loaded and lines[0] == COMPILING
    assert len(lines) == 2 and UNKEPT in lines[1] and os.strerror(code) in lines[1]
    assert kernel.stats.cache_path in lines[1] and kept(kernel) == []


def test_a_folder_in_the_place_of_a_file(tmp_path):
    kernel = kernel_in(tmp_path)
    kernel(SINGLE)
    (file,) = kept(kernel)
    file.unlink()
    file.mkdir()
    loaded, lines = run(kernel_in(tmp_path))
    assert not loaded and len(lines) == 3 and ANEW in lines[0] and UNKEPT in lines[2]


def test_a_limit_on_the_size_of_files(tmp_path):
    """As a full disk: the file can be made, but not be written in full. A library says it on stderr, by itself."""
    resource = pytest.importorskip("resource")  # POSIX
    kernel_in(tmp_path)  # writes sample.py
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {hard}))\n"
        f"sys.path.insert(0, {str(tmp_path)!r}); import numpy as np, sample\n"
        "print(sample.kernel(np.float32(5)), sample.kernel(5.0))"
    )
    out, err = python(program, ROOT / "kernels", tmp_path / "kept")
    assert out == "75.0 75.0\n"
    assert len(err.splitlines()) == 1 and UNKEPT in err and os.strerror(errno.EFBIG) in err
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []


def test_without_a_folder_every_process_compiles(tmp_path, monkeypatch):
    def nowhere(*_):
        raise RuntimeError("cannot cache function 'kernel': no locator available for file 'sample.py'")

    monkeypatch.setattr(cache.FunctionCache, "__init__", nowhere)
    for _ in range(2):
        loaded, lines = run(kernel_in(tmp_path))
        assert not loaded and len(lines) == 1 and "there is no folder to keep them in" in lines[0]


@pytest.mark.slow
def test_a_changed_helper_file_is_seen(tmp_path):
    """A constant in exponential.py, which elementwise.py uses: Numba looks at the latter alone."""
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "kernels" / "minigen_kernels" / "cpu" / "exponential.py"
    program = "import numpy as np; from minigen_kernels import cpu; print(cpu.sigmoid(np.ones(3, np.float32))[0])"

    def sigmoid_of_1() -> float:
        return float(python(program, tmp_path / "kernels", tmp_path / "kept")[0])

    assert sigmoid_of_1() == pytest.approx(0.7310586, abs=1e-6)
    source = file.read_text()
    assert source.count("LOWEST, HIGHEST = F4(-104), F4(89)") == 1
    file.write_text(source.replace("LOWEST, HIGHEST = F4(-104), F4(89)", "LOWEST, HIGHEST = F4(0), F4(89)"))
    assert sigmoid_of_1() == 0.5  # exp(-1) is now exp(0)
