"""What a room of kernels must be, and how closely two rooms agree, for the tests that go through whole rooms.

The calls are those of ``minigen_kernels/calls.py``. Read next: ``test_contract.py``.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from minigen_kernels import KernelSet
from minigen_kernels.calls import NAMES


def assert_complete(room: Any) -> None:
    """A room has the kernels of the table of contents, with its signatures, and no other."""
    short = room.__name__.rpartition(".")[2]
    folder = f"kernels/minigen_kernels/{short}"
    for name in NAMES:
        there = inspect.isroutine(getattr(room, name, None))  # a file of that name is no kernel
        assert there, f"{short} has no {name}: write it in {folder}/, import it in {folder}/__init__.py"
        declared = inspect.signature(getattr(KernelSet, name))
        wanted = [p.replace(annotation=p.empty) for p in list(declared.parameters.values())[1:]]
        found = inspect.signature(getattr(room, name)).parameters.values()
        assert [p.replace(annotation=p.empty) for p in found] == wanted, f"{short}.{name}: arguments {found}"
        assert getattr(room, name).__module__.startswith(room.__name__), name
    more = {name for name, value in vars(room).items() if inspect.isroutine(value)} - set(NAMES)
    assert not more, f"{short} has {more} besides: add a line to KernelSet in kernels/minigen_kernels/__init__.py"


def assert_agree(got: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Integers and shapes agree exactly; numbers as two sums in different orders do.

    No sum here has more than 700 terms, nearly all of them positive, or it is made of parts in float64; so the rounding
    errors of two rooms stay together below 700 units in the last place of the largest result.
    """
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=700 * np.finfo(a.dtype).eps * np.abs(b).max())
        else:
            np.testing.assert_array_equal(a, b)
