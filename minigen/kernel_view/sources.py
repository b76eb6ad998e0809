"""A kernel in the other rooms, to be read: the NumPy definition, plain loops, the Numba source and what was compiled.

Imports: kernels. Read next: ``kernels/minigen_kernels/__init__.py``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from minigen.kernel_view.calls import arguments_for
from minigen_kernels import for_device, plain_room, reference
from minigen_kernels.calls import Shape, produced


def reference_text(name: str) -> Iterator[str]:
    """The definition, and the functions of its file that it calls."""
    arguments_for(name, (), "float64")  # for its error
    yield from _functions(getattr(reference, name))


def cpu_text(name: str, shapes: Sequence[Shape] = (), dtype: Any = "float32") -> Iterator[str]:
    """The same of the CPU room; then, after a call, what has been compiled, by the types of its arguments."""
    given = arguments_for(name, shapes, dtype)
    room = for_device("cpu")
    yield from _functions(getattr(room, name))
    before = {id(kernel): len(kernel.signatures) for _, kernel in _compiled()}
    produced(room, name, given)
    new = [(place, kernel) for place, kernel in _compiled() if len(kernel.signatures) > before.get(id(kernel), 0)]
    yield "# compiled for this call, loop by loop (array(float32, 1d, C): one axis, contiguous):"
    if not new:
        yield "#   nothing: this call is NumPy's, or its loops were compiled before"
    for place, kernel in new:
        for signature in kernel.signatures[before.get(id(kernel), 0) :]:
            yield f"#   {place}({', '.join(map(str, signature))})"


def plain_text(name: str) -> Iterator[str]:
    """The plain loops in Numba, then the plain CUDA kernel. ValueError for a kernel that the room does not have."""
    room = plain_room()
    if name not in room.NAMES:
        raise ValueError(f"there is no plain {name}; the plain room has {', '.join(room.NAMES)}")
    loops = _written(getattr(room, name))
    yield from _functions(loops)
    file = Path(inspect.getsourcefile(loops) or "").with_suffix(".cu")
    yield f"// {file}"
    found = re.search(rf'^extern "C" __global__ void {name}\(.*?^}}$', file.read_text(encoding="utf-8"), re.M | re.S)
    yield found[0] if found else ""


def _functions(function: Any) -> Iterator[str]:
    """The source of a function, and of those of the same file that it names, each once, in the order of use."""
    waiting = [_written(function)]
    file, seen = inspect.getsourcefile(waiting[0]), set()
    yield f"# {file}"
    while waiting:
        one = waiting.pop(0)
        if one in seen:
            continue
        seen.add(one)
        yield inspect.getsource(one)
        for name in one.__code__.co_names:
            other = _written(one.__globals__.get(name))
            if isinstance(other, FunctionType) and inspect.getsourcefile(other) == file:
                waiting.append(other)


def _written(value: Any) -> Any:
    """The function as it is written: without what Numba, and what shares its work among threads, put around it."""
    value = getattr(value, "py_func", value)
    if isinstance(value, FunctionType) and value.__code__.co_filename == "<string>":
        value = _written(value.__globals__["body"])
    return inspect.unwrap(value) if isinstance(value, FunctionType) else value


def _compiled() -> list[tuple[str, Any]]:
    """Every function of the CPU room that Numba compiles, with its name there."""
    found: dict[int, tuple[str, Any]] = {}
    for module in [m for n, m in sys.modules.items() if n.startswith("minigen_kernels.cpu.")]:
        for value in vars(module).values():
            if hasattr(value, "signatures") and hasattr(value, "py_func"):
                origin = value.py_func
                found.setdefault(id(value), (f"{origin.__module__.rpartition('.')[2]}.{origin.__name__}", value))
    return list(found.values())
