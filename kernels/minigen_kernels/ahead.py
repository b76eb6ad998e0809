"""Kernels compiled ahead by other processes, while this one makes the first step of a training.

A kernel is compiled when it is first called: one after the other, on one core. `begin` starts a process for each other
core; these compile what the model is known to need (``needed.json``, in the order of a first step) from the end of the
list, while this process calls kernels from its beginning. Each is compiled by who *claims* it first, by making a file
of its name in a folder that all share. If another process has claimed the kernel that is called, this one compiles
others of the list until that one is there, and loads it from the cache (``cpu/cache.py``). If it does not come, because
the other process failed or was ended, it is compiled here.

Where that is safe, a process is a fork of this one, which need not import anything; it closes all files of this one.

The bits of a kernel do not depend on who compiles it. Nothing is started where there is one core, no cache on disk, or
nothing to compile; nor with ``MINIGEN_COMPILE_AHEAD=0``. When this process ends, the others finish the kernel that they
are compiling, and end.

Imports: Numba, ``cpu``. Read next: ``cpu/cache.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from numba.core.sigutils import normalize_signature

from minigen_kernels.cpu import cache
from minigen_kernels.cpu.lanes import REGISTER_BYTES

NEEDED = Path(__file__).with_name("needed.json")
SWITCH = "MINIGEN_COMPILE_AHEAD"
#: Who loaded one of these has threads or a network that a fork must not inherit.
UNFORKED = {"cupy", "jax", "mpi4py", "tensorflow", "torch"}
MOST = 3  # processes: each takes some 250 MB, and the longest kernel takes as long as a quarter of all

crews: list[Crew] = []  # all that this process has started

Kernel = tuple[Any, Any]  # the function that Numba compiles, and the types of its arguments


def begin(model: str) -> int:
    """Start to compile what this model needs; how many processes do."""
    if os.environ.get(SWITCH) == "0" or spare_cores() < 1 or any(crew.is_at_work() for crew in crews):
        return 0
    if not Path(sys.executable).stem.lower().startswith("python"):  # Python is a part of another program
        return 0
    missing = [(kernel, types) for kernel, types in needed(model) if not is_kept(kernel, types)]
    count = min(spare_cores(), MOST, len(missing) // 2)
    if count < 1 or not all(can_be_kept(kernel) for kernel, _ in missing):
        return 0
    with contextlib.suppress(OSError):
        crews.append(Crew(model, count))
        cache.made_elsewhere = crews[-1].made
        return count
    return 0


def needed(model: str) -> list[Kernel]:
    """The kernels of a first step with registers of this size, in order; none for a model that is not in the list."""
    kept, kernels = json.loads(NEEDED.read_text(encoding="utf-8")), list[Kernel]()
    for number in kept["models"].get(str(REGISTER_BYTES), {}).get(model, []):
        with contextlib.suppress(KeyError, AttributeError):  # the list is older than the kernels
            kernels.append(found(kept["kernels"][number]))
    return kernels


def found(text: str) -> Kernel:
    """The kernel of a line such as "random._philox(int64, ...)"."""
    name, bracket, types = text.partition("(")
    file, _, function = name.partition(".")
    kernel = getattr(sys.modules[f"minigen_kernels.cpu.{file}"], function)
    return kernel, normalize_signature(bracket + types)[0]


def written(function: Any, types: Any) -> str:
    """The line of a function that is compiled as a kernel for arguments of these types."""
    words = ", ".join(map(_name, types))
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}({words},)"


def _name(kind: Any) -> str:
    """A type of Numba's, as an expression of their names."""
    if hasattr(kind, "types"):
        return f"Tuple(({', '.join(map(_name, kind.types))},))"
    if hasattr(kind, "ndim"):
        return f"Array({kind.dtype}, {kind.ndim}, {kind.layout!r}{'' if kind.mutable else ', True'})"
    return {"bool": "boolean"}.get(str(kind), str(kind))


def is_kept(kernel: Any, types: Any) -> bool:
    """Whether the kernel need not be compiled."""
    keeps = getattr(kernel._cache, "keeps", None)
    return keeps is not None and bool(keeps(types, kernel.targetctx.codegen()))


def can_be_kept(kernel: Any) -> bool:
    """Whether a file can be written for it."""
    folder = getattr(kernel._cache, "cache_path", None)
    if folder is None:
        return False
    there = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
    return os.access(there, os.W_OK)


