"""A GAN with the R1 penalty (Mescheder et al. 2018, arXiv:1801.04406, equation 9).

At the equilibrium the discriminator should be flat: a slope that is left over drives a perfect generator away again,
and the two circle for ever. gamma/2 E ||ds/dx||^2 at real images, s the score, is added to its loss and makes training
converge (their theorem 4.1). Derived in docs/guide/14_gans.md.

Two files complete this one: ``gan.py`` has the logistic loss, ``step.py`` the update loop.

Imports: gan, step, build. Read next: ``sngan.py``.
"""

from __future__ import annotations

from dataclasses import replace

from minigen import ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import BATCH_NORM_OPTIONS, Options, recipe
from minigen.algorithms.adversarial.step import Critic, Objective, gradient_of_scores
from minigen.autograd import Tensor
from minigen.random import Generator


def r1_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Generator) -> Tensor:
    """||ds/dx||^2 / 2, mean over the real images (or packs of them); its weight is gamma."""
    g = gradient_of_scores(critic, real.data)
    return ops.mean(ops.sum(g * g, axis=(1, 2, 3))) * 0.5


def objective(options: Options) -> Objective:
    """The losses of ``gan``, in nats, and the penalty."""
    return replace(gan.objective(options), penalty=r1_penalty, penalty_weight=options["penalty_weight"])


RECIPES = (
    recipe(
        "r1-gan",
        "the discriminator is kept flat at real images, and training converges",
        "Mescheder, Geiger and Nowozin 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406",
        objective,
        order=2,
        without=BATCH_NORM_OPTIONS,
        **gan.LOSS_OPTIONS,
        penalty_weight=10.0,
    ),
)
