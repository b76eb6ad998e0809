"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1).

The critic f that attains the Wasserstein distance has gradients of norm 1 almost everywhere between the two
distributions (their proposition 1). Each update of the critic minimises (their equation 3)

    E f(G(z)) - E f(x) + lambda E (||grad f(x_hat)|| - 1)^2,    x_hat on the line between a real and a fake image,

whose gradient in the weights is a second derivative. After `n_critic` such updates the generator minimises -E f(G(z)).

Two files complete this one: ``step.py`` has the update loop, ``build.py`` the networks and optimizers.

Imports: losses, step, build. Read next: ``dragan.py``, ``r1_gan.py``.
"""

from __future__ import annotations

from minigen import losses, ops
from minigen.algorithms.adversarial.build import BATCH_NORM_OPTIONS, Options, recipe
from minigen.algorithms.adversarial.step import Critic, Objective, gradient_of_scores
from minigen.autograd import Tensor
from minigen.random import Generator
from minigen_kernels import for_array


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Generator) -> Tensor:
    """E (||grad f(x_hat)|| - 1)^2 at x_hat = e x + (1 - e) G(z), with e uniform, one for each pair of images."""
    e = noise.uniform((len(real),), dtype=real.dtype)
    x_hat = for_array(e).mix(real.data, fake.data, e)
    return losses.unit_norm_penalty(gradient_of_scores(critic, x_hat))


def generator_loss(fake: Tensor) -> Tensor:
    """-E f(fake)."""
    return -ops.mean(fake)


def objective(options: Options) -> Objective:
    """All of the objective. Scores have no zero, so there is no decision threshold."""
    return Objective(
        discriminator_loss=losses.wasserstein_critic,
        penalty=gradient_penalty,
        penalty_weight=options["penalty_weight"],
        generator_loss=generator_loss,
        unit="score",
        decision_threshold=None,
    )


RECIPES = (
    recipe(
        "wgan-gp",
        "a critic whose slope is pulled to 1 measures the Wasserstein distance",
        "Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028",
        objective,
        order=2,
        without=BATCH_NORM_OPTIONS,
        lr_generator=5e-4,  # the paper's 1e-4 is for ten times as many steps
        lr_discriminator=5e-4,
        beta1=0.5,
        beta2=0.9,
        n_critic=5,
        epochs=10,
        penalty_weight=10.0,
    ),
)
