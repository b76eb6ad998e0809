"""Write the tables of ``docs/weights.md`` from the table of conventions: python docs/make/weights.py

What stands outside of the two comments in that page is written by hand.

Imports: minigen.weights. Read next: ``minigen/weights/conventions.py``.
"""

from __future__ import annotations

from pathlib import Path

from minigen.weights.conventions import CONVENTIONS, SPECTRAL, Convention

PAGE = Path(__file__).resolve().parents[1] / "weights.md"
BEGIN, END = "<!-- written by docs/make/weights.py -->\n", "<!-- end -->\n"


def table() -> str:
    """A row for each layer."""
    rows = [("layer", "PyTorch", "its entries, here and there", "what else differs")]
    rows += [(f"`nn.{row.layer.__name__}`", _code(row.torch), _entries(row), row.torch_differs) for row in CONVENTIONS]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- | --- | --- | --- |", *lines[1:]]) + "\n"


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
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
