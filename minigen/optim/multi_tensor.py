"""Multi-tensor updates: many parameters in one call of a kernel.

Every call and every launch on a GPU costs microseconds, whatever its size, and a network has dozens of parameters. So
parameters of one group, dtype and step count go to the kernel in lists, and one launch reads and writes all of them
where they are.

Imports: device, kernels. Read next: ``optimizer.py``, which uses this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import Device, device_of
from minigen_kernels import Array

State = dict[str, Array]  # the optimizer state of one parameter


def updates_together(device: Device) -> bool:
    """Whether parameters on this device are updated by one call: everywhere; tests compare it with a call for each."""
    return True


def calls(
    params: Sequence[Tensor], states: Sequence[State], group_of: Sequence[int], active: Sequence[int]
) -> Iterable[list[int]]:
    """The parameters `active`, by their indices, in lists that one call may update."""
    found: dict[Any, list[int]] = {}
    together = {device: updates_together(device) for device in ("cpu", "cuda")}
    for i in active:
        p = params[i].data
        device = device_of(p)
        if together[device]:
            counts = [a.item() for a in states[i].values() if a.ndim == 0 and is_step_count(a)]
            found.setdefault((group_of[i], device, p.dtype.char, *counts), []).append(i)
        else:
            found[i] = [i]
    return found.values()


def listed(states: Sequence[State]) -> dict[str, list[Array]]:
    """The states of several parameters as one: a list for each name."""
    return {name: [state[name] for state in states] for name in states[0]}


def is_step_count(a: Array) -> bool:
    """Whether it is a step count: on the host, one for each parameter."""
    return isinstance(a, np.ndarray) and a.ndim == 0 and a.dtype.kind == "i"
