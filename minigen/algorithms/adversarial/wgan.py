"""Wasserstein GAN with clipped weights (Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1).

The critic f maximises E f(x) - E f(G(z)) (equation 3): among functions of slope at most 1 the maximum is the
Wasserstein-1 distance of the two distributions. The generator minimises it. The critic's weights are clipped to +-c
after each of its `n_critic` updates, which bounds its slope, so the distance is measured in units of an unknown slope.

Two files complete this one: ``step.py`` has the update loop, ``build.py`` the networks and optimizers.

Imports: losses, step, build. Read next: ``wgan_gp.py``, which bounds the slope itself.
"""

from __future__ import annotations

from minigen import losses, nn, ops
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.step import Objective
from minigen.autograd import Tensor, note_change
from minigen.device import array_module


def clip_weights(critic: nn.Module, limit: float) -> None:
    """Clip every parameter to +-`limit`, those of batch norm too, as the authors do."""
    for p in critic.parameters():
        array_module(p.data).clip(p.data, -limit, limit, out=p.data)
        note_change(p)


def generator_loss(fake: Tensor) -> Tensor:
    """-E f(fake)."""
    return -ops.mean(fake)


def objective(options: Options) -> Objective:
    """All of the objective. Scores have no zero, so there is no decision threshold."""
    limit = options["weight_clip"]
    return Objective(
        discriminator_loss=losses.wasserstein_critic,
        weight_constraint=lambda critic: clip_weights(critic, limit),
        generator_loss=generator_loss,
        unit="score",
        decision_threshold=None,
    )


RECIPES = (
    recipe(
        "wgan",
        "a critic of bounded weights measures the Wasserstein distance",
        "Arjovsky, Chintala and Bottou 2017, Wasserstein GAN, arXiv:1701.07875",
        objective,
        norm="batch",
        optimizer="rmsprop",
        lr_generator=2e-4,  # the paper's 5e-5 is for many times as many steps
        lr_discriminator=2e-4,
        n_critic=5,
        epochs=10,
        weight_clip=0.01,
    ),
)
