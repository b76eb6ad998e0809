"""Autoencoders inside GANs: as encoder beside a generator, as discriminator, on a discriminator's features.

One algorithm a file; the head of each says which loss moves what, and `check_routing` holds it to that.

Read next: ``build.py``, ``aae.py``.
"""

from minigen.algorithms.experiment import Recipe
from minigen.algorithms.hybrid import aae, ali, began, dfm, ebgan, mdgan, vae_gan
from minigen.algorithms.hybrid.options import OPTIONS

RECIPES: tuple[Recipe, ...] = (
    *aae.RECIPES,
    *vae_gan.RECIPES,
    *ali.RECIPES,
    *mdgan.RECIPES,
    *dfm.RECIPES,
    *began.RECIPES,
    *ebgan.RECIPES,
)

__all__ = ["OPTIONS", "RECIPES"]
