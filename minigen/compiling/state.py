"""The state that a step changes: to put it back, and to compare two ways to make one step.

Imports: capture, results, trace. Read next: ``recording.py``.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.capture.host import Host
from minigen.compiling.results import arrays_of
from minigen.compiling.trace import Trace, owner_of
from minigen_kernels import Array


class Undo:
    """What a step changes of what was there before it, to put it back."""

    def __init__(self, host: Host, gradients: Sequence[Any]) -> None:
        self._host, self._gradients = host, gradients
        self._positions, self._counts = host.positions(), host.counts()
        self._arrays = [slot.array for slot in host.slots]

    def all(self, trace: Trace) -> None:
        """Put all of it back."""
        for piece, contents in trace.contents.items():
            trace.found[piece][...] = contents
        self.names()

    def names(self) -> None:
        """Put back which array stands where, positions and counts."""
        host = self._host
        for generator, position in zip(host.generators, self._positions):
            generator._position = position
        for (optimizer, i, name), count in self._counts.items():
            optimizer.states[i][name][...] = count
        for (_, t), gradient in zip(host.tensors, self._gradients):
            t.grad = gradient
        for slot, array in zip(host.slots, self._arrays):
            slot.array = array


def sampler_states(host: Host) -> list[str]:
    """The states of the sources of random numbers that are not minigen's: those that a step reaches, and the global."""
    here = [random.getstate(), np.random.get_state(legacy=False)]
    return [repr(x) for x in here] + [_state_of(x) for x in host.samplers]


def _state_of(sampler: Any) -> str:
    if isinstance(sampler, random.Random):
        return repr(sampler.getstate())
    return repr(
        sampler.get_state(legacy=False) if isinstance(sampler, np.random.RandomState) else sampler.bit_generator.state
    )


class Snapshot:
    """The state before a step, which is made twice."""

    def __init__(self, host: Host, trace: Trace, given: Sequence[Array]) -> None:
        self._host, self._given = host, given
        self._undo = Undo(host, [t.grad for _, t in host.tensors])
        states = [a for o in host.optimizers for state in o.states for a in state.values()]
        owners = {id(owner): owner for owner in [*trace.found.values(), *map(owner_of, states)]}
        self._saved = [(a, a.copy()) for a in owners.values()]
        self.names: list[str] = []

    def restore(self) -> None:
        """Put the state back."""
        for array, contents in self._saved:
            array[...] = contents
        self._undo.names()

    def now(self, result: Any) -> list[Any]:
        """The digests of all that a step may have changed, and of its result: copies would be many times the state."""
        host = self._host
        named: list[tuple[str, Any]] = [(slot.path, slot.array) for slot in host.slots]
        named += [("memory that the step changes", a) for a, _ in self._saved]
        named += [(f"the gradient of {path}", None if t.grad is None else t.grad.data) for path, t in host.tensors]
        named += [("an argument", a) for a in self._given]
        named += [(f"result {i}", a) for i, a in enumerate(arrays_of(result))]
        named += [("the position of a generator", p) for p in host.positions()]
        named += [("the count of an optimizer", count) for count in host.counts().values()]
        self.names = [name for name, _ in named]
        return [_digest(a) if isinstance(a, np.ndarray) else a for _, a in named]


def _digest(x: Array) -> Any:
    """What two arrays of one shape, dtype and order have in common if they have the same bits."""
    if x.dtype.kind not in "biufc":
        return object()  # like no other
    inner_last = x.transpose(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))  # in its own order: no copy
    digest = hashlib.sha256(np.ascontiguousarray(inner_last).data).digest()
    return x.shape, x.dtype.str, x.strides, digest
