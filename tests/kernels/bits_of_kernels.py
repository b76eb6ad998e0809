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
from test_contract import CALLS, DTYPES, NAMES, RANDOM, arguments, results

from minigen_kernels import cpu
from minigen_kernels.cpu.cache import KernelCache

SHARED = {Linkage.linkonce_any, Linkage.linkonce_odr, Linkage.weak_any, Linkage.weak_odr}
FACTORS = (1, 21, 67)  # how many times as long the batch is: some loops have a part for whole registers, and a rest


def calls() -> Iterator[tuple[str, list[np.ndarray], tuple]]:
    """The calls of the contract, each also with longer batches, which every array has that is as long as the first."""
    for name in NAMES:
        for dtype in DTYPES:
            for factor in FACTORS:
                arrays, others = arguments(name, dtype)
                length = next((len(array) for array in arrays if array.ndim), None)
                arrays = [longer(a, factor) if a.ndim and len(a) == length else a for a in arrays]
                if name in RANDOM:
                    others = (*others[:3], others[3] * factor, *others[4:])
                yield f"{name} {np.dtype(dtype)} x{factor}", arrays, others


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
    assert sorted(CALLS) == sorted(NAMES)
    todo = list(calls())
    if sys.argv[1:] == ["reversed"]:
        todo.reverse()
    bits = {}
    for name, arrays, others in todo:
        produced = results(cpu, name.partition(" ")[0], arrays, others)
        bits[name] = hashlib.sha256(b"".join(result.tobytes() for result in produced)).hexdigest()
    functions = list(compiled_functions())
    loaded = [f.__name__ for f in functions if f.stats.cache_hits]
    fresh = [f for f in functions if isinstance(f._cache, KernelCache) and f.stats.cache_misses]
    print(json.dumps({"bits": bits, "loaded": loaded, "shared": {f.__name__: shared(f) for f in fresh}}))


if __name__ == "__main__":
    main()
