"""Least-squares GAN (Mao et al. 2017, arXiv:1611.04076): scores are pulled to 1 (real images) and 0 (fake images).

The discriminator minimises E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2, the generator E (D(G(z)) - c)^2 / 2 (equations 2
and 9: a = 0, b = c = 1). A fake image far on the real side of the decision boundary is pulled back to it; the logistic
loss would let it be.

Two files complete this one: ``step.py`` has the update loop, ``build.py`` the networks and optimizers.

Imports: step, build. Read next: ``wgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.step import Objective
from minigen.autograd import Tensor


def least_squares(scores: Tensor, target: float) -> Tensor:
    """(score - target)^2 / 2, mean over the scores (N,)."""
    return ops.mean((scores - target) ** 2) * 0.5


def objective(options: Options) -> Objective:
    """With label smoothing s, b = 1 - s. The decision threshold is halfway between the targets."""
    real_target = 1 - options["label_smoothing"]
    return Objective(
        discriminator_loss=lambda real, fake: least_squares(real, real_target) + least_squares(fake, 0.0),
        generator_loss=lambda fake: least_squares(fake, 1.0),
        unit="half squared error of the score",
        decision_threshold=0.5,
    )


RECIPES = (
    recipe(
        "lsgan",
        "least squares in the place of the logistic loss",
        "Mao et al. 2017, Least squares generative adversarial networks, arXiv:1611.04076",
        objective,
        norm="batch",
        label_smoothing=0.0,
    ),
)
