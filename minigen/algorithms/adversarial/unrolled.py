"""Unrolled GAN (Metz et al. 2017, arXiv:1611.02163): the generator anticipates some steps of the discriminator.

A generator that puts all its samples where the discriminator errs most makes a few modes only; the discriminator
notices, and the generator moves on. Here the generator's loss is that with the discriminator's weights after K further
steps of its own optimizer, theta_K(theta_G) (equations 7 to 11), and its gradient flows through these steps too. The
discriminator is updated by one ordinary step (equation 12).

Two files complete this one: ``step.py`` has the update loop, ``inner_steps.py`` differentiable steps of an optimizer.

An update costs about 5 ms and 8 more for each unrolled step, most of it matrix products (784-256-256-1, 64 images, one
core). The defaults are for runs of minutes: 2 steps, where the paper takes 5 or 10, and larger learning rates than
other GANs have here.

Imports: step, gan, build, inner_steps. Read next: ``cgan.py``.
"""

from __future__ import annotations

import copy
import functools

from minigen import nn, optim
from minigen.algorithms.adversarial import gan, inner_steps
from minigen.algorithms.adversarial.build import make_experiment, make_gan, recipe
from minigen.algorithms.adversarial.step import GAN, Objective, adversarial_step, discriminator_terms, generator_terms
from minigen.algorithms.donors import BORROWED
from minigen.algorithms.experiment import Experiment, Setup, Step
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad


def unroll(
    model: GAN,
    objective: Objective,
    optimizer: optim.Optimizer,
    real: Tensor,
    fake: Tensor,
    steps: int,
    *,
    clip_norm: float = 0,
) -> GAN:
    """The GAN as it will be after `steps` further updates of the discriminator, on these images.

    theta_(k+1) = theta_k - step of the optimizer along d loss(theta_k, theta_G) / d theta_k (equations 7 to 9): the new
    weights are functions of `fake`, which is not detached, and so of the generator. Nothing of `model` changes.
    """
    discriminator, unrolled = model.discriminator, copy.copy(model)
    name_of = {id(p): name for name, p in discriminator.named_parameters()}
    names = [name_of[id(p)] for p in optimizer.params]  # with parameter groups they may stand in another order
    weights: list[Tensor] = list(optimizer.params)
    states = inner_steps.optimizer_states(optimizer)
    for _ in range(steps):
        unrolled.discriminator = nn.functional_copy(discriminator, dict(zip(names, weights, strict=True)))
        gradients = grad(discriminator_terms(unrolled, objective, real, fake)["loss"], weights, create_graph=True)
        if clip_norm:
            gradients = tuple(inner_steps.clip_by_norm(gradients, clip_norm))
        weights, states = inner_steps.step(optimizer, weights, gradients, states)
    if steps:
        unrolled.discriminator = nn.functional_copy(discriminator, dict(zip(names, weights, strict=True)))
    return unrolled


def unrolled_step(
    model: GAN, update: Updates, objective: Objective, *, steps: int, n_critic: int = 1, device: str = "cpu"
) -> Step:
    """`adversarial_step` with the generator's loss `steps` further; with 0 it is the same, bit for bit."""
    optimizer = update.optimizers["discriminator"]
    inner_steps.optimizer_states(optimizer)  # an optimizer that cannot be unrolled is refused now

    def unrolled_terms(model: GAN, objective: Objective, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        unrolled = unroll(model, objective, optimizer, real, fake, steps, clip_norm=update.clip_norm)
        return generator_terms(unrolled, objective, real, fake)

    return adversarial_step(model, update, objective, generator_terms=unrolled_terms, n_critic=n_critic, device=device)


def build(setup: Setup, objective: Objective) -> Experiment:
    """A GAN with this step."""
    return make_experiment(
        setup, make_gan(setup), objective, functools.partial(unrolled_step, steps=setup.options["unroll"])
    )


RECIPES = (
    recipe(
        "unrolled-gan",
        "the generator looks some steps of the discriminator ahead, against the loss of modes (second derivatives)",
        "Metz, Poole, Pfau and Sohl-Dickstein 2017, Unrolled generative adversarial networks, arXiv:1611.02163",
        gan.objective,
        build,
        order=2,
        without=tuple(BORROWED),
        network="dense",
        lr_generator=1e-3,
        lr_discriminator=5e-4,
        unroll=2,
        **gan.LOSS_OPTIONS,
    ),
)
