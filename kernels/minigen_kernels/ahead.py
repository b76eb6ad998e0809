"""Kernels compiled ahead by other processes, while this one makes the first step of a training.

A kernel is compiled when it is first called: one after the other, on one core. `begin` starts a process for each other
core; these compile what the model is known to need (``needed.json``, in the order of a first step) from the end of the
list, while this process calls kernels from its beginning. Each is compiled by who *claims* it first, by making a file
of its name in a folder that all share. A kernel that another process has claimed is waited for; then it is loaded from
the cache (``cpu/cache.py``). If there is none, because that process failed or was ended, it is compiled here.

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
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from numba.core.sigutils import normalize_signature

from minigen_kernels.cpu import cache

NEEDED = Path(__file__).with_name("needed.json")
SWITCH = "MINIGEN_COMPILE_AHEAD"
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
    """The kernels of a first step, in order; none for a model that is not in the list."""
    kept, kernels = json.loads(NEEDED.read_text(encoding="utf-8")), list[Kernel]()
    for number in kept["models"].get(model, []):
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


class Crew:
    """The processes that compile for this one."""

    def __init__(self, model: str, count: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="minigen-compiling-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.members = [self._start(model, str(number)) for number in range(count)]

    def _start(self, model: str, number: str) -> subprocess.Popen[bytes]:
        work = f"work({model!r}, {str(self.folder)!r}, {number!r})"
        program = f"import sys; sys.path[:] = {sys.path!r}; from minigen_kernels.ahead import work; {work}"
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
        """Wait for a missing file, if another process is making it. Once it has been waited for it is made here."""
        if not self.folder.is_dir() or claim(self.folder, path, ""):
            return False
        done = self.folder / f"{path.name}.done"
        while not done.exists() and self._is_compiled(path):
            time.sleep(0.005)
        return True

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
