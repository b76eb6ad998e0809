"""The models by name: what ``minigen train NAME`` can train, and every option that some of them take.

Each family of models lists its recipes; an option has one meaning in all of them. An option that a recipe does not list
has no meaning for the model, and is refused.

Imports: the families of this room. Read next: ``autoencoders/recipes.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from minigen.algorithms import adversarial, autoencoders, hybrid, likelihood, options
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import Option

_FAMILIES = (autoencoders, likelihood, adversarial, hybrid)

MODELS: Mapping[str, Recipe] = {recipe.name: recipe for family in _FAMILIES for recipe in family.RECIPES}
OPTIONS: Mapping[str, Option] = {
    name: option for table in (options, *_FAMILIES) for name, option in table.OPTIONS.items()
}
