"""The one mechanism of all hybrids: `Hybrid` makes an `Experiment` of a model's networks and its updates.

A model is a subclass. It makes its networks, declares in `routes` which of them each loss moves, and writes down its
updates in `training_step`, in the order of its paper. What all have in common is here: an optimizer for each loss, what
surrounds the updates in a step, the moving average of the generator, samples, pictures, codes and reconstructions, and
the evidence for the doctor.

Imports: adversarial, options, updates. Read next: ``aae.py``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from minigen import nn, ops, optim
from minigen.algorithms.adversarial.build import Options, batches_per_step, check_setup
from minigen.algorithms.adversarial.step import split_batch
from minigen.algorithms.donors import check_borrowed
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Term, Terms
from minigen.algorithms.hybrid.augment_pipe import AugmentPipe
from minigen.algorithms.hybrid.options import COMMON
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor, no_grad
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.gan import Discriminator
from minigen.random import Generator
from minigen_kernels import Array

Routes = Mapping[str, tuple[str, ...]]  # names of modules by the name of a loss

#: What the terms of a logistic discriminator are (`game.score_terms`).
SCORE_TERMS: Mapping[str, Term] = {
    "real_score": Term("mean probability of being real"),
    "fake_score": Term("mean probability of being real"),
    "accuracy": Term("share that the discriminator has right"),
}


class Hybrid(ABC):
    """A model: its networks, its losses, and one step of its training.

    `networks` have the names that checkpoints give them. Samples come from `generator`, or from its moving average
    (EMA). `autoencoder`, if there is one, is the encoder and the decoder that encode and reconstruct images. `noise`
    is where all random numbers of training come from. `augment` is applied to every image before the discriminator.
    """

    routes: ClassVar[Routes]  # the modules that each loss moves
    through: ClassVar[Routes] = {"generator": ("discriminator",)}  # those that its gradient passes on the way
    has_logits: ClassVar[bool] = True  # the discriminator gives logits, which the doctor looks at

    def __init__(
        self,
        setup: Setup,
        networks: Mapping[str, nn.Module],
        *,
        generator: nn.Module,
        autoencoder: tuple[nn.Module, nn.Module] | None = None,
    ) -> None:
        self.setup, self.options, self.device = setup, setup.options, setup.device
        self.networks, self.generator, self.autoencoder = networks, generator, autoencoder
        self.modules, ema = dict(networks), self.options["ema"]
        self.ema_generator = nn.MovingAverage(generator, ema) if ema else None
        if self.ema_generator is not None:
            self.modules["average"] = self.ema_generator
        for module in self.modules.values():
            module.to(self.device)
        self.noise = Generator(setup.seed, device=self.device).spawn("noise")
        self.augment = AugmentPipe(setup, self.noise)
        optimizers = {loss: self._optimizer(loss) for loss in self.routes}
        self.updates = Updates(optimizers, clip_norm=self.options["clip_norm"])
        self._set_rates = make_schedule(self.options["schedule"], optimizers.values(), setup.steps)

    @abstractmethod
    def training_step(self, batches: list[Tensor]) -> Terms:
        """The updates of one step on `n_critic` batches of images (N, C, H, W), and the terms that are logged.

        The discriminator is updated on each of the batches, everything else on the last one.
        """

    @abstractmethod
    def ledger(self) -> Mapping[str, Term]:
        """What the terms are."""

    def step(self, batch: Batch) -> Terms:
        """One step. ValueError, before anything changes, if the batch does not make `n_critic` equal parts."""
        images = [Tensor(x) for x in split_batch(to_device(batch.x, self.device), self.options["n_critic"])]
        for network in self.networks.values():
            network.train()
        terms = self.training_step(images)
        if self.ema_generator is not None:
            self.ema_generator.update(self.generator)
        return terms

    def update(self, loss: str, value: Tensor) -> None:
        """Move the modules of a loss down its gradient; one power iteration of its spectral norms follows."""
        self.updates(loss, value)
        if loss == "discriminator":
            nn.power_iteration(self.networks[loss])

    def normal(self, n: int) -> Tensor:
        """N(0, 1), (n, D), in the dtype of the generator: codes from the prior, or the noise of a posterior."""
        dtype = self.generator.parameters()[0].dtype
        return Tensor(self.noise.normal((n, self.options["latent"]), dtype=dtype))

    def generate_jointly(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Images of two kinds of codes (N, D), generated in one batch.

        Batch norm's running statistics, which samples are made with later, are then those that both kinds were trained
        with. Of two batches they would be a mean of the statistics of both, and right for neither.
        """
        images = self.generator(ops.concat([first, second]))
        return images[: len(first)], images[len(first) :]

    def schedule(self, k: int) -> None:
        """Set the learning rates and the instance noise of update k, from 0."""
        self._set_rates(k)
        self.augment.decay(k)

    def experiment(self) -> Experiment:
        """The model as training and the command line see it."""
        return Experiment(
            modules=self.modules,
            updates=self.updates,
            generators={"noise": self.noise},
            step=self.step,
            schedule=self.schedule,
            pictures=self.pictures,
            ledger=self.ledger(),
            routes=self.routes,
            through=self.through,
            ema_modules=() if self.ema_generator is None else ("average",),
            reconstruct=None if self.autoencoder is None else self.reconstruct,
            encode=None if self.autoencoder is None else self.encode,
            latent=Latent(self.options["latent"], self.decode, self.draw),
            diagnostics=self.diagnostics if self.has_logits else None,
        )

    # What can be looked at. Arrays are NumPy's, and nothing changes.

    def draw(self, n: int, rng: Generator) -> Array:
        """Codes (n, D) from the prior."""
        return to_device(rng.normal((n, self.options["latent"])), "cpu")

    def fixed_codes(self, n: int, label: str) -> Array:
        """Codes (n, D) from the prior, the same in every call."""
        return self.draw(n, Generator(self.setup.seed).spawn(label))

    def decode(self, codes: Array, labels: Array | None = None) -> Array:
        """Codes (N, D) to samples (N, C, H, W)."""
        return predict(self.ema_generator or self.generator, codes, device=self.device)

    def encode(self, images: Array) -> Array:
        """Images (N, C, H, W) to codes (N, D)."""
        assert self.autoencoder is not None
        return predict(self.autoencoder[0], images, device=self.device)

    def reconstruct(self, images: Array) -> Array:
        """Images (N, C, H, W) to images, between -1 and 1."""
        assert self.autoencoder is not None
        return predict(self.autoencoder[1], self.encode(images), device=self.device).clip(-1, 1)

    def pictures(self, images: Array) -> list[Array]:
        """With an encoder images, their reconstructions, and samples; without one samples alone."""
        samples = self.decode(self.fixed_codes(len(images), "pictures"))
        return [samples] if self.autoencoder is None else [images, self.reconstruct(images), samples]

    def real_and_fake(self, images: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """What the discriminator compares, as its inputs: images, and as many samples of the trained generator."""
        return (images,), (predict(self.generator, self.fixed_codes(len(images), "signs"), device=self.device),)

    def diagnostics(self, images: Array) -> dict[str, Array]:
        """The logits of what is real and of what is generated, each with its own batch statistics, as in training.

        They come from a copy of the discriminator, so that no running statistics move. One image has no statistics.
        """
        if len(images) < 2:
            return {}
        real, fake = ([Tensor(to_device(x, self.device)) for x in kind] for kind in self.real_and_fake(images))
        discriminator = copy.deepcopy(self.networks["discriminator"]).train()
        with no_grad():
            return {"real_score": discriminator(*real).numpy(), "fake_score": discriminator(*fake).numpy()}

    def _optimizer(self, loss: str) -> optim.Optimizer:
        """Over the modules of a loss. "discriminator" and "denoiser" have a learning rate of their own."""
        options, modules = self.options, [self.modules[name] for name in self.routes[loss]]
        rate = options["lr_discriminator" if loss in ("discriminator", "denoiser") else "lr_generator"]
        return make_optimizer(options["optimizer"], modules, rate, betas=(options["beta1"], options["beta2"]))


def features_and_scores(discriminator: Discriminator, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F) and scores (N,) of images (N, C, H, W)."""
    features = discriminator.features(x)
    return features, ops.reshape(discriminator.score(features), (len(x),))


def recipe(
    name: str,
    summary: str,
    paper: str,
    model: Callable[[Setup], Hybrid],
    *shared: Options,
    dense_with_conv: tuple[str, ...] = (),
    **own: Any,
) -> Recipe:
    """A hybrid by name. Its options are those of all hybrids, the `shared` ones of several, and its `own`.

    `dense_with_conv` are sizes of dense layers that have an effect beside convolutions too. A default norm of None is
    batch norm between convolutions, and none between dense layers: there, with batch norm, the discriminator wins
    within some thousand updates, and all samples become alike.
    """
    options = {**COMMON, **{key: value for table in shared for key, value in table.items()}, **own}

    def build(setup: Setup) -> Experiment:
        check_setup(name, options, setup, dense_with_conv)
        check_borrowed(name, options, setup.options)
        if setup.options.get("norm", "") is None:
            norm = "none" if setup.options["network"] == "dense" else "batch"
            setup = replace(setup, options={**setup.options, "norm": norm})
        return model(setup).experiment()

    images = (-1.0, 1.0)
    return Recipe(name, "hybrid", summary, paper, options, build, value_range=images, batches_per_step=batches_per_step)
