"""The steps of image models without an adversary in minigen.

Imports: minigen, minigen_tools. Read next: ``in_torch.py``, the same in PyTorch.
"""

from __future__ import annotations

from typing import Any

import minigen as mg
from minigen import Tensor, losses, nn, ops
from minigen_bench.minigen_tools import Networks, Update, adam, descend


def reconstruct(network: nn.Module, x: Tensor) -> tuple[Networks, Update]:
    optimizer = adam(network, like=x)

    def update() -> tuple[Tensor, ...]:
        loss = losses.mse(network(x), x)
        descend(loss, optimizer)
        return (loss,)

    return {"network": network}, update


def conv_autoencoder(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(16, 8, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(8, 16, 3), ops.relu, nn.Upsample(2),
        nn.Conv2d(16, 1, 3, padding=1), ops.sigmoid,
    )  # fmt: skip
    return reconstruct(network, x)


def wide_autoencoder(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm(64), ops.relu,
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm(64), ops.relu,
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm(64), ops.relu,
        nn.Conv2d(64, 3, 3, padding=1), ops.sigmoid,
    )  # fmt: skip
    return reconstruct(network, x)


class Block(nn.Module):
    """x + f(x), f: two 3x3 convolutions with batch norm after the first."""

    def __init__(self, channels: int) -> None:
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(ops.relu(self.norm(self.conv1(x))))


class ResidualAutoencoder(nn.Module):
    """Two steps down, two up, each with a residual block; what went down is added on the way up."""

    def __init__(self) -> None:
        self.stem, self.block1 = nn.Conv2d(3, 32, 3, padding=1), Block(32)
        self.down1, self.block2 = nn.Conv2d(32, 64, 4, stride=2, padding=1), Block(64)
        self.down2, self.block3 = nn.Conv2d(64, 128, 4, stride=2, padding=1), Block(128)
        self.up2, self.block4 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), Block(64)
        self.up1, self.block5 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), Block(32)
        self.last = nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        large = self.block1(ops.relu(self.stem(x)))
        small = self.block2(ops.relu(self.down1(large)))
        code = self.block3(ops.relu(self.down2(small)))
        small = self.block4(ops.relu(self.up2(code)) + small)
        large = self.block5(ops.relu(self.up1(small)) + large)
        return ops.sigmoid(self.last(large))


def residual_autoencoder(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    return reconstruct(ResidualAutoencoder(), x)


def denoising_autoencoder(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), ops.relu, nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), ops.relu, nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(32, 32, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(32, 1, 3, padding=1),
    )  # fmt: skip
    optimizer = adam(network, like=x)

    def update(noise: Any) -> tuple[Tensor, ...]:
        loss = losses.bce_with_logits(network(x + 0.5 * Tensor(noise)), x)
        descend(loss, optimizer)
        return (loss,)

    return {"network": network}, update


def conv_vae_networks() -> Networks:
    return {
        "encoder": nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), ops.relu,
            nn.Conv2d(32, 64, 4, stride=2, padding=1), ops.relu,
            nn.Conv2d(64, 128, 4, stride=2, padding=1), ops.relu, nn.Flatten(),
        ),
        "mean": nn.Dense(2048, 64),
        "logvar": nn.Dense(2048, 64),
        "decoder": nn.Sequential(
            nn.Dense(64, 2048), ops.relu, nn.Reshape((128, 4, 4)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), ops.relu,
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), ops.relu,
            nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
        ),
    }  # fmt: skip


def large_vae_networks() -> Networks:
    return {
        "encoder": nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), ops.relu,
            nn.Conv2d(32, 64, 4, stride=2, padding=1), ops.relu,
            nn.Conv2d(64, 128, 4, stride=2, padding=1), ops.relu,
            nn.Conv2d(128, 256, 4, stride=2, padding=1), ops.relu, nn.Flatten(),
        ),
        "mean": nn.Dense(4096, 128),
        "logvar": nn.Dense(4096, 128),
        "decoder": nn.Sequential(
            nn.Dense(128, 4096), ops.relu, nn.Reshape((256, 4, 4)),
            nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1), ops.relu,
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), ops.relu,
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), ops.relu,
            nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
        ),
    }  # fmt: skip


def evidence_bound(networks: Networks, x: Tensor) -> tuple[Networks, Update]:
    encoder, to_mean, to_logvar, decoder = networks.values()
    optimizer = adam(*networks.values(), like=x)

    def update(noise: Any) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = ops.reparameterize(mean, logvar, noise)
        kl = losses.gaussian_kl(mean, logvar, reduction="sum")
        loss = losses.bce_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss, optimizer)
        return (loss,)

    return networks, update


def conv_vae(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    return evidence_bound(conv_vae_networks(), x)


def large_vae(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    return evidence_bound(large_vae_networks(), x)


def vq_vae(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    encoder = nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1), ops.relu,
        nn.Conv2d(64, 128, 4, stride=2, padding=1), ops.relu, nn.Conv2d(128, 64, 1),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(64, 128, 3, padding=1), ops.relu,
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), ops.relu,
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1),
    )  # fmt: skip
    codebook = nn.Embedding(256, 64)
    optimizer = adam(encoder, decoder, codebook, like=x)

    def update() -> tuple[Tensor, ...]:
        z = ops.transpose(encoder(x), (0, 2, 3, 1))  # (N, 8, 8, 64)
        vectors, entries = ops.reshape(z, (-1, 64)), codebook.weight
        with mg.no_grad():
            distances = ops.sum(entries * entries, axis=1) - 2 * (vectors @ entries.T)
            nearest = ops.argmin(distances, axis=1)
        chosen = codebook(nearest)
        straight_through = vectors + (chosen - vectors).detach()
        images = decoder(ops.transpose(ops.reshape(straight_through, z.shape), (0, 3, 1, 2)))
        commitment = losses.mse(chosen, vectors.detach()) + 0.25 * losses.mse(vectors, chosen.detach())
        loss = losses.mse(images, x) + commitment
        descend(loss, optimizer)
        return (loss,)

    return {"encoder": encoder, "decoder": decoder, "codebook": codebook}, update


def classifier(x: Tensor, labels: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), ops.relu, nn.Conv2d(32, 64, 3), ops.relu, nn.MaxPool2d(2), nn.Flatten(),
        nn.Dense(9216, 128), ops.relu, nn.Dense(128, 10),
    )  # fmt: skip
    optimizer = adam(network, like=x)

    def update() -> tuple[Tensor, ...]:
        loss = losses.cross_entropy(network(x), labels)
        descend(loss, optimizer)
        return (loss,)

    return {"network": network}, update


STEPS = {
    "conv-ae": conv_autoencoder,
    "conv-vae": conv_vae,
    "wide-ae": wide_autoencoder,
    "conv-vae-64": large_vae,
    "res-ae": residual_autoencoder,
    "vq-vae": vq_vae,
    "denoising-ae": denoising_autoencoder,
    "classifier": classifier,
}
