"""PacGAN (Lin et al. 2018, arXiv:1712.04086): the discriminator scores several images at once.

Fake images that show a few modes only are easier to tell from real ones when m of them are seen together. They come as
the channels of one image, all real or all fake (`GAN.scores`); nothing else changes (their section 2). An update takes
m times as many images, so that the discriminator still sees as many examples.

Two files complete this one: ``gan.py`` has the logistic loss, ``step.py`` packs and the update loop.

Imports: gan, build. Read next: ``augment.py``.
"""

from __future__ import annotations

from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import recipe

RECIPES = (
    recipe(
        "pacgan",
        "DCGAN whose discriminator judges packs of images, against the loss of modes",
        "Lin et al. 2018, PacGAN: the power of two samples in generative adversarial networks, arXiv:1712.04086",
        gan.objective,
        norm="batch",
        pack=2,
        epochs=10,
        **gan.LOSS_OPTIONS,
    ),
)
