"""AC-GAN (Odena et al. 2017, arXiv:1610.09585): the discriminator is not given the label, it predicts it.

A second layer on the discriminator's features, the auxiliary classifier, predicts the class of an image. The
log-likelihoods of the source and of the class are (their equations 2 and 3)

    L_S = E log D(x) + E log(1 - D(G(z, y))),    L_C = E log P(y | x) + E log P(y | G(z, y)).

The discriminator maximises L_S + w L_C, the generator E log D(G(z, y)) + w E log P(y | G(z, y)). All is in nats.

Two files complete this one: ``step.py`` has the update loop, ``conditional.py`` the generator's condition and samples.

Imports: losses, build, step, conditional, models. Read next: ``infogan.py``.
"""

from __future__ import annotations

import functools

from minigen import losses
from minigen.algorithms.adversarial.build import assemble_gan, make_discriminator, make_generator
from minigen.algorithms.adversarial.conditional import ConditionalGAN, class_count, make_experiment, recipe
from minigen.algorithms.adversarial.step import Objective, adversarial_step, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Term
from minigen.autograd import Tensor
from minigen.models.conditional_gan import add_head
from minigen.random import Generator


def discriminator_terms(
    model: ConditionalGAN, objective: Objective, real: Tensor, fake: Tensor, *, weight: float
) -> dict[str, Tensor]:
    """-L_S, and `weight` times -L_C, the cross-entropies of the class of real and of fake images (detached)."""
    real_outputs, fake_outputs = model.real_fake_scores(real, fake)  # (N, 1 + K): the score, and logits of the class
    source = objective.discriminator_loss(real_outputs[:, 0], fake_outputs[:, 0])
    class_real = losses.cross_entropy(real_outputs[:, 1:], model.labels)
    class_fake = losses.cross_entropy(fake_outputs[:, 1:], model.labels)
    return {
        "loss": source + (class_real + class_fake) * weight,
        "discriminator": source,
        "class_real": class_real,
        "class_fake": class_fake,
        **score_terms(objective, real_outputs[:, 0].detach(), fake_outputs[:, 0].detach()),
    }


def generator_terms(
    model: ConditionalGAN, objective: Objective, real: Tensor, fake: Tensor, *, weight: float
) -> dict[str, Tensor]:
    """The loss of ``gan``'s generator, and `weight` times the cross-entropy of the class of fake images."""
    outputs = model.fake_scores(real, fake)
    source, class_fake = objective.generator_loss(outputs[:, 0]), losses.cross_entropy(outputs[:, 1:], model.labels)
    return {"generator": source + class_fake * weight, "generator_source": source, "generator_class": class_fake}


def build(setup: Setup, objective: Objective) -> Experiment:
    """The networks, the step with these losses, and what its terms are."""
    options, image, classes = setup.options, setup.image_shape, class_count("acgan", setup)
    rng, weight = Generator(setup.seed).spawn("weights"), options["class_weight"]
    generator = make_generator(options, image, rng, inputs=options["latent"] + classes)
    discriminator = add_head(make_discriminator(options, image, rng), classes, rng=rng.spawn("head"))
    model = assemble_gan(ConditionalGAN, setup, generator, discriminator, name="acgan", classes=classes)
    make_step = functools.partial(
        adversarial_step,
        discriminator_terms=functools.partial(discriminator_terms, weight=weight),
        generator_terms=functools.partial(generator_terms, weight=weight),
    )
    terms = {
        "class_real": Term("nats, cross-entropy of the class of real images", weight, of="loss"),
        "class_fake": Term("nats, cross-entropy of the class of generated images", weight, of="loss"),
        "generator_source": Term("nats", of="generator"),
        "generator_class": Term("nats, cross-entropy of the class of generated images", weight, of="generator"),
    }
    return make_experiment(setup, model, objective, make_step, terms=terms)


RECIPES = (
    recipe(
        "acgan",
        "the discriminator classifies too: samples of a class that you name",
        "Odena, Olah and Shlens 2017, Conditional image synthesis with auxiliary classifier GANs, arXiv:1610.09585",
        build,
        class_weight=1.0,
    ),
)
