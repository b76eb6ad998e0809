"""``minigen list``: the models by name.

Imports: training.catalog. Read next: ``minigen/algorithms/catalog.py``.
"""

from __future__ import annotations

import itertools
import json

import click

from minigen.algorithms.catalog import MODELS
from minigen.cli.console import echo


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object, with the options and their defaults")
def list_models(as_json: bool) -> None:
    """List the models, family by family, with their papers."""
    if as_json:
        names = ("name", "family", "summary", "paper", "order", "options")
        models = [{name: getattr(recipe, name) for name in names} for recipe in MODELS.values()]
        echo(json.dumps({"models": models}))
        return
    width = max(map(len, MODELS))
    for family, recipes in itertools.groupby(MODELS.values(), key=lambda recipe: recipe.family):
        echo(f"{FAMILIES.get(family, family)}\n")
        for recipe in recipes:
            order = "; an update takes second derivatives" if recipe.order == 2 else ""
            echo(f"  {recipe.name:<{width}}  {recipe.summary}{order}")
            echo(f"  {'':<{width}}  {recipe.paper}")
        echo("")
    echo("options of a model: minigen train MODEL --help")


FAMILIES = {
    "autoencoder": "autoencoders",
    "likelihood": "likelihood: VAEs and their kin",
    "gan": "GANs",
    "hybrid": "hybrids: autoencoders inside GANs",
}
