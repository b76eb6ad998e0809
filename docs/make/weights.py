"""Write the two tables of ``docs/weights.md`` from the table of conventions: python docs/make/weights.py

What stands outside of the two comments in that page is written by hand.

Imports: minigen.weights. Read next: ``minigen/weights/conventions.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minigen.weights.conventions import CONVENTIONS, SPECTRAL, Convention, Entry, Setting

PAGE = Path(__file__).resolve().parents[1] / "weights.md"
BEGIN, END = "<!-- written by docs/make/weights.py -->\n", "<!-- end -->\n"


def tables() -> str:
    """A row for each layer: PyTorch's names, then those of Keras."""
    torch = [("layer", "PyTorch", "its entries, here and there", "what else differs")]
    torch += [(_own(row), _code(row.torch), _entries(row), row.torch_differs) for row in CONVENTIONS]
    keras = [("layer", "Keras 3", "entry: variable", "settings", "what else differs")]
    keras += [(_own(row), _code(row.keras), _variables(row), _settings(row), row.keras_differs) for row in CONVENTIONS]
    return f"{_table(torch)}\n{_table(keras)}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) + "\n"


def _own(row: Convention) -> str:
    return f"`nn.{row.layer.__name__}`"


def _variables(row: Convention) -> str:
    return "; ".join(_variable(entry) for entry in row.entries)


def _variable(entry: Entry) -> str:
    alike = entry.shape == entry.keras_shape and not entry.axes
    how = "" if alike else f" {entry.keras_shape}"
    moved = f", transposed {entry.axes}" if entry.axes else ""
    return f"`{entry.own}`: `{entry.keras}`{how}{moved}"


def _settings(row: Convention) -> str:
    return "; ".join(_setting(one) for one in row.settings) or "none"


def _setting(one: Setting) -> str:
    name = f"1 - `{one.own}`" if one.complement else f"`{one.own}`"
    return f"`{one.keras}` = {name}, by default {one.keras_default:g} (here {one.default:g})"


def _entries(row: Convention) -> str:
    if row.torch.endswith("spectral_norm"):
        return "; ".join(f"`{own}`: `{names[0]}`" + _older(names) for own, names in SPECTRAL.items())
    return ", ".join(f"`{entry.own}` {entry.shape}" for entry in row.entries)


def _older(names: tuple[str, ...]) -> str:
    return f", before `{names[1]}`" if len(names) > 1 else ""


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def page(text: str) -> str:
    """The page with its table as it is now."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
