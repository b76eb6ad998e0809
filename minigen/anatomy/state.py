"""Steps that leave no trace: what a step changes is put back after it was measured.

`Host` finds what the step reaches, as it does for `capture` and `compile`: arrays, gradients, states of optimizers,
positions of generators, and the numbers and containers of Python. The arrays are copied before, and the copies written
back into them, so that whoever holds an array sees the old numbers in it. A large array that is no parameter, buffer or
state - a data set, say - is not copied: a checksum tells whether it was changed.

Imports: autograd, capture, nn, device. Read next: ``explain.py``.
"""

from __future__ import annotations

import collections
import contextlib
import random
import types
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.capture.arguments import arrays_in
from minigen.capture.host import Host
from minigen.device import Device, to_device
from minigen.nn import init
from minigen_kernels import Array

LARGE = 1 << 26  # bytes
CONTAINERS = (dict, list, collections.deque)


@contextlib.contextmanager
def put_back(step: Any, arguments: tuple[Any, ...]) -> Iterator[Device]:
    """Inside: the step may be made. Afterwards all that it reaches is as before. Gives the device that it is on.

    A UserWarning says what could not be put back: what an iterator has given, say.
    """
    hosts = [Host(step, arguments, device) for device in ("cpu", "cuda")]
    kept = [_Kept(hosts[0], arrays_in(arguments)), _Kept(hosts[1], [])]
    here, legacy, of_layers = random.getstate(), np.random.get_state(), init.default_rng().state
    try:
        yield "cuda" if hosts[1].slots else "cpu"
    finally:
        left = [change for one in kept for change in one.restore()]
        random.setstate(here)
        np.random.set_state(legacy)
        init.default_rng().state = of_layers
        left += [change for host in hosts if (change := host.change()) is not None]
        left += [f"{what}, and what it gave is gone" for what in hosts[0].unseen if what.endswith("is an iterator")]
        if left:
            warnings.warn(f"explain_step: not all is as it was before the measurement: {left[0]}", stacklevel=4)


class _Kept:
    """What a step reaches, with copies of its arrays."""

    def __init__(self, host: Host, given: list[Array]) -> None:
        self._host = host
        self._tensors = [(t, t.data, t.grad, t.requires_grad, t.changed) for _, t in host.tensors]
        gradients = [t.grad.data for _, t in host.tensors if isinstance(t.grad, Tensor)]
        states = [a for o in host.optimizers for state in o.states for a in state.values()]
        self._slots = [(slot, slot.array) for slot in host.slots]
        own = {id(a) for a in [*(data for _, data, *_ in self._tensors), *gradients, *states]}
        names = {id(a): slot.path for slot, a in self._slots}
        arrays = {id(a): a for a in [*(a for _, a in self._slots), *gradients, *states, *given]}
        changing = [a for a in arrays.values() if _can_change(a)]
        large = [a for a in changing if a.nbytes > LARGE and id(a) not in own]
        self._contents = [(a, a.copy()) for a in changing if not any(a is one for one in large)]
        self._checksums = [(a, names.get(id(a), "an argument"), _checksum(a)) for a in large]
        self._generators = [(generator, generator.state) for generator in host.generators]
        self._rates = [(o, {k: v for k, v in vars(o).items() if k == "_lr"}) for o in _with_groups(host.optimizers)]
        self._containers = [(x, _copied(x)) for _, x, _ in host._lengths if isinstance(x, CONTAINERS)]
        self._sets = [(x, x.copy()) for _, x, _ in host._sets if isinstance(x, set)]
        self._attributes = [(holder, name, value) for _, holder, name, value in host._attributes]
        self._items = [(x, key, value) for _, x, key, value in host._items if isinstance(x, CONTAINERS)]
        self._samplers = [(x, _state_of(x)) for x in host.samplers]

    def restore(self) -> list[str]:
        """Put all of it back; what could not be, in words."""
        for container, before in self._containers:
            _fill(container, before)
        for one, elements in self._sets:
            one.clear()
            one.update(elements)
        for x, key, value in self._items:  # variables of a module among them
            if _entry(x, key) is not value:
                x[key] = value
        for holder, name, value in self._attributes:
            if getattr(holder, name, None) is not value and not isinstance(holder, types.FunctionType):
                setattr(holder, name, value)
        for slot, array in self._slots:
            slot.array = array
        for t, data, gradient, requires, changed in self._tensors:
            t.data, t.grad, t.requires_grad, t.changed = data, gradient, requires, changed
        for array, contents in self._contents:
            array[...] = contents
        for generator, state in self._generators:
            generator.state = state
        for optimizer, rate in self._rates:
            vars(optimizer).update(rate)
        for sampler, state in self._samplers:
            _set_state(sampler, state)
        others = [name for array, name, checksum in self._checksums if _checksum(array) != checksum]
        return [f"{name} is too large to be copied, and its numbers changed" for name in others]


def _can_change(x: Array) -> bool:
    """Whether numbers can be written to an array: not to one that repeats some, nor to a read-only one."""
    if x.ndim and 0 in x.strides:
        return False
    return not isinstance(x, np.ndarray) or x.flags.writeable


def _checksum(x: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(to_device(x, "cpu")).reshape(-1).view(np.uint8).data)


def _with_groups(optimizers: list[Any]) -> list[Any]:
    return [one for o in optimizers for one in (o, *o._group_optimizers)]


def _entry(x: Any, key: Any) -> Any:
    with contextlib.suppress(KeyError, IndexError):
        return x[key]
    return None


def _copied(x: Any) -> Any:
    return dict(x) if isinstance(x, dict) else list(x)


def _fill(container: Any, before: Any) -> None:
    """Make the contents of a container those of before, in their order, where they differ."""
    if isinstance(container, (list, collections.deque)):
        if len(container) != len(before) or any(a is not b for a, b in zip(container, before)):
            container.clear()
            container.extend(before)
    elif list(container) != list(before):
        container.clear()
        container.update(before)
    else:
        for key, value in before.items():
            if container[key] is not value:
                container[key] = value


def _state_of(sampler: Any) -> Any:
    if isinstance(sampler, random.Random):
        return sampler.getstate()
    return sampler.get_state() if isinstance(sampler, np.random.RandomState) else sampler.bit_generator.state


def _set_state(sampler: Any, state: Any) -> None:
    if isinstance(sampler, random.Random):
        sampler.setstate(state)
    elif isinstance(sampler, np.random.RandomState):
        sampler.set_state(state)
    else:
        sampler.bit_generator.state = state
