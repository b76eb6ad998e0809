"""Models of the likelihood of an image: VAEs and what came of them. One algorithm a file.

Read next: ``vae.py``.
"""

from collections.abc import Mapping

from minigen.algorithms.experiment import Recipe
from minigen.algorithms.likelihood import beta_vae, build, cvae, iwae, linear_vae, rae, vae, vq_vae, wae
from minigen.algorithms.options import Option

RECIPES: tuple[Recipe, ...] = (
    *vae.RECIPES,
    *beta_vae.RECIPES,
    *cvae.RECIPES,
    *iwae.RECIPES,
    *linear_vae.RECIPES,
    *vq_vae.RECIPES,
    *wae.RECIPES,
    *rae.RECIPES,
)
OPTIONS: Mapping[str, Option] = {
    **build.OPTIONS,
    **beta_vae.OPTIONS,
    **iwae.OPTIONS,
    **vq_vae.OPTIONS,
    **wae.OPTIONS,
    **rae.OPTIONS,
}

__all__ = ["OPTIONS", "RECIPES"]
