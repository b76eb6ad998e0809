"""The text of a `.cu` file as a compiler gets it, and what the text declares: kernels, parameters, constants, options.

One `.cu` file serves float and double: it says `real`, and is compiled once with `-DREAL=float` and once with
`-DREAL=double`. Headers (`.cuh`, which include no others) are pasted where a file includes them, because CuPy's cache
of compiled code looks at the source alone and would keep using old code after a change in a header. `#line` marks keep
the file and line of every message. A file that needs a compiler option says so in a line of its own:
``// options: -fmad=false``.

The declarations are read from the text, so that the launcher and the kernel cannot disagree on a type.

Imports: NumPy. Read next: ``launch.py``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

#: What `real` means. These two are the only dtypes of the library.
REALS: dict[np.dtype[Any], str] = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}

#: The types a parameter may have. `real` is that of the launch.
C_TYPES: dict[str, type[np.generic]] = {
    "bool": np.bool_,
    "int": np.int32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "float": np.float32,
    "double": np.float64,
}

#: Structures of ``together.cuh``, which go to a kernel by value: tables of addresses of arrays with this element type,
#: and what says how large these arrays are.
TABLES = {"Arrays": "real", "Doubles": "double"}
CHUNKS = "Chunks"

_INCLUDE = re.compile(r'#include "(\w+\.cuh)"')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_OPTIONS = re.compile(r"^// options:(.*)$", re.MULTILINE)
_CONSTANT = re.compile(r"\bconstexpr\s+int\s+(\w+)\s*=\s*(\d+)\s*;")
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\(\s*(\w+)\s*(?:,\s*\w+\s*)?\)\s*)?(\w+)\s*\(([^()]*)\)'
)
_PARAMETER = re.compile(
    r"(?P<const>const\s+)?(?P<type>[a-z]+(?:\s+[a-z]+)*?|Arrays|Doubles|Chunks)\s*(?P<pointer>\*)?\s*(?P<name>\w+)"
)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: `type` is "real", a key of `C_TYPES` or of `TABLES`, or `CHUNKS`."""

    name: str
    type: str
    pointer: bool

    @property
    def nullable(self) -> bool:
        """Whether None may be passed, as a null pointer: the name says so."""
        return self.pointer and self.name.endswith("_or_null")


@dataclass(frozen=True, eq=False)
class Kernel:
    """What a `.cu` file declares of a kernel. `max_threads` is its launch bound (threads in a block), 1024 if none."""

    file: str
    name: str
    parameters: tuple[Parameter, ...]
    max_threads: int


@dataclass(frozen=True, eq=False)
class Program:
    """A `.cu` file for one dtype: what a compiler gets. There is one object for each, so identity is equality."""

    file: str
    dtype: np.dtype[Any]
    text: str
    options: tuple[str, ...]


@functools.cache
def program(file: str, dtype: np.dtype[Any]) -> Program:
    """The program of `file`, a name in this folder or a full path, for float32 or float64."""
    text = _read(file)
    options = tuple(option for line in _OPTIONS.findall(text) for option in line.split())
    return Program(file, dtype, _pasted(file), ("-std=c++17", f"-DREAL={REALS[dtype]}", *options))


@functools.cache
def kernels(file: str) -> Mapping[str, Kernel]:
    """Every kernel of a `.cu` file by name."""
    text = _COMMENT.sub("", _read(file))
    numbers = constants(file)
    found = {}
    for bound, name, declaration in _KERNEL.findall(text):
        limit = int(bound) if bound.isdigit() else numbers[bound] if bound else 1024
        parameters = tuple(_parameter(file, name, part) for part in declaration.split(",") if part.strip())
        found[name] = Kernel(file, name, parameters, limit)
    return found


@functools.cache
def constants(file: str) -> Mapping[str, int]:
    """Every `constexpr int NAME = number;` of a file and its headers: a size that Python needs is written once."""
    return {name: int(number) for name, number in _CONSTANT.findall(_COMMENT.sub("", _pasted(file)))}


def _read(file: str) -> str:
    return (HERE / file).read_text(encoding="utf-8")


@functools.cache
def _pasted(file: str) -> str:
    """The text with every header in place of the line that includes it, and marks of file and line."""
    parts = [f'#line 1 "{Path(file).name}"']
    for number, line in enumerate(_read(file).split("\n"), start=1):
        include = _INCLUDE.fullmatch(line)
        if include:
            header = _read(include[1]).rstrip("\n")
            parts += [f'#line 1 "{include[1]}"', header, f'#line {number + 1} "{Path(file).name}"']
        else:
            parts.append(line)
    return "\n".join(parts)


def _parameter(file: str, kernel: str, declaration: str) -> Parameter:
    match = _PARAMETER.fullmatch(" ".join(declaration.replace("__restrict__", " ").split()))
    if match is None or match["type"] not in (*C_TYPES, "real", *TABLES, CHUNKS):
        raise ValueError(
            f"{file}: kernel {kernel}: cannot launch with a parameter `{declaration.strip()}`; "
            f"its type is one of real, {', '.join(C_TYPES)}, or a pointer to one"
        )
    return Parameter(match["name"], match["type"], match["pointer"] is not None)
