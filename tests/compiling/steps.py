"""A small network with all that training has, and a step of it made plainly and compiled, which have to agree.

Read next: ``test_compile.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from capture.toy import Toy, batches

from minigen import compile
from minigen.autograd import Tensor
from minigen.compiling import CompiledStep

FIRST = 5  # the call that is a replay
DIFFERS = "differs between a replayed step and the same step made plainly"


def toy() -> Toy:
    """The toy on the CPU."""
    return Toy(device="cpu")


def assert_same(
    make: Callable[[Toy], Callable[..., Any]],
    given: list[Any] | None = None,
    before: Callable[[Toy, int], None] = lambda toy, k: None,
) -> CompiledStep[..., Any]:
    """Make the same steps plainly and compiled: results, gradients and state must be the same. The compiled step.

    `before(toy, k)` runs before step k, from 0.
    """
    found = []
    for compiled in (False, True):
        one = toy()
        step = compile(make(one)) if compiled else make(one)
        results: list[Any] = []
        for k, x in enumerate(batches(12) if given is None else given):
            before(one, k)
            result = step(x)
            result = result if isinstance(result, dict) else {"result": result}
            results.append({name: bits(v) for name, v in result.items()})
            results.append([bits(p.grad) for p in one.network.parameters()])
        found.append((results, one.state()))
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]
    assert isinstance(step, CompiledStep)
    return step


def bits(x: Any) -> Any:
    """Shape, dtype and bytes of an array or Tensor; anything else as it is."""
    x = x.data if isinstance(x, Tensor) else x
    return (x.shape, str(x.dtype), x.tobytes()) if isinstance(x, (np.ndarray, np.generic)) else x
