"""Models of the likelihood of an image: VAEs and what came of them.

Read next: ``../experiment.py``.
"""

from collections.abc import Mapping

from minigen.training.experiment import Recipe
from minigen.training.options import Option

RECIPES: tuple[Recipe, ...] = ()
OPTIONS: Mapping[str, Option] = {}

__all__ = ["OPTIONS", "RECIPES"]
