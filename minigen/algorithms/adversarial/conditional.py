"""What the conditional GANs share: a generator that is given a class, and samples and pictures of a class.

Imports: build, step, gan. Read next: ``cgan.py``, ``acgan.py``, ``infogan.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from minigen import nn, ops
from minigen.algorithms.adversarial import build, gan
from minigen.algorithms.adversarial.step import GAN, Objective, adversarial_step
from minigen.algorithms.donors import BORROWED
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Step, Term
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models.vae import one_hot
from minigen.random import Generator
from minigen_kernels import Array

PICTURED = 10  # classes in a picture


def recipe(name: str, summary: str, paper: str, make: Callable[[Setup, Objective], Experiment], **own: Any) -> Recipe:
    """A conditional GAN by name: it has the losses of ``gan``, and a `build` of its own. `own` as in `build.recipe`."""
    options = {"norm": "batch", "epochs": 10, **gan.LOSS_OPTIONS, **own}
    return build.recipe(name, summary, paper, gan.objective, make, without=tuple(BORROWED), **options)


class ConditionalGAN(GAN):
    """A GAN whose generator is given a condition beside its code, G(z, y).

    The condition y is a class out of `classes`, one-hot, and in InfoGAN `continuous` numbers from -1 to 1. `name` is
    the model's, for errors. With `given_classes` the classes are those of the labels (see `Latent`).
    """

    given_classes = True
    labels: Array  # (N,), on the device: the classes that the images at hand should have
    condition: Tensor  # (N, K + M): the same as one-hot rows, and M numbers

    def __init__(self, *networks: nn.Module, name: str, classes: int, continuous: int = 0, **settings: Any) -> None:
        super().__init__(*networks, **settings)
        self.name, self.classes, self.continuous = name, classes, continuous

    def conditioned_on(self, labels: Array | None, n: int) -> Self:
        """The same networks with the labels (N,) of real images. ValueError for none, or one that is not below K."""
        if labels is None:
            raise ValueError(f"{self.name} needs labels, and this batch has none; train on labelled images")
        rows, device, model = one_hot(labels, self.classes).astype(self.dtype), self.noise.device, copy.copy(self)
        model.labels, model.condition = to_device(labels, device), Tensor(to_device(rows, device))
        return model

    def generate(self, n: int) -> Tensor:
        """n images G(z, y) of new codes, (n, C, H, W)."""
        return self.generator(ops.concat([self.draw_codes(n), self.condition], axis=1))


def class_count(name: str, setup: Setup) -> int:
    """How many classes the images have. ValueError if they have no labels."""
    if setup.classes is None:
        raise ValueError(f"{name} needs labels, and this data set has none; use 'dcgan', or a data set with labels")
    return setup.classes


def make_experiment(
    setup: Setup,
    model: ConditionalGAN,
    objective: Objective,
    make_step: Callable[..., Step] = adversarial_step,
    *,
    terms: Mapping[str, Term],
    auxiliary: bool = True,
) -> Experiment:
    """That of a conditional GAN: its samples are of a class. `terms` are those that it logs besides those of all GANs.

    Codes are (N, M + latent): the M numbers of the condition, which ``--traverse`` finds as the first units, then the
    noise. With `auxiliary` outputs the discriminator scores images without labels.
    """
    device, m = setup.device, model.continuous
    known = setup.trained_classes if model.given_classes else range(model.classes)

    def draw(n: int, rng: Generator) -> Array:
        numbers = [rng.uniform((n, m), -1.0, 1.0)] if m else []
        return np.concatenate([*numbers, rng.normal((n, model.latent))], axis=1)

    def generator_input(codes: Array, labels: Array | None) -> Array:
        if labels is None or len(labels) != len(codes):
            got = "none" if labels is None else f"{len(labels)} of them"
            raise ValueError(f"{model.name}: expected a label for each of the {len(codes)} codes, got {got}")
        return np.concatenate([codes[:, m:], one_hot(labels, model.classes), codes[:, :m]], axis=1)

    def decode(codes: Array, labels: Array | None) -> Array:
        return predict(model.sampler, generator_input(codes, labels), device=device)

    def pictures(images: Array) -> list[Array]:
        """In each row one code as every class (the first ten)."""
        codes = draw(len(images), Generator(setup.seed).spawn("pictures"))
        return [decode(codes, np.full(len(codes), k)) for k in known[:PICTURED]]

    def diagnostics(images: Array) -> dict[str, Array]:
        def generate(n: int) -> Array:
            codes = draw(n, Generator(setup.seed).spawn("signs"))
            labels = np.array(known)[np.arange(n) % len(known)]
            return predict(model.generator, generator_input(codes, labels), device=device)

        return build.training_scores(model, images, generate, device)

    experiment = build.make_experiment(setup, model, objective, make_step)
    return replace(
        experiment,
        ledger={**experiment.ledger, **terms},
        pictures=pictures,
        latent=Latent(model.latent + m, decode, draw, model.classes, given_classes=model.given_classes),
        diagnostics=diagnostics if auxiliary else None,
    )
