"""Every kernel of the `cpu` room computes the same bits, whoever compiled it and in whatever order.

`bits_of_kernels.py` is what the processes run. Read next: ``test_kernel_cache.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest
from numba.core.registry import CPUDispatcher

from minigen_kernels import cpu
from minigen_kernels.calls import NAMES
from minigen_kernels.cpu import cache, exponential

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def room() -> dict[str, CPUDispatcher]:
    """Every function of the room that Numba compiles when it is called, by file and name."""
    found = {}
    for file in pkgutil.iter_modules(cpu.__path__):
        module = importlib.import_module(f"{cpu.__name__}.{file.name}")
        for name, value in vars(module).items():
            if isinstance(value, CPUDispatcher) and value.py_func.__module__ == module.__name__:
                found[f"{file.name}.{name}"] = value
                for inner in ("body", "part_of_it"):  # the kernel only deals out its work
                    if shared := value.py_func.__globals__.get(inner):
                        found[f"{file.name}.{name}, {inner}"] = shared
    return found


def test_helpers_are_not_kernels():
    """A kernel is compiled with fresh helpers, never with what a cache holds of them, so its code has one origin."""
    functions = room()
    inside = [f for f in vars(exponential).values() if isinstance(f, FunctionType)]  # of its overloads, too
    helpers = {
        name
        for caller in [*(f.py_func for f in functions.values()), *inside]
        for name, function in functions.items()
        if function in map(caller.__globals__.get, caller.__code__.co_names)
    }
    assert len(helpers) >= 25 and len(functions) >= 70  # the walk finds something
    assert {name for name, f in functions.items() if not isinstance(f._cache, cache.KernelCache)} == helpers


@pytest.mark.slow
def test_the_same_bits_compiled_and_loaded(tmp_path):
    """Every kernel in four processes: two compile at once, in opposite orders, and meet; then two load everything."""
    processes = [run_kernels(tmp_path, *words) for words in ((), ("reversed",))]
    compiling = [json.loads(process.communicate(timeout=600)[0]) for process in processes]
    processes = [run_kernels(tmp_path, *words) for words in ((), ("reversed",))]
    loading = [json.loads(process.communicate(timeout=600)[0]) for process in processes]
    for found in compiling:
        assert {name: others for name, others in found["shared"].items() if others} == {}
    assert len({name for found in compiling for name in found["shared"]}) > 40
    for found in loading:
        assert found["shared"] == {} and len(found["loaded"]) > 40
    first = compiling[0]["bits"]
    assert {name.partition(" ")[0] for name in first} == set(NAMES)
    for found in [compiling[1], *loading]:
        assert [name for name, bits in found["bits"].items() if bits != first[name]] == []
    assert not list(tmp_path.rglob("*.tmp.*"))


def run_kernels(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The program in a process of its own, with compiled kernels in `folder`."""
    path = os.pathsep.join(map(str, [ROOT, ROOT / "kernels", ROOT / "tests", HERE]))
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": path}
    command = [sys.executable, str(HERE / "bits_of_kernels.py"), *words]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


OTHERS = """
import numba
import numpy as np

from minigen_kernels import cpu

assert cpu.matmul(np.ones((1, 3)), np.ones((3, 2))).tolist() == [[3.0, 3.0]]  # its kernel calls np.zeros


@numba.njit(error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"}, no_cfunc_wrapper=True)
def other(n):
    a, b = np.zeros(n), np.empty((n, 2), np.float32)
    for i in range(n):
        a[i], b[i, 0], b[i, 1] = i, min(i, 3), 1
    return a.sum() + b.reshape(-1).sum()


assert other(5) == 24.0
try:
    other(-1)
except ValueError as error:
    print(error)
"""


def test_functions_of_numba_that_a_kernel_calls_serve_other_programs(tmp_path):
    """They are not machine code then; a program that calls them, too, links them."""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "kernels")}
    command = [sys.executable, "-c", OTHERS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout == "negative dimensions not allowed\n"
