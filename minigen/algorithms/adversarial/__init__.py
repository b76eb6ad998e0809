"""Generative adversarial networks, one model a file. ``step.py`` has the update of all, ``build.py`` the wiring.

Read next: ``step.py``, ``gan.py``.
"""

from minigen.algorithms.adversarial import (
    acgan,
    cgan,
    dragan,
    gan,
    infogan,
    lsgan,
    pacgan,
    r1_gan,
    sngan,
    unrolled,
    wgan,
    wgan_gp,
)
from minigen.algorithms.adversarial.options import OPTIONS
from minigen.algorithms.experiment import Recipe

RECIPES: tuple[Recipe, ...] = (
    *gan.RECIPES,
    *lsgan.RECIPES,
    *wgan.RECIPES,
    *wgan_gp.RECIPES,
    *dragan.RECIPES,
    *r1_gan.RECIPES,
    *sngan.RECIPES,
    *pacgan.RECIPES,
    *unrolled.RECIPES,
    *cgan.RECIPES,
    *acgan.RECIPES,
    *infogan.RECIPES,
)

__all__ = ["OPTIONS", "RECIPES"]
