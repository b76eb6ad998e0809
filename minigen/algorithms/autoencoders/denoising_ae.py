"""The denoising autoencoder (Vincent et al. 2010, JMLR 11): it is given corrupted images, and asked for the clean ones.

    x~ ~ q(x~ | x)              corruption: masking, Gaussian noise, or salt and pepper (section 3.3)
    h = f(x~)                   the code of the corrupted image
    minimise L(x, g(h))         the decoder's image against the clean one (section 3.1)

The update moves all parameters along the gradient of that (`gradient_step` in ``build.py``).

Imports: ae, build. Read next: ``ae.py`` for L and the network, ``build.py`` for the update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from minigen.algorithms.autoencoders.ae import COMMON, LOSSES, Loss, assemble, dense_network
from minigen.algorithms.autoencoders.build import Objective
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.options import Option
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator
from minigen_kernels import Array

OPTIONS: Mapping[str, Option] = {
    "corruption": Option(str, "what is done to the input", choices=("masking", "gaussian", "salt-and-pepper")),
    "corruption_level": Option(float, "share of pixels hit, or standard deviation of the noise", minimum=0, maximum=1),
}

Corruption = Callable[[Array, Generator], Array]  # (images, noise) -> corrupted images


def denoising(model: Autoencoder, loss: Loss, corrupt: Corruption) -> Objective:
    """L(x, g(f(x~))), x~ a corrupted copy of x."""

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        h = model.encode(Tensor(corrupt(x.data, noise)))
        reconstruction = loss(model, model.logits(h), x)
        return {"loss": reconstruction, "reconstruction": reconstruction}

    return objective


def masking(level: float, low: float = 0.0) -> Corruption:
    """Each pixel is set to `low` (black) with probability `level`."""

    def corrupt(x: Array, rng: Generator) -> Array:
        lost = rng.bernoulli(level, x.shape, dtype=x.dtype)
        return x * (1 - lost) + low * lost

    return corrupt


def gaussian(level: float, low: float = 0.0, high: float = 1.0) -> Corruption:
    """Normal noise of standard deviation `level` is added, and the result kept within the range of the data."""

    def corrupt(x: Array, rng: Generator) -> Array:
        return (x + rng.normal(x.shape, 0.0, level, dtype=x.dtype)).clip(low, high)

    return corrupt


def salt_and_pepper(level: float, low: float = 0.0, high: float = 1.0) -> Corruption:
    """Each pixel is replaced with probability `level`, by `low` or `high` with equal chance."""

    def corrupt(x: Array, rng: Generator) -> Array:
        u = rng.uniform(x.shape, dtype=x.dtype)
        pepper, salt = u < level / 2, (u >= level / 2) & (u < level)
        return x * (u >= level) + pepper.astype(x.dtype) * low + salt.astype(x.dtype) * high

    return corrupt


def _build(setup: Setup) -> Experiment:
    (low, high), level, device = setup.value_range, setup.options["corruption_level"], setup.device
    corrupt = {
        "masking": masking(level, low),
        "gaussian": gaussian(level, low, high),
        "salt-and-pepper": salt_and_pepper(level, low, high),
    }[setup.options["corruption"]]
    model, loss = dense_network(setup, 256), LOSSES[setup.options["loss"]]

    def corrupt_alike(x: Array, rng: Generator | None = None) -> Array:
        """The same noise each time, for evaluation and pictures."""
        return corrupt(x, Generator(setup.seed, device=device).spawn("pictures"))

    evaluation = denoising(model, loss, corrupt_alike)
    experiment = assemble(setup, model, denoising(model, loss, corrupt), evaluation=evaluation)

    def pictures(images: Array) -> list[Array]:
        """Images, corrupted images, and what is made of these."""
        corrupted = to_device(corrupt_alike(to_device(images, device)), "cpu")
        return [images, corrupted, predict(model, corrupted, device=device)]

    return replace(experiment, pictures=pictures)


RECIPES = (
    Recipe(
        "denoising-ae",
        "autoencoder",
        "pixels-256-64-256-pixels that sees corrupted images and is asked for the clean ones",
        "Vincent et al. 2010, Stacked denoising autoencoders, JMLR 11",
        {**COMMON, "latent": 64, "hidden": 256, "layers": 1, "corruption": "masking", "corruption_level": 0.3},
        _build,
    ),
)
