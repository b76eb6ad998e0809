"""The bits of a result do not depend on where its arrays lie: small ones are often neighbours in memory.

LLVM asks before a loop whether arrays may overlap, and makes a second, slow form of the loop for that, which with
fastmath flags may round differently. ``jit.Options`` says why there is one form here.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

MODULES = [importlib.import_module(f"minigen_kernels.cpu.{name}") for name in ("elementwise", "linear_unit")]
KERNELS = [
    pytest.param(kernel, id=name)
    for module in MODULES
    for name, kernel in sorted(vars(module).items())
    if isinstance(kernel, Dispatcher) and kernel.py_func.__annotations__["return"] == "None" and "where" not in name
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_neighbours_have_the_bits_of_arrays_that_lie_apart(kernel) -> None:
    kinds = [kind for name, kind in kernel.py_func.__annotations__.items() if name != "return"]
    for size in [*range(1, 40), 63, 64, 65, 130]:
        seen = set()
        for gap in (0, 1, 16, 4096):
            pool = np.random.default_rng(size).standard_normal((len(kinds), size)).astype(np.float32)
            room = np.zeros((len(kinds), size + gap), np.float32)
            room[:, :size] = pool
            lines = room.reshape(-1)
            places = [lines[k * (size + gap) :][:size] for k in range(len(kinds))]
            kernel(*[x if kind == "Array" else np.float32(0.3) for kind, x in zip(kinds, places)])
            seen.add(room[:, :size].tobytes())
        assert len(seen) == 1, f"{size} numbers"


def test_the_kernels_are_found() -> None:
    assert {"_sigmoid", "_reparameterize", "_gelu_backward", "_elu"} <= {param.id for param in KERNELS}
