"""InfoGAN (Chen et al. 2016, arXiv:1606.03657): codes that the images must show, found without a label.

Beside noise the generator is given a code c: one of K categories, and some numbers from -1 to 1. A second head of the
discriminator, Q(c | x), reads the code off a made image. E[log Q(c | x)] + H(c) is a lower bound of the mutual
information I(c; x) (equation 5), which both players maximise: the generator by showing c, Q by reading it.

Imports: models, game, conditional. Read next: ``unrolled.py``.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from minigen import losses
from minigen.algorithms.adversarial.build import assemble_game, make_discriminator, make_generator
from minigen.algorithms.adversarial.conditional import Codes, ConditionalGame, conditioned, recipe
from minigen.algorithms.adversarial.game import Rules, after_discriminator_update, ledger, parts, score_terms
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Step, Term, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import array_module, to_device
from minigen.models.conditional_gan import headed
from minigen.models.likelihood import bounded
from minigen.random import Generator
from minigen_kernels import Array

HEAD = 128  # width of Q's hidden layer (their appendix C)


class Weights(NamedTuple):
    """Of the two parts of the mutual information in the losses of both players: lambda in equation 6."""

    category: float
    continuous: float


class Code(NamedTuple):
    """What N images shall show: `category` (N,) and `values` (N, M)."""

    category: Array
    values: Array


def information(answers: Tensor, code: Code, categories: int) -> tuple[Tensor, Tensor]:
    """The bounds of I(c; x), of the category and of the values: nats, mean over images, of the values their sum.

    `answers` (N, K + 2 M): logits of the category, then mean and log-variance (`bounded`) of the values. The first is
    at most log K; the second has no limit, since a number can be known ever more exactly.
    """
    m = code.values.shape[1]
    category = math.log(categories) - losses.cross_entropy(answers[:, :categories], code.category)
    mean, logvar = answers[:, categories : categories + m], bounded(answers[:, categories + m :])
    error = losses.gaussian_nll(mean, Tensor(code.values), logvar=logvar, reduction="batchmean")
    return category, m * math.log(2) - error  # a uniform number from -1 to 1 has the entropy log 2


def info_step(
    game: ConditionalGame,
    update: Updates,
    rules: Rules,
    *,
    categories: int,
    continuous: int,
    weights: Weights,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """One update: "discriminator", with Q, `n_critic` times, then "generator": equation 6, each with its own part."""

    def judged(answers: Tensor, code: Code, loss: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A loss less the weighted information, and the two parts of that."""
        category, values = information(answers, code, categories)
        return loss - category * weights.category - values * weights.continuous, category, values

    def step(batch: Batch) -> Terms:
        game.generator.train()
        game.discriminator.train()
        for x in parts(to_device(batch.x, device), n_critic):
            code = draw_code(game, len(x), categories, continuous)
            asked = game.asking(wanted(game, code, categories))
            real, fake = Tensor(x), asked.generate(len(x))
            on_real, on_fake = asked.scores(real, fake.detach())
            source = rules.discriminator(on_real[:, 0], on_fake[:, 0])
            loss, category, values = judged(on_fake[:, 1:], code, source)
            update("discriminator", loss)
            after_discriminator_update(game, rules)
        terms = {"loss": loss, "discriminator": source, "category": category, "continuous": values}
        terms |= score_terms(rules, on_real[:, 0].detach(), on_fake[:, 0].detach())
        on_fake = asked.fake_scores(real, fake)
        source = rules.generator(on_fake[:, 0])
        generator, category, values = judged(on_fake[:, 1:], code, source)
        update("generator", generator)
        if game.ema_generator is not None:
            game.ema_generator.follow(game.generator)
        parts_of_it = {"generator_source": source, "generator_category": category, "generator_continuous": values}
        return {**terms, "generator": generator, **parts_of_it}

    return step


def draw_code(game: ConditionalGame, n: int, categories: int, continuous: int) -> Code:
    """A code from the prior, all categories and values alike likely, for each of n images."""
    rng = game.noise
    return Code(rng.integers(0, categories, (n,)), rng.uniform((n, continuous), -1.0, 1.0, dtype=game.dtype))


def wanted(game: ConditionalGame, code: Code, categories: int) -> Tensor:
    """The code as rows (N, K + M): the category as one-hot, then the values."""
    xp = array_module(code.values)
    return Tensor(xp.concatenate([xp.eye(categories, dtype=game.dtype)[code.category], code.values], axis=1))


def info_ledger(rules: Rules, weights: Weights, categories: int) -> dict[str, Term]:
    """What the terms of `info_step` are."""
    category, values = (
        f"nats, bound of I(category; x), at most {math.log(categories):.2f}",
        "nats, bound of I(values; x)",
    )
    return {
        **ledger(rules),
        "category": Term(category, -weights.category, of="loss"),
        "continuous": Term(values, -weights.continuous, of="loss"),
        "generator_source": Term("nats", of="generator"),
        "generator_category": Term(category, -weights.category, of="generator"),
        "generator_continuous": Term(values, -weights.continuous, of="generator"),
    }


def codes_of(latent: int, categories: int, continuous: int) -> Codes:
    """Codes (N, M + latent): the M values, which ``--traverse`` finds as the first units, then the noise.

    The category takes the place of a label.
    """

    def draw(n: int, rng: Generator) -> Array:
        return np.concatenate([rng.uniform((n, continuous), -1.0, 1.0), rng.normal((n, latent))], axis=1)

    def arrange(codes: Array, rows: Array) -> Array:
        return np.concatenate([codes[:, continuous:], rows, codes[:, :continuous]], axis=1)

    return Codes(continuous + latent, categories, draw, arrange, given_classes=False)


def _build(setup: Setup, rules: Rules) -> Experiment:
    options, image, latent = setup.options, setup.image_shape, setup.options["latent"]
    rng, categories, continuous = Generator(setup.seed).spawn("weights"), options["categories"], options["continuous"]
    weights = Weights(options["category_weight"], options["continuous_weight"])
    generator = make_generator(options, image, rng, inputs=latent + categories + continuous)
    body, outputs = make_discriminator(options, image, rng), categories + 2 * continuous
    game = assemble_game(ConditionalGame, setup, generator, headed(body, outputs, hidden=HEAD, rng=rng.spawn("head")))
    play = functools.partial(
        info_step, game, rules=rules, categories=categories, continuous=continuous, weights=weights,
        n_critic=options["n_critic"], device=setup.device,
    )  # fmt: skip
    named = info_ledger(rules, weights, categories)
    return conditioned(
        "infogan", setup, game, rules, play, named, codes_of(latent, categories, continuous), headed=True
    )


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "infogan",
        "a category and numbers that the images have to show, found without labels",
        "Chen et al. 2016, InfoGAN: interpretable representation learning, arXiv:1606.03657",
        _build,
        categories=10,
        continuous=2,
        lr_generator=1e-3,  # the paper's; at 2e-4 the category is hidden in traces that nobody sees
        category_weight=1.0,
        continuous_weight=0.1,
    ),
)
