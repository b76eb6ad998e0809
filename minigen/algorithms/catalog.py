"""The models by name: what ``minigen train NAME`` can train, and every option that some of them take.

Each family of models lists its recipes; an option has one meaning in all of them. An option that a recipe does not list
has no meaning for the model, and is refused.

`find_recipe` knows the users' own beside them (``custom.py``).

Imports: the families of this room. Read next: ``autoencoders/ae.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minigen.algorithms import adversarial, autoencoders, hybrid, likelihood, options
from minigen.algorithms.custom import load_recipe, recipe_of
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError, Option, did_you_mean

_FAMILIES = (autoencoders, likelihood, adversarial, hybrid)

MODELS: Mapping[str, Recipe] = {recipe.name: recipe for family in _FAMILIES for recipe in family.RECIPES}
OPTIONS: Mapping[str, Option] = {
    name: option for table in (options, *_FAMILIES) for name, option in table.OPTIONS.items()
}


def find_recipe(model: Any) -> Recipe:
    """The recipe of a model: by its name, "my_vae.py:MyVAE", a class of Modules with an objective, or a Recipe.

    ConfigError, with a guess, for an unknown name; what ``custom.py`` raises.
    """
    if isinstance(model, str) and not is_place(model):
        if model not in MODELS:
            raise ConfigError(
                f"unknown model {model!r}{did_you_mean(model, MODELS)} Models are {', '.join(MODELS)}; one of your own "
                "is my_vae.py:MyVAE"
            )
        return MODELS[model]
    recipe = load_recipe(model) if isinstance(model, str) else recipe_of(model)
    known = {n: OPTIONS.get(n) or Option(type(v), f"of {recipe.name}") for n, v in recipe.options.items()}
    return replace(recipe, declared={**known, **recipe.declared})


def is_place(model: str) -> bool:
    """Is it the name of a user's file or module, rather than that of a model?"""
    return ":" in model or model.endswith(".py")
