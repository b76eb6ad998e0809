"""Compile a program of the CUDA room with nvcc for one architecture, and read what its assembler reports.

For the test that all of it compiles (``tests/kernels/cuda/test_compile.py``) and for the table of kernels
(``docs/make/kernels.py``). No GPU is needed.

Imports: ``minigen_kernels.cuda.source``. Read next: ``test_compile.py``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from minigen_kernels.cuda.source import Program

NVCC = shutil.which("nvcc")

#: Turing to Hopper must compile. Blackwell in float too, where the compiler knows it.
REQUIRED = [75, 80, 90]
NEWER = [100, 120]

_REPORT = re.compile(
    r"Compiling entry function '(\w+)' for 'sm_\d+'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?"
    r"Used (\d+) registers",
    re.DOTALL,
)


class Figures(NamedTuple):
    """Of one entry point: the registers that a thread takes, and the bytes that did not fit into them."""

    registers: int
    spilled: int


def architectures() -> list[int]:
    """Those that must compile, and the newer ones that this nvcc knows."""
    known = subprocess.run([NVCC, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split()
    return REQUIRED + [number for number in NEWER if f"sm_{number}" in known]


def version() -> str:
    """The release of this nvcc, as in "13.0"."""
    told = subprocess.run([NVCC, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"release ([\d.]+)", told)[1]


def compiled(
    program: Program, architecture: int, folder: Path, *, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run nvcc with the program's own options; every warning is an error. `text` is compiled in place of its own."""
    path = folder / "program.cu"
    path.write_text(program.text if text is None else text, encoding="utf-8")
    strict = ["-Werror", "all-warnings", "-Xptxas", "-v"]
    options = [*program.options, f"-arch=sm_{architecture}", "-cubin", *strict, "-o", str(folder / "k.cubin")]
    return subprocess.run([NVCC, *options, str(path)], capture_output=True, text=True, check=False)


def figures(messages: str) -> dict[str, Figures]:
    """What the assembler says of every entry point, by name."""
    return {
        name: Figures(int(registers), int(stores) + int(loads))
        for name, stores, loads, registers in _REPORT.findall(messages)
    }
