"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1).

The critic f that attains the Wasserstein distance has gradients of norm 1 almost everywhere between the two
distributions (their proposition 1). Each update of the critic minimises (their equation 3)

    E f(G(z)) - E f(x) + lambda E (||grad f(x_hat)|| - 1)^2,    x_hat on the line between a real and a fake image,

whose gradient in the weights is a second derivative. After `n_critic` such updates the generator minimises -E f(G(z)).

Two files complete this one: ``step.py`` has the update loop, ``build.py`` the networks and optimizers.

Imports: step, build. Read next: ``dragan.py``, ``r1_gan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import BATCH_NORM_OPTIONS, Options, recipe
from minigen.algorithms.adversarial.step import Critic, Objective
from minigen.autograd import Tensor, grad
from minigen.random import Generator


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E f(fake) - E f(real), of scores (N,): minus the estimate of the distance."""
    return ops.mean(fake) - ops.mean(real)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Generator) -> Tensor:
    """E (||grad f(x_hat)|| - 1)^2 at x_hat = e x + (1 - e) G(z), with e uniform, one for each pair of images."""
    e = noise.uniform((len(real), 1, 1, 1), dtype=real.dtype)
    x_hat = Tensor(e * real.data + (1 - e) * fake.data, requires_grad=True)
    (g,) = grad(ops.sum(critic(x_hat)), [x_hat], create_graph=True)  # each score depends on its own image alone
    norm = ops.sqrt(ops.sum(g * g, axis=(1, 2, 3)) + 1e-12)  # at 0 the root has no finite derivative
    return ops.mean((norm - 1) ** 2)


def generator_loss(fake: Tensor) -> Tensor:
    """-E f(fake)."""
    return -ops.mean(fake)


def objective(options: Options) -> Objective:
    """All of the objective. Scores have no zero, so there is no decision threshold."""
    return Objective(
        discriminator_loss=critic_loss,
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
