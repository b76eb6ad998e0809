"""The six training steps in minigen, as a user of minigen writes them.

Each function takes batches of images and returns its networks and its update; an update takes the noise of the step as
arrays and returns the losses.

Imports: NumPy, minigen. Read next: ``in_torch.py``, the same in PyTorch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numba
import numpy as np

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.autograd import Tensor
from minigen.device import to_device

from .work import WORKS, Draw

Update = Callable[..., tuple[Tensor, ...]]
Networks = dict[str, nn.Module]

leaky = partial(ops.leaky_relu, slope=0.2)


def descend(loss: Tensor, optimizer: optim.Optimizer) -> None:
    """One step of the optimizer; only the gradients that it needs are computed."""
    for p, g in zip(optimizer.params, mg.grad(loss, optimizer.params)):
        p.grad = g
    optimizer.step()


def dense_autoencoder(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Dense(784, 128), ops.relu, nn.Dense(128, 64), ops.relu,
        nn.Dense(64, 128), ops.relu, nn.Dense(128, 784), ops.sigmoid,
    )  # fmt: skip
    return {"network": network}, reconstruct(network, real)


def conv_autoencoder(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(16, 8, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(8, 8, 3, padding=1), ops.relu, nn.Upsample(2),
        nn.Conv2d(8, 16, 3), ops.relu, nn.Upsample(2),
        nn.Conv2d(16, 1, 3, padding=1), ops.sigmoid,
    )  # fmt: skip
    return {"network": network}, reconstruct(network, real)


def reconstruct(network: nn.Module, x: Tensor) -> Update:
    network.to(x.device)
    optimizer = optim.Adam(network.parameters(), lr=1e-3)

    def update() -> tuple[Tensor, ...]:
        loss = losses.mse(network(x), x)
        descend(loss, optimizer)
        return (loss,)

    return update


def vae(x: Tensor, _: Tensor) -> tuple[Networks, Update]:
    networks: Networks = {
        "encoder": nn.Sequential(nn.Dense(784, 400), ops.relu),
        "mean": nn.Dense(400, 20),
        "logvar": nn.Dense(400, 20),
        "decoder": nn.Sequential(nn.Dense(20, 400), ops.relu, nn.Dense(400, 784)),
    }
    encoder, to_mean, to_logvar, decoder = (network.to(x.device) for network in networks.values())
    optimizer = optim.Adam([p for network in networks.values() for p in network.parameters()], lr=1e-3)

    def update(noise: Any) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = ops.reparameterize(mean, logvar, noise)
        kl = losses.gaussian_kl(mean, logvar, reduction="sum")
        loss = losses.bce_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss, optimizer)
        return (loss,)

    return networks, update


def dense_gan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(100, 128), leaky, nn.Dense(128, 256), leaky, nn.Dense(256, 512), leaky,
        nn.Dense(512, 1024), leaky, nn.Dense(1024, 784), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Dense(784, 1024), leaky, nn.Dense(1024, 512), leaky, nn.Dense(512, 256), leaky,
        nn.Dense(256, 128), leaky, nn.Dense(128, 64), leaky, nn.Dense(64, 32), leaky, nn.Dense(32, 1),
    )  # fmt: skip
    ones, zeros = (Tensor(make((len(real), 1), np.float32), device=real.device) for make in (np.ones, np.zeros))
    labels = ops.concat([ones, zeros])
    descend_d, descend_g = (
        partial(descend, optimizer=optim.Adam(network.to(real.device).parameters(), lr=2e-4, betas=(0.5, 0.999)))
        for network in (discriminator, generator)
    )

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        loss_d = losses.bce_with_logits(discriminator(ops.concat([real, fake])), labels)  # both in one pass
        descend_d(loss_d)
        loss_g = losses.bce_with_logits(discriminator(generator(Tensor(noise_g))), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def dcgan(real: Tensor, _: Tensor) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Dense(100, 7 * 7 * 256, bias=False), nn.BatchNorm(7 * 7 * 256), leaky, nn.Reshape((256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False), nn.BatchNorm(128), leaky,
        nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1, bias=False), nn.BatchNorm(64), leaky,
        nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1), ops.tanh,
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm(64), leaky,
        nn.Conv2d(64, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm(32), leaky,
        nn.Flatten(), nn.Dense(32 * 7 * 7, 1),
    )  # fmt: skip
    ones, zeros = (Tensor(make((len(real), 1), np.float32), device=real.device) for make in (np.ones, np.zeros))
    descend_d, descend_g = (
        partial(descend, optimizer=optim.Adam(network.to(real.device).parameters(), lr=2e-4, betas=(0.5, 0.999)))
        for network in (discriminator, generator)
    )

    def update(noise_d: Any, noise_g: Any) -> tuple[Tensor, ...]:
        with mg.no_grad():
            fake = generator(Tensor(noise_d))
        # Two passes: batch norm sees real and fake images apart.
        loss_d = losses.bce_with_logits(discriminator(real), ones)
        loss_d = loss_d + losses.bce_with_logits(discriminator(fake), zeros)
        descend_d(loss_d)
        loss_g = losses.bce_with_logits(discriminator(generator(Tensor(noise_g))), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def wgan_gp(real: Tensor, fake: Tensor) -> tuple[Networks, Update]:
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 5, stride=2, padding=2), leaky, nn.Conv2d(64, 128, 5, stride=2, padding=2), leaky,
        nn.Flatten(), nn.Dense(128 * 7 * 7, 1),
    )  # fmt: skip
    n = len(real)
    critic.to(real.device)
    optimizer = optim.Adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))

    def update(noise: Any) -> tuple[Tensor, ...]:
        scores = critic(ops.concat([real, fake]))  # both in one pass
        between = Tensor(fake.data + noise * (real.data - fake.data), requires_grad=True)
        (slope,) = mg.grad(ops.sum(critic(between)), [between], create_graph=True)
        length = ops.norm(ops.flatten(slope), axis=1)
        loss = ops.mean(scores[n:]) - ops.mean(scores[:n]) + 10 * ops.mean((length - 1) ** 2)
        descend(loss, optimizer)
        return (loss,)

    return {"critic": critic}, update


MODELS = {
    "dense-ae": dense_autoencoder,
    "conv-ae": conv_autoencoder,
    "vae": vae,
    "gan": dense_gan,
    "dcgan": dcgan,
    "wgan-gp": wgan_gp,
}


def draw_and_update(update: Update, rng: mg.Generator, batch: int, noise: Sequence[Draw]) -> tuple[Tensor, ...]:
    """One update with noise of its own."""
    return update(*[getattr(rng, kind)((batch, *shape)) for kind, shape in noise])


class Training:
    """One of the models, ready to be stepped: `step` makes one update with noise of its own."""

    def __init__(self, name: str, batch: int, threads: int, device: str = "cpu", captured: bool = False) -> None:
        mg.set_num_threads(threads)
        mg.manual_seed(0)
        self.work, self.batch, self.rng = WORKS[name], batch, mg.Generator(2, device=device)
        self.networks, self.update = MODELS[name](*(Tensor(x, device=device) for x in self.work.data(batch)))
        self.step: Callable[[], object] = partial(draw_and_update, self.update, self.rng, self.batch, self.work.noise)
        if captured:
            self.step = mg.capture(self.step)

    def weights(self) -> dict[str, Any]:
        """All parameters and running statistics, under PyTorch's names."""
        return {f"{n}.{k}": v for n, network in self.networks.items() for k, v in network.state_dict().items()}

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        return [loss.item() for loss in self.update(*(to_device(x, self.rng.device) for x in noise))]

    def wait(self) -> None:
        """Return when all steps are done: on a CPU at once."""
        if self.rng.device == "cuda":
            importlib.import_module("cupy").cuda.Device().synchronize()  # all streams: a graph may have its own

    def remark(self) -> str:
        """Why a step that should be a graph is none."""
        reason = getattr(self.step, "reason", None)
        return f"steps are not captured: {reason}" if reason else ""

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"minigen": mg.__version__, "numpy": np.__version__, "numba": numba.__version__}
