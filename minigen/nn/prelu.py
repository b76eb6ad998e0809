"""PReLU: the one activation with something to learn, and so a layer. All others are functions in `ops`.

Imports: tensor, ops, module, checks. Read next: ``pooling.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.nn.checks import count
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.shapes import one_number


class PReLU(Module):
    """x where it is above 0, weight * x elsewhere: weight (1,), or (C,) for the channels of (N, C, ...).

    The slope begins at `init` (He et al. 2015, arXiv:1502.01852). Weight decay would pull it to a ReLU: give it a
    parameter group without.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = count("PReLU", "num_parameters", num_parameters)
        self.weight = Parameter(np.full(num_parameters, one_number("PReLU", "init", init), np.float32))

    def forward(self, x: Tensor) -> Tensor:
        n = self.num_parameters
        if n != 1 and x.shape[1:2] != (n,):
            raise ShapeError(self, f"(N, {n}, ...)", x.shape)
        return ops.prelu(x, self.weight)


__all__ = ["PReLU"]
