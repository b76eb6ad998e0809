"""A GAN with the R1 penalty (Mescheder et al. 2018, arXiv:1801.04406, equation 9).

At the goal the discriminator should be flat: a slope that is left over drives a perfect generator away again, and the
two circle for ever. gamma/2 ||ds/dx||^2 at real images, s the score, makes training converge (their theorem 4.1).

Imports: gan, penalty. Read next: ``sngan.py``.
"""

from __future__ import annotations

from dataclasses import replace

from minigen import ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import BATCH_NORM, Options, recipe
from minigen.algorithms.adversarial.game import Game, Rules
from minigen.algorithms.adversarial.penalty import squared_gradients
from minigen.algorithms.experiment import Recipe
from minigen.autograd import Tensor


def penalty(game: Game, real: Tensor, fake: Tensor) -> Tensor:
    """||ds/dx||^2 / 2, mean over the real images; its weight is gamma."""
    return ops.mean(squared_gradients(game.critic, real.data)) * 0.5


def rules(options: Options) -> Rules:
    """The losses of ``gan``, in nats, and the penalty."""
    return replace(gan.rules(options), penalty=penalty, penalty_weight=options["penalty_weight"])


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "r1-gan",
        "the discriminator is kept flat at real images, and training converges",
        "Mescheder, Geiger and Nowozin 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406",
        rules,
        order=2,
        without=BATCH_NORM,
        generator_loss="non-saturating",
        label_smoothing=0.0,
        penalty_weight=10.0,
    ),
)