def spare_cores() -> int:
    """The cores that this process may use, but one."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0)) - 1
    return (os.cpu_count() or 1) - 1


def claim(folder: Path, path: Path, who: str) -> bool:
    """Whether nobody else compiles that file; then nobody else will."""
    try:
        with open(folder / path.name, "x", encoding="utf-8") as file:
            file.write(who)
        return True
    except OSError:  # it is there; or the folder is gone, and so is who would wait
        return False


class Fork:
    """A process that begins as a copy of this one, at work; like a `subprocess.Popen`."""

    def __init__(self, model: str, folder: Path, number: str) -> None:
        self.returncode: int | None = None
        ours, self.stdin = os.pipe()  # closed when this process ends, however it does
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # Python 3.12 warns of threads, also of idle ones of BLAS
            self.pid = os.fork()
        if self.pid == 0:
            self._work(ours, model, folder, number)
        os.close(ours)

    @staticmethod
    def _work(stdin: int, model: str, folder: Path, number: str) -> NoReturn:
        """In the new process."""
        code = 1
        try:
            os.setsid()  # Ctrl-C is for the other process
            for which in (signal.SIGINT, signal.SIGTERM):
                signal.signal(which, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_WRONLY)
            for to, fd in enumerate((stdin, nothing, nothing)):
                os.dup2(fd, to)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            work(model, str(folder), number)
            code = 0
        finally:
            os._exit(code)

    def poll(self) -> int | None:
        """The exit status, None while the process runs."""
        return self._wait(os.WNOHANG)

    def communicate(self) -> None:
        """End the work, and wait until it has ended."""
        with contextlib.suppress(OSError):
            os.close(self.stdin)
        self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:  # somebody else has asked
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def can_fork() -> bool:
    """Whether a copy of this process can go on by itself: no other thread holds a lock that it would need."""
    return sys.platform == "linux" and threading.active_count() == 1 and not UNFORKED & set(sys.modules)


class Crew:
    """The processes that compile for this one."""

    kernels: Sequence[Kernel] = ()  # what the model needs
    works_here = False  # whether this process compiles while it waits

    def __init__(self, model: str, count: int) -> None:
        self.model, self.kernels = model, needed(model)
        self.folder = Path(tempfile.mkdtemp(prefix="minigen-compiling-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.members = [self._start(str(number)) for number in range(count)]

    def _start(self, number: str) -> Fork | subprocess.Popen[bytes]:
        if can_fork():
            return Fork(self.model, self.folder, number)
        call = f"work({self.model!r}, {str(self.folder)!r}, {number!r})"
        program = f"import sys; sys.path[:] = {sys.path!r}; from minigen_kernels.ahead import work; {call}"
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,  # closed when this process ends, however it does
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def is_at_work(self) -> bool:
        """Whether a process has not ended yet."""
        return any(member.poll() is None for member in self.members)

    def made(self, path: Path) -> bool:
        """Wait for a missing file, if another process is making it. Once it has been waited for it is made here.

        Meanwhile this process makes others.
        """
        if not self.folder.is_dir() or claim(self.folder, path, ""):
            return False
        done = self.folder / f"{path.name}.done"
        while not done.exists() and self._is_compiled(path):
            if not self._makes_another():
                time.sleep(0.005)
        return True

    def _makes_another(self) -> bool:
        """Compile the first kernel of the list that nobody has claimed, if there is one."""
        if self.works_here:  # it is this that asks: it takes the next
            return False
        self.works_here = True
        try:
            for kernel, types in self.kernels:
                path = kernel._cache._path(types, kernel.targetctx.codegen())
                if not (self.folder / path.name).exists() and not is_kept(kernel, types):
                    kernel.compile(types)
                    return True
            return False
        finally:
            self.works_here = False

    def _is_compiled(self, path: Path) -> bool:
        """Whether the process that has claimed the file is still there."""
        try:
            number = (self.folder / path.name).read_text(encoding="utf-8")
        except OSError:
            return False
        if number == "":  # claimed here, or just now by a process that has not yet written who it is
            return self.is_at_work()
        return self.members[int(number)].poll() is None


class ClaimedError(Exception):
    """Another process compiles the kernel."""


def work(model: str, claims: str, number: str) -> None:
    """What a member of the crew does."""
    folder, over, mine = Path(claims), threading.Event(), list[Path]()

    def wait_for_end() -> None:
        os.read(0, 1)  # nothing is ever written there
        over.set()

    def take(path: Path) -> bool:
        if not claim(folder, path, number):
            raise ClaimedError
        mine.append(path)
        return False

    threading.Thread(target=wait_for_end, daemon=True).start()
    cache.made_elsewhere = take
    for kernel, types in reversed(needed(model)):
        if over.is_set():
            shutil.rmtree(folder, ignore_errors=True)
            return
        with contextlib.suppress(ClaimedError):
            kernel.compile(types)
        while mine:
            (folder / f"{mine.pop().name}.done").touch()
