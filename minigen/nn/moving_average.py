"""A network that follows another one slowly: the exponential moving average of its parameters.

Imports: tensor, module. Read next: ``init.py``.
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
    """A copy of `network` whose weights are a <- d a + (1 - d) p after each `follow`; d is `decay`, less at first.

    The generator of a GAN circles around its goal; the mean of its path is nearer to it (Yazici et al. 2019,
    arXiv:1806.04498). After k updates d = min(decay, (1 + k) / (10 + k)), so that the first weights, which are noise,
    are soon forgotten. Buffers - the running statistics of batch norm - are copied, not averaged: an average that kept
    its own first statistics would paint garbage. Nothing here is trained: what was a Parameter is a buffer.
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

    def follow(self, network: Module) -> None:
        """One update: `network` is the one that was copied, with its weights of now."""
        check_module("MovingAverage.follow", network)
        xp = array_module(self.updates.data)
        k = self.updates.data = xp.asarray(self.updates.data + 1)
        rest = 1 - xp.minimum(self.decay, (1 + k) / (10 + k))
        trained = {name for name, _ in network.named_parameters()}
        now = dict(network._named_tensors())
        for name, average in self.network._named_tensors():
            new = now[name].data
            if name in trained:
                average.data += (new - average.data) * rest.astype(new.dtype)
            else:
                average.data = new.copy()
            note_change(average)
        note_change(self.updates)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.network(*inputs, **options)
