"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1).

The critic that attains the Wasserstein distance has slope 1 almost everywhere between the two distributions (their
proposition 1). So lambda (||df/dx|| - 1)^2 is added to its loss at random points between real and made images. For the
critic's update this is differentiated once more, in its weights.

Imports: game, penalty, wgan. Read next: ``dragan.py``, ``r1_gan.py``.
"""

from __future__ import annotations

from minigen.algorithms.adversarial import wgan
from minigen.algorithms.adversarial.build import BATCH_NORM, Options, recipe
from minigen.algorithms.adversarial.game import Game, Rules
from minigen.algorithms.adversarial.penalty import between, slope_penalty
from minigen.algorithms.experiment import Recipe
from minigen.autograd import Tensor


def penalty(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """(||df/dx|| - 1)^2, mean over one point between each real image and a made one (equation 3)."""
    return slope_penalty(game.critic, between(real.data, fake.data, game.noise))


def rules(options: Options) -> Rules:
    """Losses in units of the critic's score, which now is that of the pixels."""
    return Rules(
        discriminator=wgan.critic_loss,
        generator=wgan.generator_loss,
        unit="score",
        decision_threshold=None,
        penalty=penalty,
        penalty_weight=options["penalty_weight"],
    )


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "wgan-gp",
        "a critic whose slope is pulled to 1 measures the Wasserstein distance",
        "Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028",
        rules,
        order=2,
        without=BATCH_NORM,
        lr_generator=5e-4,  # the paper's 1e-4 is for ten times as many steps
        lr_discriminator=5e-4,
        beta1=0.5,
        beta2=0.9,
        n_critic=5,
        epochs=10,
        penalty_weight=10.0,
    ),
)
