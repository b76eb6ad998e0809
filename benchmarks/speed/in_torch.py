"""The six training steps in PyTorch: eager, as its users write them.

`tuned` adds what its manual advises for speed and few do: channels-last convolutions and the fused Adam. `compiled`
hands the networks to its compiler, which on a GPU replays them as CUDA graphs.

Imports: PyTorch. Read next: ``in_jax.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody gives it
from torch import Tensor, nn

from .work import WORKS

Update = Callable[..., tuple[Tensor, ...]]
Networks = dict[str, nn.Module]
Adam = Callable[..., torch.optim.Adam]

leaky = partial(nn.LeakyReLU, 0.2)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    """One step of the optimizer; only the gradients that it needs are computed."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=parameters)
    optimizer.step()


def dense_autoencoder(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid(),
    )  # fmt: skip
    return {"network": network}, reconstruct(network, real, adam)


def conv_autoencoder(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return {"network": network}, reconstruct(network, real, adam)


def reconstruct(network: nn.Module, x: Tensor, adam: Adam) -> Update:
    parameters = list(network.parameters())
    optimizer = adam(parameters, lr=1e-3)

    def update() -> tuple[Tensor, ...]:
        loss = F.mse_loss(network(x), x)
        descend(loss, optimizer, parameters)
        return (loss,)

    return update


def vae(x: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    networks: Networks = {
        "encoder": nn.Sequential(nn.Linear(784, 400), nn.ReLU()),
        "mean": nn.Linear(400, 20),
        "logvar": nn.Linear(400, 20),
        "decoder": nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784)),
    }
    encoder, to_mean, to_logvar, decoder = networks.values()
    parameters = list(itertools.chain(*(network.parameters() for network in networks.values())))
    optimizer = adam(parameters, lr=1e-3)

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        h = encoder(x)
        mean, logvar = to_mean(h), to_logvar(h)
        z = mean + torch.exp(0.5 * logvar) * noise
        kl = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
        loss = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") + kl
        descend(loss, optimizer, parameters)
        return (loss,)

    return networks, update


def dense_gan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(100, 128), leaky(), nn.Linear(128, 256), leaky(), nn.Linear(256, 512), leaky(),
        nn.Linear(512, 1024), leaky(), nn.Linear(1024, 784), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Linear(784, 1024), leaky(), nn.Linear(1024, 512), leaky(), nn.Linear(512, 256), leaky(),
        nn.Linear(256, 128), leaky(), nn.Linear(128, 64), leaky(), nn.Linear(64, 32), leaky(), nn.Linear(32, 1),
    )  # fmt: skip
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    labels = torch.cat([ones, zeros])
    descend_d, descend_g = (for_network(network, adam) for network in (discriminator, generator))

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        loss_d = F.binary_cross_entropy_with_logits(discriminator(torch.cat([real, fake])), labels)
        descend_d(loss_d)
        loss_g = F.binary_cross_entropy_with_logits(discriminator(generator(noise_g)), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def for_network(network: nn.Module, adam: Adam) -> Callable[[Tensor], None]:
    """`descend` with an optimizer for this network of a GAN."""
    parameters = list(network.parameters())
    return partial(descend, optimizer=adam(parameters, lr=2e-4, betas=(0.5, 0.999)), parameters=parameters)


def dcgan(real: Tensor, _: Tensor, adam: Adam) -> tuple[Networks, Update]:
    generator = nn.Sequential(
        nn.Linear(100, 7 * 7 * 256, bias=False), nn.BatchNorm1d(7 * 7 * 256), leaky(), nn.Unflatten(1, (256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, padding=2, bias=False), nn.BatchNorm2d(128), leaky(),
        nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1, bias=False), nn.BatchNorm2d(64), leaky(),
        nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), leaky(),
        nn.Conv2d(64, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), leaky(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 1),
    )  # fmt: skip
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    descend_d, descend_g = (for_network(network, adam) for network in (discriminator, generator))

    def update(noise_d: Tensor, noise_g: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            fake = generator(noise_d)
        loss_d = F.binary_cross_entropy_with_logits(discriminator(real), ones)
        loss_d = loss_d + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
        descend_d(loss_d)
        loss_g = F.binary_cross_entropy_with_logits(discriminator(generator(noise_g)), ones)
        descend_g(loss_g)
        return loss_d, loss_g

    return {"generator": generator, "discriminator": discriminator}, update


def wgan_gp(real: Tensor, fake: Tensor, adam: Adam) -> tuple[Networks, Update]:
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 5, stride=2, padding=2), leaky(), nn.Conv2d(64, 128, 5, stride=2, padding=2), leaky(),
        nn.Flatten(), nn.Linear(128 * 7 * 7, 1),
    )  # fmt: skip
    n, parameters = len(real), list(critic.parameters())
    optimizer = adam(parameters, lr=1e-4, betas=(0.0, 0.9))

    def update(noise: Tensor) -> tuple[Tensor, ...]:
        scores = critic(torch.cat([real, fake]))
        between = (fake + noise * (real - fake)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        length = slope.flatten(1).norm(dim=1)
        loss = scores[n:].mean() - scores[:n].mean() + 10 * ((length - 1) ** 2).mean()
        descend(loss, optimizer, parameters)
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


class Training:
    """One of the models, ready to be stepped, with the weights that minigen starts from."""

    def __init__(
        self,
        name: str,
        batch: int,
        threads: int,
        weights: dict[str, Any],
        device: str = "cpu",
        tuned: bool = False,
        compiled: bool = False,
    ) -> None:
        torch.set_num_threads(threads)
        torch.set_default_device(device)
        torch.manual_seed(2)
        self.work, self.batch, self.device, self.compiled = WORKS[name], batch, device, compiled
        adam = partial(torch.optim.Adam, fused=True) if tuned else torch.optim.Adam
        networks, self.update = MODELS[name](*map(self._tensor, self.work.data(batch)), adam)
        for name, network in networks.items():
            own = {k.partition(".")[2]: v for k, v in weights.items() if k.startswith(f"{name}.")}
            network.load_state_dict({k: torch.tensor(v) for k, v in own.items()})
            if tuned:
                network.to(memory_format=torch.channels_last)
            if compiled:
                network.compile(mode="reduce-overhead")

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        self._begin()
        return [loss.item() for loss in self.update(*map(self._tensor, noise))]

    def step(self) -> None:
        """One update with noise of its own."""
        self._begin()
        draws = {"normal": torch.randn, "uniform": torch.rand}
        self.update(*[draws[kind](self.batch, *shape) for kind, shape in self.work.noise])

    def wait(self) -> None:
        """Return when all steps are done: at once, on a CPU."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"torch": torch.__version__}

    def _begin(self) -> None:
        """CUDA graphs write their results where those of the step before were."""
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()

    def _tensor(self, x: Any) -> Tensor:
        return torch.from_numpy(x).to(self.device)
