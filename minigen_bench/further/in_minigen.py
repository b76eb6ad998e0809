"""Inference and the check of a gradient in minigen.

Imports: minigen, images. Read next: ``in_torch.py``, the same in PyTorch.
"""

from __future__ import annotations

import minigen as mg
from minigen import Tensor, nn, ops
from minigen_bench.images.in_minigen import conv_vae_networks
from minigen_bench.minigen_tools import Networks, Update


def encode(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    networks = {name: network.to(x.device) for name, network in conv_vae_networks().items() if name != "decoder"}
    encoder, to_mean, to_logvar = (network.eval() for network in networks.values())

    def update() -> tuple[Tensor, ...]:
        with mg.no_grad():
            h = encoder(x)
            return to_mean(h), to_logvar(h)

    return networks, update


def decode(z: Tensor, _: Tensor) -> tuple[Networks, Update]:
    decoder = conv_vae_networks()["decoder"].to(z.device).eval()

    def update() -> tuple[Tensor, ...]:
        with mg.no_grad():
            return (ops.sigmoid(decoder(z)),)

    return {"decoder": decoder}, update


def gradcheck(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    layer = nn.Conv2d(3, 4, 3, padding=1).to(x.device, x.dtype)

    def update() -> tuple[Tensor, ...]:
        report = mg.gradcheck(layer, x)
        return (Tensor(float(report.ok)),)

    return {"layer": layer}, update


STEPS = {"encode": encode, "decode": decode, "gradcheck": gradcheck}
