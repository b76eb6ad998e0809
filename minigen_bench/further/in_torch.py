"""Inference and the check of a gradient in PyTorch.

Imports: PyTorch, images. Read next: ``in_jax.py``, the same in JAX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from minigen_bench.images.in_torch import conv_vae_networks
from minigen_bench.torch_tools import Adam, Networks, Update


def encode(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    networks = {name: network for name, network in conv_vae_networks().items() if name != "decoder"}
    encoder, to_mean, to_logvar = (network.eval() for network in networks.values())

    def update() -> tuple[Tensor, ...]:
        with torch.inference_mode():
            h = encoder(x)
            return to_mean(h), to_logvar(h)

    return networks, update


def decode(z: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    decoder = conv_vae_networks()["decoder"].eval()

    def update() -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return (torch.sigmoid(decoder(z)),)

    return {"decoder": decoder}, update


def gradcheck(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    inputs = (x.clone().requires_grad_(), *layer.parameters())

    def update() -> tuple[Tensor, ...]:
        passed = torch.autograd.gradcheck(lambda x, *_: layer(x), inputs)
        return (torch.tensor(float(passed)),)

    return {"layer": layer}, update


STEPS = {"encode": encode, "decode": decode, "gradcheck": gradcheck}
