"""Run under the sanitizers, in a process of its own (``tests/kernels/cuda/test_sanitizers.py`` starts it).

    python sanitized.py FOLDER all                             every kernel, the plain ones too, and proof of that
    python sanitized.py FOLDER KERNEL THREADS CELLS [NUMBER]   a planted mistake, which must end this process

A report of a sanitizer ends the process with a code of its own, before the last line is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from minigen_kernels import cuda, plain
from minigen_kernels.calls import CALLS, results
from minigen_kernels.cuda import source
from minigen_kernels.cuda.launch import launch, using
from minigen_kernels.host.build import HostBackend

PLANTED = str(Path(__file__).with_name("planted.cu"))


class Recorder(HostBackend):
    """Keeps the names of the kernels that ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sanitize=True)
        self.ran: set[tuple[str, str]] = set()

    def run(self, program: source.Program, kernel: str, *rest: Any) -> None:
        self.ran.add((program.file, kernel))
        super().run(program, kernel, *rest)


def every_kernel(folder: Path) -> None:
    backend = Recorder(folder)
    with using(backend):
        for call, (name, _, _) in enumerate(CALLS):
            results(cuda, call, np.float32)
            if name in plain.NAMES:
                results(plain.cuda, call, np.float32)
    files = [path.name for path in source.HERE.glob("*.cu")] + [str(path) for path in plain.cuda.HERE.glob("*.cu")]
    there = {(file, kernel) for file in files for kernel in source.kernels(file)}
    if backend.ran != there:
        missing = ", ".join(f"{kernel} of {file}" for file, kernel in sorted(there - backend.ran))
        raise SystemExit(f"no call launches {missing}: add one to CALLS in kernels/minigen_kernels/calls.py")


def planted(folder: Path, kernel: str, threads: int, cells: int, *scalars: int) -> None:
    with using(HostBackend(folder, sanitize=True)):
        launch(PLANTED, kernel, 1, threads, np.zeros(cells, np.float32), *scalars)


if __name__ == "__main__":
    where, what, *numbers = sys.argv[1:]
    if what == "all":
        every_kernel(Path(where))
    else:
        planted(Path(where), what, *(int(number) for number in numbers))
    print("no report")
