"""Write ``docs/models.md``: every model of the catalog with its source, its derivative order and its options.

    python docs/make/models.py

Nothing on the page is typed in: it is the catalog that ``minigen train`` reads.

Imports: minigen.algorithms.catalog. Read next: ``models.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Recipe

PAGE = Path(__file__).resolve().parents[1] / "models.md"

HEAD = """# The models

Written by `python docs/make/models.py` from the catalog. `minigen train NAME` trains one; each option is a flag,
`kl_weight` as `--kl-weight`. "2nd order" marks an update that differentiates a gradient.
"""


def page() -> str:
    """The whole page."""
    families: dict[str, list[Recipe]] = {}
    for recipe in MODELS.values():
        families.setdefault(recipe.family, []).append(recipe)
    parts = [HEAD]
    for family, recipes in families.items():
        parts.append(f"## {family}\n")
        parts += [entry(recipe) for recipe in recipes]
    parts.append("## The options\n")
    parts += [f"- `{name}`: {option.help}{_limits(option.choices)}" for name, option in sorted(OPTIONS.items())]
    return "\n".join(parts) + "\n"


def entry(recipe: Recipe) -> str:
    """A model's paragraph."""
    options = ", ".join(f"`{name}` {_shown(value)}" for name, value in recipe.options.items())
    order = "" if recipe.order == 1 else f" {recipe.order}nd order." if recipe.order == 2 else f" Order {recipe.order}."
    return f"**`{recipe.name}`** - {recipe.summary}.{order}  \n{recipe.paper}.  \n*Options:* {options}\n"


def _limits(choices: tuple[str, ...]) -> str:
    return f" ({', '.join(choices)})" if choices else ""


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
