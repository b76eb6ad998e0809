"""What the steps in PyTorch share: the update of one network's parameters.

Imports: PyTorch. Read next: ``dense/in_torch.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

Update = Callable[..., tuple[Tensor, ...]]
Networks = dict[str, nn.Module]
Adam = Callable[..., torch.optim.Adam]
Descend = Callable[[Tensor], None]


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    """One step of the optimizer; only the gradients that it needs are computed."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=parameters)
    optimizer.step()


def descend_by(
    adam: Adam, *networks: nn.Module, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)
) -> Descend:
    """`descend` with Adam for these networks."""
    parameters = list(itertools.chain(*(network.parameters() for network in networks)))
    return partial(descend, optimizer=adam(parameters, lr=lr, betas=betas), parameters=parameters)


def descend_gan(adam: Adam, network: nn.Module) -> Descend:
    """`descend` with Adam as GANs take it."""
    return descend_by(adam, network, lr=2e-4, betas=(0.5, 0.999))
