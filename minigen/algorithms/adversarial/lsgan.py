"""Least-squares GAN (Mao et al. 2017, arXiv:1611.04076, equation 9): scores are pulled to 1 (real) and 0 (made images).

A generated image far on the real side of the decision boundary is pulled back to it; the logistic loss would let it be.

Imports: losses, build. Read next: ``wgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.game import Rules
from minigen.algorithms.experiment import Recipe
from minigen.autograd import Tensor


def half_square(scores: Tensor, target: float) -> Tensor:
    """(score - target)^2 / 2, mean over the scores (N,)."""
    return ops.mean((scores - target) ** 2) * 0.5


def rules(options: Options) -> Rules:
    """Targets a = 0, b = c = 1; with label smoothing s, b = 1 - s. The border of a probability of 1/2 is at 1/2."""
    real_target = 1 - options["label_smoothing"]
    return Rules(
        discriminator=lambda real, fake: half_square(real, real_target) + half_square(fake, 0.0),
        generator=lambda fake: half_square(fake, 1.0),
        unit="half squared error of the score",
        decision_threshold=0.5,
    )


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "lsgan",
        "least squares in the place of the logistic loss",
        "Mao et al. 2017, Least squares generative adversarial networks, arXiv:1611.04076",
        rules,
        norm="batch",
        label_smoothing=0.0,
    ),
)
