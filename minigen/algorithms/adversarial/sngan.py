"""A GAN with spectral normalisation and the hinge loss (Miyato et al. 2018, arXiv:1802.05957).

Every weight of the discriminator is divided by its largest singular value (``nn/spectral_norm.py``), so its slope is at
most 1 (times 1 for leaky ReLU) at the price of one step of the power method an update. The hinge loss, E max(0, 1 - s)
on real and E max(0, 1 + s) on made images, lets go of scores that are clear enough (their equations 16 and 17).

Imports: ops, build. Read next: ``pacgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.game import Rules
from minigen.algorithms.adversarial.wgan import generator_loss
from minigen.algorithms.experiment import Recipe
from minigen.autograd import Tensor


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - real) + E max(0, 1 + fake)."""
    return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))


def rules(options: Options) -> Rules:
    """Losses in units of the score; the generator minimises minus the mean score."""
    return Rules(discriminator=hinge, generator=generator_loss, unit="score")


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "sngan",
        "hinge loss; the discriminator's weights are divided by their largest singular value",
        "Miyato et al. 2018, Spectral normalization for GANs, arXiv:1802.05957",
        rules,
        norm="spectral",
    ),
)
