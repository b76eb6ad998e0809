"""The exponential moving average (EMA) of the parameters of a network.

Imports: autograd, module, kernels. Read next: ``init.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from minigen.autograd import Tensor, note_change
from minigen.device import array_module
from minigen.nn.module import Module, Parameter, check_module
from minigen.shapes import one_number
from minigen_kernels import Array, for_array

Pair = tuple[Array, Array]  # an average, and the value of today


class MovingAverage(Module):
    """A copy of `network` whose weights a are an EMA: `update` does a <- d a + (1 - d) p, d being `decay` or less.

    The generator of a GAN oscillates around its optimum, and the average of its weights is nearer to it (Yazici et al.
    2019, arXiv:1806.04498). At update k, d = min(decay, (1 + k) / (10 + k)), so that the weight of the random initial
    values decays quickly. Buffers, such as the running statistics of batch norm, are copied and not averaged: the
    initial statistics belong to other weights. The copy has buffers where `network` has Parameters.
    """

    def __init__(self, network: Module, decay: float) -> None:
        decay = one_number("MovingAverage", "decay", decay)
        if not 0 < decay < 1:
            raise ValueError(f"MovingAverage: decay must be between 0 and 1, got {decay!r}")
        self.decay = float(decay)
        self.network = copy.deepcopy(check_module("MovingAverage", network))
        self.weights = frozenset(name for name, _ in network.named_parameters())  # what is averaged
        for _, module in self.network.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    setattr(module, name, Tensor(value.data))
        first = next(iter(network.parameters()), None)
        self.updates = Tensor(np.zeros((), np.float32), device=None if first is None else first.device)

    def update(self, network: Module) -> None:
        """Update the average with the current weights of `network`, the one that was copied."""
        check_module("MovingAverage.update", network)
        self.updates.data += 1
        note_change(self.updates)
        current = dict(network._named_tensors())
        together: dict[Any, tuple[list[Pair], list[Pair]]] = {}  # by dtype: what is averaged, and what is copied
        for name, average in self.network._named_tensors():
            note_change(average)
            new = current[name].data
            if new.dtype.kind != "f":
                average.data = new.copy()
                continue
            if not average.data.flags.c_contiguous:  # the kernel writes in place
                average.data = array_module(average.data).ascontiguousarray(average.data)
            together.setdefault(new.dtype, ([], []))[name not in self.weights].append((average.data, new))
        for averaged, copied in together.values():
            averages, values = map(list, zip(*averaged, *copied))
            room = for_array(averages[0])
            room.average_update(averages, values, self.updates.data, self.decay, len(copied))

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.network(*inputs, **options)
