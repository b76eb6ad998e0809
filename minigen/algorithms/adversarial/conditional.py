"""What the conditional GANs share: a generator that is told what to paint, labels, samples of a class, their pictures.

Imports: models, game, build. Read next: ``cgan.py``, ``acgan.py``, ``infogan.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from minigen import ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import batches, check, make_experiment, predict
from minigen.algorithms.adversarial.game import Game, Rules
from minigen.algorithms.adversarial.options import COMMON, CONV, DENSE
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Step, Term
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, no_grad
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.vae import one_hot
from minigen.random import Generator
from minigen_kernels import Array

SHOWN = 10  # classes in a picture

#: The options of all conditional GANs.
OPTIONS: Mapping[str, Any] = {
    **COMMON,
    "network": "conv",
    **DENSE,
    **CONV,
    "norm": "batch",
    "generator_loss": "non-saturating",
    "label_smoothing": 0.0,
    "epochs": 10,
}


def recipe(name: str, summary: str, paper: str, build: Callable[[Setup, Rules], Experiment], **own: Any) -> Recipe:
    """A conditional GAN by name; it plays by the rules of ``gan``. `own` are options besides those of all of them."""
    options = {**OPTIONS, **own}

    def checked(setup: Setup) -> Experiment:
        rules = gan.rules(setup.options)
        check(name, options, setup, rules)
        return build(setup, rules)

    return Recipe(name, "gan", summary, paper, options, checked, value_range=(-1.0, 1.0), batches_per_step=batches)


class ConditionalGame(Game):
    """A game in which the generator is given, beside its noise, what its images are to show.

    `wanted` are rows (N, M) that say so of the N images at hand: the label as one-hot, and perhaps more. `asking` makes
    the game about other images.
    """

    wanted: Tensor

    def asking(self, wanted: Tensor) -> Self:
        """The same game, about images that are to show `wanted`."""
        game = copy.copy(self)
        game.wanted = wanted
        return game

    def generate(self, n: int) -> Tensor:
        """n images from the generator, (n, C, H, W), of what is wanted."""
        noise = Tensor(self.noise.normal((n, self.latent), dtype=self.dtype))
        return self.generator(ops.concat([noise, self.wanted], axis=1))

    @property
    def dtype(self) -> Any:
        """Of the generator's weights."""
        return next(iter(self.generator.parameters())).dtype


def classes_of(name: str, setup: Setup) -> int:
    """How many classes the images have. ValueError if they have no labels."""
    if setup.classes is None:
        raise ValueError(f"{name} needs labels, and this data set has none; use 'dcgan', or a data set with labels")
    return setup.classes


def labels_of(name: str, batch: Batch) -> Array:
    """The labels (N,) of a batch. ValueError if it has none."""
    if batch.labels is None:
        raise ValueError(f"{name} needs labels, and this batch has none; train on labelled images")
    return batch.labels


def rows_of(labels: Array, classes: int, game: ConditionalGame, device: str) -> Tensor:
    """Labels (N,) as one-hot rows (N, K) on the device. ValueError for a label that is not below K."""
    return Tensor(to_device(one_hot(labels, classes).astype(game.dtype), device))


@dataclass(frozen=True)
class Codes:
    """The codes (N, size) that samples are made from: `draw` takes them from the prior, (n, generator) -> codes.

    `arrange` makes of codes and one-hot labels (N, K) what the generator is given. `given_classes`: see `Latent`.
    """

    size: int
    classes: int
    draw: Callable[[int, Generator], Array]
    arrange: Callable[[Array, Array], Array]
    given_classes: bool = True


def beside(latent: int, classes: int) -> Codes:
    """Codes that are the noise; labels stand beside them."""

    def draw(n: int, rng: Generator) -> Array:
        return rng.normal((n, latent))

    return Codes(latent, classes, draw, lambda codes, rows: np.concatenate([codes, rows], axis=1))


def conditioned(
    name: str,
    setup: Setup,
    game: ConditionalGame,
    rules: Rules,
    play: Callable[[Updates], Step],
    ledger: Mapping[str, Term],
    codes: Codes,
    *,
    headed: bool = False,
) -> Experiment:
    """The experiment that plays `game` with the step that `play` makes.

    With `headed`, the discriminator can judge images without being told what they show, and the first number of its
    answer is the score.
    """
    device = setup.device
    known = setup.trained_classes if codes.given_classes else range(codes.classes)

    def given(z: Array, labels: Array | None) -> Array:
        if labels is None or len(labels) != len(z):
            got = "none" if labels is None else f"{len(labels)} of them"
            raise ValueError(f"{name}: expected a label for each of the {len(z)} codes, got {got}")
        return codes.arrange(z, one_hot(labels, codes.classes))

    def decode(z: Array, labels: Array | None) -> Array:
        return predict(game.sampler, given(z, labels), device)

    def pictures(images: Array) -> list[Array]:
        """In each row one code as every class (the first ten)."""
        z = codes.draw(len(images), Generator(setup.seed).spawn("pictures"))
        return [decode(z, np.full(len(z), k)) for k in known[:SHOWN]]

    def diagnostics(images: Array) -> dict[str, Array]:
        n = len(images)
        z = codes.draw(n, Generator(setup.seed).spawn("signs"))
        samples = predict(game.generator, given(z, np.array(known)[np.arange(n) % len(known)]), device)
        return scores(game, images, samples, device)

    experiment = make_experiment(setup, game, rules)
    return replace(
        experiment,
        step=play(experiment.updates),
        ledger=ledger,
        pictures=pictures,
        latent=Latent(codes.size, decode, codes.draw, codes.classes, given_classes=codes.given_classes),
        diagnostics=diagnostics if headed else None,
    )


def scores(game: ConditionalGame, images: Array, samples: Array, device: str) -> dict[str, Array]:
    """The logits of images and samples (N, C, H, W) as a discriminator of several outputs gives them in training.

    A copy is asked, so that looking moves no running statistics. Empty for one image, which has no batch statistics.
    """
    if len(images) < 2:
        return {}
    judge = copy.deepcopy(game.discriminator).train()
    with no_grad():
        real, fake = (judge(Tensor(to_device(x, device))).numpy()[:, 0] for x in (images, samples))
    return {"real_score": real, "fake_score": fake}
