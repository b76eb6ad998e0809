"""Autoencoders: one objective a file, and what they share with the VAEs.

Read next: ``ae.py``, ``denoising_ae.py``, ``build.py``.
"""

from collections.abc import Mapping

from minigen.algorithms.autoencoders import ae, contractive_ae, denoising_ae, linear_ae, sparse_ae
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import Option

RECIPES: tuple[Recipe, ...] = (
    *ae.RECIPES,
    *sparse_ae.RECIPES,
    *denoising_ae.RECIPES,
    *contractive_ae.RECIPES,
    *linear_ae.RECIPES,
)
OPTIONS: Mapping[str, Option] = {**ae.OPTIONS, **denoising_ae.OPTIONS, **sparse_ae.OPTIONS, **contractive_ae.OPTIONS}

__all__ = ["OPTIONS", "RECIPES"]
