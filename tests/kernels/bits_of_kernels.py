"""Run as a program: call every kernel of the `cpu` room, and print what came out. For ``test_compiled_code.py``.

    python bits_of_kernels.py [reversed]

Prints JSON: a digest of the bits of each call, whose name holds kernel, dtype and size; which functions were loaded;
and of every kernel that was compiled here, which functions in its object are not its own.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator

import numpy as np
from llvmlite.binding import Linkage
from numba.core.registry import CPUDispatcher
from test_contract import DTYPES, RANDOM

from minigen_kernels import cpu
from minigen_kernels.calls import IDS, arguments, produced
from minigen_kernels.cpu.cache import KernelCache

SHARED = {Linkage.linkonce_any, Linkage.linkonce_odr, Linkage.weak_any, Linkage.weak_odr}
FACTORS = (1, 21, 67)  # how many times as long the batch is: some loops have a part for whole registers, and a rest


def calls() -> Iterator[tuple[str, str, list]]:
    """(a name of its own, kernel, arguments) of the calls of the contract, each also with longer batches.

    Every array is longer that is as long as the first.
    """
    for call, name in enumerate(IDS):
        for dtype in DTYPES:
            for factor in FACTORS:
                given = arguments(call, dtype)
                length = next((len(a) for a in given if isinstance(a, np.ndarray) and a.ndim), None)
                given = [
                    longer(a, factor) if isinstance(a, np.ndarray) and a.shape[:1] == (length,) else a for a in given
                ]
                if name in RANDOM:
                    given[3] *= factor
                yield f"{name} {call} {np.dtype(dtype)} x{factor}", name, given


def longer(array: np.ndarray, factor: int) -> np.ndarray:
    """`factor` times as many rows; those of floats are no copies of each other."""
    rows = np.concatenate([array] * factor)
    if rows.dtype.kind != "f":
        return rows
    return (rows * np.random.default_rng(factor).uniform(0.5, 1, rows.shape)).astype(array.dtype)


def compiled_functions() -> Iterator[CPUDispatcher]:
    """Every function of the room that Numba compiles when it is called."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("minigen_kernels.cpu."):
            for value in vars(module).values():
                if isinstance(value, CPUDispatcher) and value.py_func.__module__ == module.__name__:
                    yield value


def shared(function: CPUDispatcher) -> list[str]:
    """Functions in the objects of `function` that another object can have too: the linker chooses one of them."""
    modules = [code.library._final_module for code in function.overloads.values()]
    return [f.name for module in modules for f in module.functions if not f.is_declaration and f.linkage in SHARED]


def main() -> None:
    todo = list(calls())
    if sys.argv[1:] == ["reversed"]:
        todo.reverse()
    bits = {}
    for name, kernel, given in todo:
        made = [np.asarray(result).tobytes() for result in produced(cpu, kernel, given)]
        bits[name] = hashlib.sha256(b"".join(made)).hexdigest()
    functions = list(compiled_functions())
    loaded = [f.__name__ for f in functions if f.stats.cache_hits]
    fresh = [f for f in functions if isinstance(f._cache, KernelCache) and f.stats.cache_misses]
    print(json.dumps({"bits": bits, "loaded": loaded, "shared": {f.__name__: shared(f) for f in fresh}}))


if __name__ == "__main__":
    main()
