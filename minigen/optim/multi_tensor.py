"""Many small parameters in one array, so that an optimizer updates them with one launch.

On a GPU every launch costs microseconds, whatever its size, and a network has dozens of parameters. Here the parameters
of one group, device and dtype are laid one after another in one buffer, and so is each array that the optimizer
remembers of them; every `p.data` becomes a view of its place. A step then gathers the gradients and runs the kernel
once over all. What stays out of a step (frozen, without gradient, at another count of steps) cuts the buffer into runs,
each with a launch of its own.

The arrays of parameters and states remain the truth: an array that somebody put in the place of a view (another
checkpoint, other memories) is noticed at the next step, and all are laid out anew. The old buffer stays as it was, for
somebody may have kept a view of it to put it back.

Imports: device, kernels. Read next: ``optimizer.py``, which uses this.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minigen.autograd import Tensor
from minigen.device import Device, array_module, device_of
from minigen_kernels import Array

State = dict[str, Array]  # what an optimizer remembers of one parameter


def uses_flat_buffers(device: Device) -> bool:
    """Whether parameters on this device are laid side by side.

    On the CPU a call costs 3 to 5 us, and to gather the gradients is one more pass over memory. Adam on 1.6 million
    numbers in 8 parameters takes 0.9 ms one by one and 1.2 ms side by side; dozens of tiny parameters would gain 2 us
    each, which no training step notices (measured on an x86 processor). So there each is updated by itself.
    """
    return device == "cuda"


class FlatSlice(NamedTuple):
    """Parameters that are updated as one: their numbers; their values, gradients and state, flat where it is several.

    counts: the entries of the state that each parameter keeps for itself, equal in all of them.
    """

    numbers: list[int]
    p: Array
    g: Array
    state: State
    counts: list[str]


class FlatBuffer:
    """Copies of arrays of one dtype side by side in `whole`; view k has the shape of array k."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.whole = array_module(arrays[0]).concatenate([a.reshape(-1) for a in arrays])
        self.ends = [0, *itertools.accumulate(a.size for a in arrays)]
        self.views = [self.part(k, k + 1).reshape(a.shape) for k, a in enumerate(arrays)]

    def part(self, first: int, stop: int) -> Array:
        """Arrays `first`, ..., `stop - 1`, as one flat view."""
        return self.whole[self.ends[first] : self.ends[stop]]


class ParameterBlock:
    """The parameters `numbers` of an optimizer, all of one device and dtype: they and their states become views."""

    def __init__(self, numbers: list[int], params: Sequence[Tensor], states: Sequence[State]) -> None:
        self.numbers = numbers
        self.values = FlatBuffer([params[i].data for i in numbers])
        state = states[numbers[0]]
        self.counts = [name for name in state if _is_count(state[name])]
        self.rows = {name: FlatBuffer([states[i][name] for i in numbers]) for name in state if name not in self.counts}
        for k, i in enumerate(numbers):
            params[i].data = self.values.views[k]
            states[i].update((name, row.views[k]) for name, row in self.rows.items())

    def is_current(self, params: Sequence[Tensor], states: Sequence[State]) -> bool:
        """Whether all of them are views still: nobody has put another array in the place of one."""
        return all(params[i].data is view for i, view in zip(self.numbers, self.values.views)) and all(
            states[i].get(name) is view for name, row in self.rows.items() for i, view in zip(self.numbers, row.views)
        )

    def slices(self, params: Sequence[Tensor], states: Sequence[State], active: set[int]) -> Iterator[FlatSlice]:
        """Neighbours in `active` that have counted the same number of steps."""

        def kind(k: int) -> tuple[int, ...] | None:
            i = self.numbers[k]
            return tuple(int(states[i][name]) for name in self.counts) if i in active else None

        for counted, group in itertools.groupby(range(len(self.numbers)), kind):
            if counted is None:
                continue
            first, *_ = places = list(group)
            stop = first + len(places)
            gradients = [params[self.numbers[k]].grad.data.reshape(-1) for k in places]  # type: ignore[union-attr]
            g = gradients[0] if len(gradients) == 1 else array_module(gradients[0]).concatenate(gradients)
            state = {name: row.part(first, stop) for name, row in self.rows.items()}
            state |= {name: states[self.numbers[first]][name] for name in self.counts}
            yield FlatSlice(self.numbers[first:stop], self.values.part(first, stop), g, state, self.counts)


class Layout:
    """All parameters of an optimizer that are laid side by side, by parameter group, device and dtype."""

    def __init__(self, params: Sequence[Tensor], states: Sequence[State], group_of: Sequence[int]) -> None:
        together: dict[tuple[int, Device, np.dtype[np.generic]], list[int]] = {}
        for i, (p, state, group) in enumerate(zip(params, states, group_of, strict=True)):
            device = device_of(p.data)
            if uses_flat_buffers(device) and all(_is_count(a) or _same_kind(p.data, a) for a in state.values()):
                together.setdefault((group, device, p.dtype), []).append(i)
        self.blocks = [ParameterBlock(numbers, params, states) for numbers in together.values()]

    def is_current(self, params: Sequence[Tensor], states: Sequence[State]) -> bool:
        """Whether the arrays are those that were laid out."""
        return all(block.is_current(params, states) for block in self.blocks)

    def slices(self, params: Sequence[Tensor], states: Sequence[State], active: list[int]) -> Iterator[FlatSlice]:
        """All of `active`: runs of those that lie side by side, then each of the others by itself."""
        rest = set(active)
        for block in self.blocks:
            fitting = {i for i in block.numbers if i in rest and _same_kind(params[i].data, params[i].grad.data)}  # type: ignore[union-attr]
            rest -= fitting
            yield from block.slices(params, states, fitting)
        for i in sorted(rest):
            yield FlatSlice([i], params[i].data, params[i].grad.data, states[i], [])  # type: ignore[union-attr]


def _same_kind(p: Array, a: Array) -> bool:
    return a.shape == p.shape and a.dtype == p.dtype and device_of(a) == device_of(p)


def _is_count(a: Array) -> bool:
    """A number of steps: kept on the host, one for each parameter."""
    return isinstance(a, np.ndarray) and a.ndim == 0 and a.dtype.kind == "i"
