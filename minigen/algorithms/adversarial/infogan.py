"""InfoGAN (Chen et al. 2016, arXiv:1606.03657): codes that the images must show, found without a label.

Beside noise z the generator is given a code c: one of K categories, and some numbers from -1 to 1. A second head of the
discriminator, Q(c | x), predicts the code from a fake image. L_I = E log Q(c | G(z, c)) + H(c) is a lower bound of the
mutual information I(c; G(z, c)) (equation 5). Generator and Q maximise it, beside the losses of a GAN (equation 6).

Two files complete this one: ``step.py`` has the update loop, ``conditional.py`` the generator's condition and samples.

Imports: losses, build, step, conditional, models. Read next: ``unrolled.py``.
"""

from __future__ import annotations

import copy
import functools
import math
from typing import NamedTuple, Self

from minigen import losses
from minigen.algorithms.adversarial.build import assemble_gan, make_discriminator, make_generator
from minigen.algorithms.adversarial.conditional import ConditionalGAN, make_experiment, recipe
from minigen.algorithms.adversarial.step import Objective, adversarial_step, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Term
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.models.conditional_gan import add_head
from minigen.models.likelihood import soft_clamp
from minigen.random import Generator
from minigen_kernels import Array

HEAD = 128  # width of Q's hidden layer (their appendix C)


class Weights(NamedTuple):
    """Of the two parts of L_I in the losses of both networks: lambda in equation 6."""

    category: float
    continuous: float


class InfoGAN(ConditionalGAN):
    """The condition is a code c drawn from its prior; its category takes the place of a label."""

    given_classes = False
    values: Array  # (N, M): the numbers of the codes at hand

    def conditioned_on(self, labels: Array | None, n: int) -> Self:
        """The same networks with new codes for n images: categories, and numbers, that are all equally likely."""
        category = self.noise.integers(0, self.classes, (n,))
        values = self.noise.uniform((n, self.continuous), -1.0, 1.0, dtype=self.dtype)
        xp, model = array_module(values), copy.copy(self)
        model.labels, model.values = category, values
        model.condition = Tensor(xp.concatenate([xp.eye(self.classes, dtype=self.dtype)[category], values], axis=1))
        return model


def information_bound(outputs: Tensor, category: Array, values: Array, categories: int) -> tuple[Tensor, Tensor]:
    """L_I of the category (N,) and of the values (N, M): nats, mean over images; of the values their sum.

    `outputs` (N, K + 2 M): logits of the category, then mean and log-variance (`soft_clamp`) of the values. The first
    is at most log K; the second has no limit, since a number can be known ever more exactly.
    """
    m = values.shape[1]
    of_category = math.log(categories) - losses.cross_entropy(outputs[:, :categories], category)
    mean, logvar = outputs[:, categories : categories + m], soft_clamp(outputs[:, categories + m :])
    error = losses.gaussian_nll(mean, Tensor(values), logvar=logvar, reduction="batchmean")
    return of_category, m * math.log(2) - error  # a uniform number from -1 to 1 has the entropy log 2


def discriminator_terms(
    model: InfoGAN, objective: Objective, real: Tensor, fake: Tensor, *, weights: Weights
) -> dict[str, Tensor]:
    """The loss of ``gan``'s discriminator less the weighted parts of L_I, which train Q. `fake` is detached."""
    real_outputs, fake_outputs = model.real_fake_scores(real, fake)  # (N, 1 + K + 2 M): the score, and Q's outputs
    source = objective.discriminator_loss(real_outputs[:, 0], fake_outputs[:, 0])
    category, values = information_bound(fake_outputs[:, 1:], model.labels, model.values, model.classes)
    return {
        "loss": source - category * weights.category - values * weights.continuous,
        "discriminator": source,
        "category": category,
        "continuous": values,
        **score_terms(objective, real_outputs[:, 0].detach(), fake_outputs[:, 0].detach()),
    }


def generator_terms(
    model: InfoGAN, objective: Objective, real: Tensor, fake: Tensor, *, weights: Weights
) -> dict[str, Tensor]:
    """The loss of ``gan``'s generator less the weighted parts of L_I."""
    outputs = model.fake_scores(real, fake)
    source = objective.generator_loss(outputs[:, 0])
    category, values = information_bound(outputs[:, 1:], model.labels, model.values, model.classes)
    return {
        "generator": source - category * weights.category - values * weights.continuous,
        "generator_source": source,
        "generator_category": category,
        "generator_continuous": values,
    }


def ledger_terms(weights: Weights, categories: int) -> dict[str, Term]:
    """What the terms of InfoGAN's own are."""
    category = f"nats, bound of I(category; x), at most {math.log(categories):.2f}"
    values = "nats, bound of I(values; x)"
    return {
        "category": Term(category, -weights.category, of="loss"),
        "continuous": Term(values, -weights.continuous, of="loss"),
        "generator_source": Term("nats", of="generator"),
        "generator_category": Term(category, -weights.category, of="generator"),
        "generator_continuous": Term(values, -weights.continuous, of="generator"),
    }


def build(setup: Setup, objective: Objective) -> Experiment:
    """The networks, and the step with these losses."""
    options, image, rng = setup.options, setup.image_shape, Generator(setup.seed).spawn("weights")
    k, m = options["categories"], options["continuous"]
    weights = Weights(options["category_weight"], options["continuous_weight"])
    generator = make_generator(options, image, rng, inputs=options["latent"] + k + m)
    body = make_discriminator(options, image, rng)
    discriminator = add_head(body, k + 2 * m, hidden=HEAD, rng=rng.spawn("head"))
    model = assemble_gan(InfoGAN, setup, generator, discriminator, name="infogan", classes=k, continuous=m)
    make_step = functools.partial(
        adversarial_step,
        discriminator_terms=functools.partial(discriminator_terms, weights=weights),
        generator_terms=functools.partial(generator_terms, weights=weights),
    )
    return make_experiment(setup, model, objective, make_step, terms=ledger_terms(weights, k))


RECIPES = (
    recipe(
        "infogan",
        "a category and numbers that the images have to show, found without labels",
        "Chen et al. 2016, InfoGAN: interpretable representation learning, arXiv:1606.03657",
        build,
        categories=10,
        continuous=2,
        lr_generator=1e-3,  # the paper's; at 2e-4 the category is hidden in traces that nobody sees
        category_weight=1.0,
        continuous_weight=0.1,
    ),
)
