"""The conditional GAN (Mirza and Osindero 2014, arXiv:1411.1784): both players are told the label.

The discriminator judges whether an image is real for its label, D(x | y), so the generator has to paint what it was
asked for (their equation 2): made images have the labels of the real ones beside them.

Imports: models, game, conditional. Read next: ``acgan.py``.
"""

from __future__ import annotations

import functools

from minigen import ops
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
from minigen.algorithms.adversarial.game import Rules, after_discriminator_update, discriminator_terms, ledger, parts
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Step, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.conditional_gan import LabelledDiscriminator, labelled
from minigen.random import Generator


class LabelledGame(ConditionalGame):
    """The discriminator is told what is wanted too; the rows are one-hot labels."""

    def critic(self, x: Tensor) -> Tensor:
        """The scores (N,) of images; of twice as many as there are labels, the second half has the same labels."""
        both = len(x) == 2 * len(self.wanted)
        return self.discriminator(x, ops.concat([self.wanted, self.wanted]) if both else self.wanted)


def conditional_step(
    game: LabelledGame, update: Updates, rules: Rules, *, classes: int, n_critic: int = 1, device: str = "cpu"
) -> Step:
    """`adversarial_step` of images with their labels: the losses of the GAN, of D(x | y) and D(G(z | y) | y)."""

    def step(batch: Batch) -> Terms:
        game.generator.train()
        game.discriminator.train()
        images, labels = parts(to_device(batch.x, device), n_critic), parts(labels_of("cgan", batch), n_critic)
        for x, y in zip(images, labels, strict=True):
            told = game.asking(rows_of(y, classes, game, device))
            real, fake = Tensor(x), told.generate(len(x))
            terms = discriminator_terms(told, rules, real, fake.detach())
            update("discriminator", terms["loss"])
            after_discriminator_update(told, rules)
        generator = rules.generator(told.fake_scores(real, fake))
        update("generator", generator)
        if game.ema_generator is not None:
            game.ema_generator.follow(game.generator)
        return {**terms, "generator": generator}

    return step


def _build(setup: Setup, rules: Rules) -> Experiment:
    options, image, latent, classes = (
        setup.options,
        setup.image_shape,
        setup.options["latent"],
        classes_of("cgan", setup),
    )
    rng, embedded = Generator(setup.seed).spawn("weights"), options["network"] == "conv"
    body = make_discriminator(options, LabelledDiscriminator.shown(image, classes, embedded=embedded), rng)
    discriminator = labelled(body, image, classes, embedded=embedded, rng=rng.spawn("label"))
    generator = make_generator(options, image, rng, inputs=latent + classes)
    game = assemble_game(LabelledGame, setup, generator, discriminator)
    play = functools.partial(
        conditional_step, game, rules=rules, classes=classes, n_critic=options["n_critic"], device=setup.device
    )
    return conditioned("cgan", setup, game, rules, play, ledger(rules), beside(latent, classes))


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "cgan",
        "both networks are told the class: samples of a class that you name",
        "Mirza and Osindero 2014, Conditional generative adversarial nets, arXiv:1411.1784",
        _build,
    ),
)
