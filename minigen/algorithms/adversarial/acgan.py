"""AC-GAN (Odena et al. 2017, arXiv:1610.09585): the discriminator is not told the label, it has to tell it.

A second layer on the discriminator's features classifies the image. Both players want the class to be recognised, of
real and of made images; about the source they quarrel, as in every GAN (their equations 2 and 3, with L_S in the form
of ``gan``).

Imports: models, game, conditional. Read next: ``infogan.py``.
"""

from __future__ import annotations

import functools

from minigen import losses
from minigen.algorithms.adversarial.build import assemble_game, make_discriminator, make_generator
from minigen.algorithms.adversarial.conditional import (
    ConditionalGame,
    beside,
    classes_of,
    conditioned,
    labels_of,
    recipe,
    rows_of,
)
from minigen.algorithms.adversarial.game import Rules, after_discriminator_update, ledger, parts, score_terms
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Step, Term, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.conditional_gan import headed
from minigen.random import Generator
from minigen_kernels import Array


def discriminator_terms(
    game: ConditionalGame, rules: Rules, real: Tensor, fake: Tensor, labels: Array, weight: float
) -> dict[str, Tensor]:
    """L_S, and `weight` times the cross-entropies of the class of real and of made images; `fake` is detached."""
    on_real, on_fake = game.scores(real, fake)
    source = rules.discriminator(on_real[:, 0], on_fake[:, 0])
    class_real, class_fake = (losses.cross_entropy(rows[:, 1:], labels) for rows in (on_real, on_fake))
    return {
        "loss": source + (class_real + class_fake) * weight,
        "discriminator": source,
        "class_real": class_real,
        "class_fake": class_fake,
        **score_terms(rules, on_real[:, 0].detach(), on_fake[:, 0].detach()),
    }


def generator_terms(
    game: ConditionalGame, rules: Rules, real: Tensor, fake: Tensor, labels: Array, weight: float
) -> dict[str, Tensor]:
    """What deceives about the source, and `weight` times the cross-entropy of the class of made images."""
    on_fake = game.fake_scores(real, fake)
    source, of_class = rules.generator(on_fake[:, 0]), losses.cross_entropy(on_fake[:, 1:], labels)
    return {"generator": source + of_class * weight, "generator_source": source, "generator_class": of_class}


def auxiliary_step(
    game: ConditionalGame,
    update: Updates,
    rules: Rules,
    *,
    classes: int,
    weight: float,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """One update: "discriminator" `n_critic` times, then "generator". Images are asked for with the labels at hand."""

    def step(batch: Batch) -> Terms:
        game.generator.train()
        game.discriminator.train()
        images = parts(to_device(batch.x, device), n_critic)
        for x, labels in zip(images, parts(labels_of("acgan", batch), n_critic), strict=True):
            asked, y = game.asking(rows_of(labels, classes, game, device)), to_device(labels, device)
            real, fake = Tensor(x), asked.generate(len(x))
            terms = discriminator_terms(asked, rules, real, fake.detach(), y, weight)
            update("discriminator", terms["loss"])
            after_discriminator_update(game, rules)
        terms |= generator_terms(asked, rules, real, fake, y, weight)
        update("generator", terms["generator"])
        if game.ema_generator is not None:
            game.ema_generator.follow(game.generator)
        return terms

    return step


def auxiliary_ledger(rules: Rules, weight: float) -> dict[str, Term]:
    """What the terms of `auxiliary_step` are."""
    return {
        **ledger(rules),
        "class_real": Term("nats, cross-entropy of the class of real images", weight, of="loss"),
        "class_fake": Term("nats, cross-entropy of the class of made images", weight, of="loss"),
        "generator_source": Term("nats", of="generator"),
        "generator_class": Term("nats, cross-entropy of the class of made images", weight, of="generator"),
    }


def _build(setup: Setup, rules: Rules) -> Experiment:
    options, image, classes = setup.options, setup.image_shape, classes_of("acgan", setup)
    rng, weight = Generator(setup.seed).spawn("weights"), options["class_weight"]
    generator = make_generator(options, image, rng, inputs=options["latent"] + classes)
    discriminator = headed(make_discriminator(options, image, rng), classes, rng=rng.spawn("head"))
    game = assemble_game(ConditionalGame, setup, generator, discriminator)
    play = functools.partial(
        auxiliary_step, game, rules=rules, classes=classes, weight=weight, n_critic=options["n_critic"],
        device=setup.device,
    )  # fmt: skip
    codes = beside(options["latent"], classes)
    return conditioned("acgan", setup, game, rules, play, auxiliary_ledger(rules, weight), codes, headed=True)


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "acgan",
        "the discriminator classifies too: samples of a class that you name",
        "Odena, Olah and Shlens 2017, Conditional image synthesis with auxiliary classifier GANs, arXiv:1610.09585",
        _build,
        class_weight=1.0,
    ),
)
