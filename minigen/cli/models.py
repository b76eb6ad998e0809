"""``minigen list``: the models by name.

Imports: training.catalog. Read next: ``minigen/training/catalog.py``.
"""

from __future__ import annotations

import json

import click

from minigen.training.catalog import MODELS


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object, with the options and their defaults")
def list_models(as_json: bool) -> None:
    """List the models: family, the highest derivative that an update takes, papers."""
    if as_json:
        models = [
            {
                "name": r.name, "family": r.family, "summary": r.summary, "paper": r.paper, "order": r.order,
                "options": dict(r.options),
            }
            for r in MODELS.values()
        ]  # fmt: skip
        click.echo(json.dumps({"models": models}))
        return
    width = max(map(len, MODELS))
    for recipe in MODELS.values():
        order = ORDERS.get(recipe.order, f"derivatives of order {recipe.order}")
        click.echo(f"{recipe.name:<{width}}  {recipe.family}; {order}: {recipe.summary}")
        click.echo(f"{'':<{width}}  {recipe.paper}")
    click.echo("\noptions of a model: minigen train MODEL --help")


ORDERS = {1: "first derivatives", 2: "second derivatives"}
