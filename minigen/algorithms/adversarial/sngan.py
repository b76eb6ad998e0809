"""A GAN with spectral normalisation and the hinge loss (Miyato et al. 2018, arXiv:1802.05957).

Every weight matrix of the discriminator is divided by its largest singular value (equation 8), so its slope is at most
1, at the price of one power iteration an update. The discriminator minimises E max(0, 1 - s) over real and
E max(0, 1 + s) over fake images (the hinge loss, equation 16), the generator -E s over fake ones (equation 17).

Two files complete this one: ``step.py`` has the update loop, ``minigen/nn/spectral_norm.py`` the normalisation.

Imports: step, build. Read next: ``pacgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.step import Objective
from minigen.autograd import Tensor


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - real) + E max(0, 1 + fake), of scores (N,)."""
    return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))


def generator_loss(fake: Tensor) -> Tensor:
    """-E fake, of scores (N,)."""
    return -ops.mean(fake)


def objective(options: Options) -> Objective:
    """Losses in units of the score."""
    return Objective(discriminator_loss=hinge_loss, generator_loss=generator_loss, unit="score")


RECIPES = (
    recipe(
        "sngan",
        "hinge loss; the discriminator's weights are divided by their largest singular value",
        "Miyato et al. 2018, Spectral normalization for GANs, arXiv:1802.05957",
        objective,
        norm="spectral",
    ),
)
