"""Multi-tensor updates: many small parameters in one buffer, so that an optimizer updates them with one launch.

On a GPU every launch costs microseconds, whatever its size, and a network has dozens of parameters. Here the parameters
of one group, device and dtype are copied into one buffer, and so is their optimizer state, array by array; every
`p.data` becomes a view of the buffer. A step then concatenates the gradients and runs the kernel once over all.
Parameters that a step leaves out (frozen, without gradient, at another step count) cut the buffer into slices, and each
slice needs its own launch.

`p.data` and the states are authoritative: if a view was replaced by another array (a checkpoint was loaded), the next
step notices and makes new buffers. The old buffer is left as it was, because views of it may still be in use.

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

State = dict[str, Array]  # the optimizer state of one parameter


def uses_flat_buffers(device: Device) -> bool:
    """Whether parameters on this device are copied into buffers.

    On the CPU a call costs 3 to 5 us, and concatenating the gradients is one more pass over memory. Adam on 1.6 million
    numbers in 8 parameters takes 0.9 ms one by one and 1.2 ms in a buffer; dozens of tiny parameters would gain 2 us
    each, which is negligible (measured on an x86 processor). So on the CPU each is updated separately.
    """
    return device == "cuda"


class FlatSlice(NamedTuple):
    """Parameters that are updated together: their indices, and their values, gradients and state as flat arrays.

    step_counts: names of the entries of the state that each parameter has separately, with equal values.
    """

    indices: list[int]
    p: Array
    g: Array
    state: State
    step_counts: list[str]


class FlatBuffer:
    """`data` holds copies of arrays of one dtype, one after another; view k has the shape of array k."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.data = array_module(arrays[0]).concatenate([a.reshape(-1) for a in arrays])
        self.offsets = [0, *itertools.accumulate(a.size for a in arrays)]
        self.views = [self.slice(k, k + 1).reshape(a.shape) for k, a in enumerate(arrays)]

    def slice(self, first: int, stop: int) -> Array:
        """Arrays `first`, ..., `stop - 1`, as one flat view."""
        return self.data[self.offsets[first] : self.offsets[stop]]


class ParameterBlock:
    """Parameters of one device and dtype, by their indices: they and their states become views of buffers."""

    def __init__(self, indices: list[int], params: Sequence[Tensor], states: Sequence[State]) -> None:
        self.indices = indices
        self.values = FlatBuffer([params[i].data for i in indices])
        state = states[indices[0]]
        self.step_counts = [name for name in state if _is_step_count(state[name])]
        self.rows = {
            name: FlatBuffer([states[i][name] for i in indices]) for name in state if name not in self.step_counts
        }
        for k, i in enumerate(indices):
            params[i].data = self.values.views[k]
            states[i].update((name, row.views[k]) for name, row in self.rows.items())

    def is_current(self, params: Sequence[Tensor], states: Sequence[State]) -> bool:
        """Whether all of them are still views of the buffers."""
        return all(params[i].data is view for i, view in zip(self.indices, self.values.views)) and all(
            states[i].get(name) is view for name, row in self.rows.items() for i, view in zip(self.indices, row.views)
        )

    def slices(self, params: Sequence[Tensor], states: Sequence[State], active: set[int]) -> Iterator[FlatSlice]:
        """Slices of neighbours in `active` with the same step count."""

        def kind(k: int) -> tuple[int, ...] | None:
            i = self.indices[k]
            return tuple(int(states[i][name]) for name in self.step_counts) if i in active else None

        for counted, group in itertools.groupby(range(len(self.indices)), kind):
            if counted is None:
                continue
            first, *_ = places = list(group)
            stop = first + len(places)
            gradients = [params[self.indices[k]].grad.data.reshape(-1) for k in places]  # type: ignore[union-attr]
            g = gradients[0] if len(gradients) == 1 else array_module(gradients[0]).concatenate(gradients)
            state = {name: row.slice(first, stop) for name, row in self.rows.items()}
            state |= {name: states[self.indices[first]][name] for name in self.step_counts}
            yield FlatSlice(self.indices[first:stop], self.values.slice(first, stop), g, state, self.step_counts)


class Layout:
    """The flat buffers of an optimizer: one block for each parameter group, device and dtype."""

    def __init__(self, params: Sequence[Tensor], states: Sequence[State], group_of: Sequence[int]) -> None:
        together: dict[tuple[int, Device, np.dtype[np.generic]], list[int]] = {}
        for i, (p, state, group) in enumerate(zip(params, states, group_of, strict=True)):
            device = device_of(p.data)
            if uses_flat_buffers(device) and all(_is_step_count(a) or _same_layout(p.data, a) for a in state.values()):
                together.setdefault((group, device, p.dtype), []).append(i)
        self.blocks = [ParameterBlock(indices, params, states) for indices in together.values()]

    def is_current(self, params: Sequence[Tensor], states: Sequence[State]) -> bool:
        """Whether all arrays are still views of the buffers."""
        return all(block.is_current(params, states) for block in self.blocks)

    def slices(self, params: Sequence[Tensor], states: Sequence[State], active: list[int]) -> Iterator[FlatSlice]:
        """All of `active`: slices of the buffers, then each parameter that is in no buffer."""
        rest = set(active)
        for block in self.blocks:
            fitting = {i for i in block.indices if i in rest and _same_layout(params[i].data, params[i].grad.data)}  # type: ignore[union-attr]
            rest -= fitting
            yield from block.slices(params, states, fitting)
        for i in sorted(rest):
            yield FlatSlice([i], params[i].data, params[i].grad.data, states[i], [])  # type: ignore[union-attr]


def _same_layout(p: Array, a: Array) -> bool:
    return a.shape == p.shape and a.dtype == p.dtype and device_of(a) == device_of(p)


def _is_step_count(a: Array) -> bool:
    """Whether it is a step count: on the host, one for each parameter."""
    return isinstance(a, np.ndarray) and a.ndim == 0 and a.dtype.kind == "i"
