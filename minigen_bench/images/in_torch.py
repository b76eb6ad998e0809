"""The steps of image models without an adversary in PyTorch.

Imports: PyTorch, torch_tools. Read next: ``in_jax.py``, the same in JAX.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody gives it
from torch import Tensor, nn

from minigen_bench.torch_tools import Adam, Networks, Update, descend_by


def reconstruct(network: nn.Module, x: Tensor, adam: Adam) -> tuple[Networks, Update]:
    descend = descend_by(adam, network)

    def update() -> tuple[Tensor, ...]:
        loss = F.mse_loss(network(x), x)
        descend(loss)
        return (loss,)

    return {"network": network}, update


def conv_autoencoder(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return reconstruct(network, x, adam)


def wide_autoencoder(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 3, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return reconstruct(network, x, adam)


class Block(nn.Module):
    """x + f(x), f: two 3x3 convolutions with batch norm after the first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.norm(self.conv1(x))))


class ResidualAutoencoder(nn.Module):
    """Two steps down, two up, each with a residual block; what went down is added on the way up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block1 = nn.Conv2d(3, 32, 3, padding=1), Block(32)
        self.down1, self.block2 = nn.Conv2d(32, 64, 4, stride=2, padding=1), Block(64)
        self.down2, self.block3 = nn.Conv2d(64, 128, 4, stride=2, padding=1), Block(128)
        self.up2, self.block4 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), Block(64)
        self.up1, self.block5 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), Block(32)
        self.last = nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        large = self.block1(F.relu(self.stem(x)))
        small = self.block2(F.relu(self.down1(large)))
        code = self.block3(F.relu(self.down2(small)))
        small = self.block4(F.relu(self.up2(code)) + small)
        large = self.block5(F.relu(self.up1(small)) + large)
        return torch.sigmoid(self.last(large))


def residual_autoencoder(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    return reconstruct(ResidualAutoencoder(), x, adam)


def denoising_autoencoder(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 1, 3, padding=1),
    )  # fmt: skip
    descend = descend_by(adam, network)

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        loss = F.binary_cross_entropy_with_logits(network(x + 0.5 * noise), x)
        descend(loss)
        return (loss,)

    return {"network": network}, update


def conv_vae_networks() -> Networks:
    return {
        "encoder": nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        ),
        "mean": nn.Linear(2048, 64),
        "logvar": nn.Linear(2048, 64),
        "decoder": nn.Sequential(
            nn.Linear(64, 2048), nn.ReLU(), nn.Unflatten(1, (128, 4, 4)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
        ),
    }  # fmt: skip


def large_vae_networks() -> Networks:
    return {
        "encoder": nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(128, 256, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        ),
        "mean": nn.Linear(4096, 128),
        "logvar": nn.Linear(4096, 128),
        "decoder": nn.Sequential(
            nn.Linear(128, 4096), nn.ReLU(), nn.Unflatten(1, (256, 4, 4)),
            nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
        ),
    }  # fmt: skip


def evidence_bound(networks: Networks, x: Tensor, adam: Adam) -> tuple[Networks, Update]:
    encoder, to_mean, to_logvar, decoder = networks.values()
    descend = descend_by(adam, *networks.values())

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = mean + torch.exp(0.5 * logvar) * noise
        kl = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
        loss = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss)
        return (loss,)

    return networks, update


def conv_vae(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    return evidence_bound(conv_vae_networks(), x, adam)


def large_vae(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    return evidence_bound(large_vae_networks(), x, adam)


def vq_vae(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    encoder = nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 128, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(128, 64, 1),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, stride=2, padding=1),
    )  # fmt: skip
    codebook = nn.Embedding(256, 64)
    descend = descend_by(adam, encoder, decoder, codebook)

    def update() -> tuple[Tensor, ...]:
        z = encoder(x).permute(0, 2, 3, 1)  # (N, 8, 8, 64)
        vectors, entries = z.reshape(-1, 64), codebook.weight
        with torch.no_grad():
            distances = torch.sum(entries * entries, dim=1) - 2 * (vectors @ entries.T)
            nearest = torch.argmin(distances, dim=1)
        chosen = codebook(nearest)
        straight_through = vectors + (chosen - vectors).detach()
        images = decoder(straight_through.reshape(z.shape).permute(0, 3, 1, 2))
        commitment = F.mse_loss(chosen, vectors.detach()) + 0.25 * F.mse_loss(vectors, chosen.detach())
        loss = F.mse_loss(images, x) + commitment
        descend(loss)
        return (loss,)

    return {"encoder": encoder, "decoder": decoder, "codebook": codebook}, update


def classifier(x: Tensor, labels: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    descend = descend_by(adam, network)

    def update() -> tuple[Tensor, ...]:
        loss = F.cross_entropy(network(x), labels)
        descend(loss)
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
