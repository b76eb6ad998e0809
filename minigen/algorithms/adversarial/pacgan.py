"""PacGAN (Lin et al. 2018, arXiv:1712.04086): the discriminator judges several images at once.

A generator that makes a few modes only gives itself away when m of its images are seen side by side. They come as the
channels of one image, all real or all made; nothing else changes (their section 2). An update takes m times as many
images, so that the discriminator still sees as many examples.

Imports: gan, build. Read next: ``augment.py``.
"""

from __future__ import annotations

from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import recipe
from minigen.algorithms.experiment import Recipe

RECIPES: tuple[Recipe, ...] = (
    recipe(
        "pacgan",
        "DCGAN whose discriminator judges packs of images, against the loss of modes",
        "Lin et al. 2018, PacGAN: the power of two samples in generative adversarial networks, arXiv:1712.04086",
        gan.rules,
        norm="batch",
        pack=2,
        epochs=10,
        generator_loss="non-saturating",
        label_smoothing=0.0,
    ),
)
