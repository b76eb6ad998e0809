"""What the steps in minigen share: the update of one network's parameters.

Imports: minigen. Read next: ``dense/in_minigen.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigen import Tensor, grad, nn, optim

Update = Callable[..., tuple[Tensor, ...]]
Networks = dict[str, nn.Module]


def descend(loss: Tensor, optimizer: optim.Optimizer) -> None:
    """One step of the optimizer; only the gradients that it needs are computed."""
    for p, g in zip(optimizer.params, grad(loss, optimizer.params)):
        p.grad = g
    optimizer.step()


def adam(*networks: nn.Module, like: Tensor, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)) -> Any:
    """Adam for networks, which move to the device and dtype of `like`."""
    parameters = [p for network in networks for p in network.to(like.device, like.dtype).parameters()]
    return optim.Adam(parameters, lr=lr, betas=betas)


def adam_gan(network: nn.Module, like: Tensor) -> Any:
    """Adam as GANs take it (Radford et al. 2016, arXiv:1511.06434)."""
    return adam(network, like=like, lr=2e-4, betas=(0.5, 0.999))
