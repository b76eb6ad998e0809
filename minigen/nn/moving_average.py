"""The exponential moving average (EMA) of the parameters of a network.

Imports: autograd, module. Read next: ``init.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from minigen.autograd import Tensor, note_change
from minigen.device import array_module
from minigen.nn.module import Module, Parameter, check_module
from minigen.shapes import one_number


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
        for _, module in self.network.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    setattr(module, name, Tensor(value.data))
        first = next(iter(network.parameters()), None)
        self.updates = Tensor(np.zeros((), np.float32), device=None if first is None else first.device)

    def update(self, network: Module) -> None:
        """Update the average with the current weights of `network`, the one that was copied."""
        check_module("MovingAverage.update", network)
        xp = array_module(self.updates.data)
        k = self.updates.data = xp.asarray(self.updates.data + 1)
        rest = 1 - xp.minimum(self.decay, (1 + k) / (10 + k))
        trained = {name for name, _ in network.named_parameters()}
        current = dict(network._named_tensors())
        for name, average in self.network._named_tensors():
            new = current[name].data
            if name in trained:
                average.data += (new - average.data) * rest.astype(new.dtype)
            else:
                average.data = new.copy()
            note_change(average)
        note_change(self.updates)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.network(*inputs, **options)
