"""DRAGAN (Kodali et al. 2017, arXiv:1705.07215): the logistic loss, and a slope of 1 near the data.

Where the discriminator rises steeply to a few real images, the generator runs after them and collapses. lambda
(||ds/dx|| - 1)^2, s the score, is therefore added to its loss at noisy copies of real images (their equation 4, with
the noise of the authors' code: uniform, half a standard deviation of the batch wide).

Imports: gan, penalty. Read next: ``r1_gan.py``.
"""

from __future__ import annotations

from dataclasses import replace

from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import BATCH_NORM, Options, recipe
from minigen.algorithms.adversarial.game import Game, Rules
from minigen.algorithms.adversarial.penalty import around, slope_penalty
from minigen.algorithms.experiment import Recipe
from minigen.autograd import Tensor


def penalty(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """(||ds/dx|| - 1)^2, mean over one noisy copy of each real image."""
    return slope_penalty(game.critic, around(real.data, game.noise))


def rules(options: Options) -> Rules:
    """The losses of ``gan``, in nats, and the penalty."""
    return replace(gan.rules(options), penalty=penalty, penalty_weight=options["penalty_weight"])


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "dragan",
        "the discriminator's slope is pulled to 1 near real images",
        "Kodali et al. 2017, On convergence and stability of GANs, arXiv:1705.07215",
        rules,
        order=2,
        without=BATCH_NORM,
        generator_loss="non-saturating",
        label_smoothing=0.0,
        penalty_weight=10.0,
    ),
)
