"""Unrolled GAN (Metz et al. 2017, arXiv:1611.02163): the generator looks some steps of the discriminator ahead.

A generator that puts all its samples where the discriminator errs most makes a few modes only; the discriminator
notices, and the generator moves on. Here it is judged by the discriminator as it will be after K steps of its own
optimizer, theta_K(theta_G), and its gradient flows through these steps too: it learns not to provoke them.

An update costs about 5 ms and 8 more for each step ahead, most of it matrix products (784-256-256-1, 64 images, one
core). The defaults are for runs of minutes: 2 steps, where the paper takes 5 or 10, and larger learning rates than
other GANs have here.

Imports: game, build, inner_steps. Read next: ``cgan.py``.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from minigen import nn, optim
from minigen.algorithms.adversarial import gan, inner_steps
from minigen.algorithms.adversarial.build import batches, check, make_experiment, make_game
from minigen.algorithms.adversarial.game import Game, Rules, after_discriminator_update, discriminator_terms, parts
from minigen.algorithms.adversarial.options import COMMON, CONV, DENSE
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Step, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.device import to_device


def ahead(
    game: Game, rules: Rules, optimizer: optim.Optimizer, real: Tensor, fake: Tensor, steps: int, *, clip: float = 0.0
) -> Game:
    """The game as it will be after `steps` further updates of the discriminator, on these images.

    theta_(k+1) = theta_k - step of the optimizer along d loss(theta_k, theta_G) / d theta_k (equations 7 to 9): the new
    weights are functions of `fake`, which is not detached, and so of the generator. Nothing of `game` changes.
    """
    judge, later = game.discriminator, copy.copy(game)
    name_of = {id(p): name for name, p in judge.named_parameters()}
    names = [name_of[id(p)] for p in optimizer.params]  # with parameter groups they may stand in another order
    weights: list[Tensor] = list(optimizer.params)
    memory = inner_steps.memories(optimizer)
    for _ in range(steps):
        later.discriminator = nn.replaced(judge, dict(zip(names, weights, strict=True)))
        gradients = grad(discriminator_terms(later, rules, real, fake)["loss"], weights, create_graph=True)
        if clip:
            gradients = tuple(inner_steps.clipped(gradients, clip))
        weights, memory = inner_steps.step(optimizer, weights, gradients, memory)
    if steps:
        later.discriminator = nn.replaced(judge, dict(zip(names, weights, strict=True)))
    return later


def unrolled_step(
    game: Game, update: Updates, rules: Rules, *, steps: int, n_critic: int = 1, device: str = "cpu"
) -> Step:
    """One update: "discriminator" by one ordinary step, `n_critic` times; "generator" against what it will be.

    With `steps` 0 this is `adversarial_step`, bit for bit.
    """

    def step(batch: Batch) -> Terms:
        game.generator.train()
        game.discriminator.train()
        for x in parts(to_device(batch.x, device), n_critic):
            real, fake = Tensor(x), game.generate(len(x))
            terms = discriminator_terms(game, rules, real, fake.detach())
            update("discriminator", terms["loss"])
            after_discriminator_update(game, rules)
        later = ahead(game, rules, update.optimizers["discriminator"], real, fake, steps, clip=update.clip_norm)
        generator = rules.generator(later.fake_scores(real, fake))
        update("generator", generator)
        if game.ema_generator is not None:
            game.ema_generator.follow(game.generator)
        return {**terms, "generator": generator}

    return step


def _build(setup: Setup) -> Experiment:
    options, rules = setup.options, gan.rules(setup.options)
    check("unrolled-gan", OPTIONS, setup, rules)
    game = make_game(setup)
    experiment = make_experiment(setup, game, rules)
    inner_steps.memories(experiment.optimizers["discriminator"])  # an optimizer that cannot be unrolled is refused now
    step = unrolled_step(
        game, experiment.updates, rules, steps=options["unroll"], n_critic=options["n_critic"], device=setup.device
    )
    return replace(experiment, step=step)


OPTIONS = {
    **COMMON,
    "network": "dense",
    **DENSE,
    **CONV,
    "lr_generator": 1e-3,
    "lr_discriminator": 5e-4,
    "unroll": 2,
    "generator_loss": "non-saturating",
    "label_smoothing": 0.0,
}
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "unrolled-gan",
        "gan",
        "the generator looks some steps of the discriminator ahead, against the loss of modes (second derivatives)",
        "Metz, Poole, Pfau and Sohl-Dickstein 2017, Unrolled generative adversarial networks, arXiv:1611.02163",
        OPTIONS,
        _build,
        order=2,
        value_range=(-1.0, 1.0),
        batches_per_step=batches,
    ),
)
