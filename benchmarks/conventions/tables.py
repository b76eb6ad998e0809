"""A table of conventions: its rows, the peers that it asks, and its Markdown.

Each subject is a script of its own that ends with ``run(TABLE)``: it asks the peers, keeps what they answer in
``benchmarks/results/conventions/`` and prints the table. minigen's own column is computed when the table is made.

Imports: scratch, in_minigen. Read next: ``table_kinks.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "conventions"

Cell = Any  # a list of numbers (or "nan", "inf", "-inf"), a text, {"error": text}; None: the peer does not have it
Cells = dict[str, Cell]


@dataclass(frozen=True)
class Peer:
    """A column: its heading, its environment (``scratch.py``) and the script that is run in it."""

    name: str
    environment: str
    script: str
    options: tuple[str, ...] = ()


FRAMEWORKS = (
    Peer("PyTorch", "torch", "in_torch.py"),
    Peer("Keras 3", "jax", "in_keras.py"),
    Peer("JAX", "jax", "in_jax.py"),
    Peer("Chainer", "chainer", "in_chainer.py"),
    Peer("Paddle", "paddle", "in_paddle.py"),
    Peer("MLX", "mlx", "in_mlx.py"),
    Peer("tinygrad", "tinygrad", "in_tinygrad.py"),
)
ONNX = (Peer("ONNX Runtime", "onnx", "in_onnx.py"), Peer("onnx reference", "onnx", "in_onnx.py", ("reference",)))


@dataclass(frozen=True)
class Row:
    """`guess` is what good programmers guess wrong; `port` how what differs becomes minigen's."""

    key: str
    label: str
    guess: str = ""
    port: str = ""


@dataclass(frozen=True)
class Part:
    """Rows under one caption."""

    caption: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Table:
    """A subject. `show` writes a cell where numbers alone do not say it: (key, cell, minigen's cells) -> text."""

    name: str
    title: str
    text: str
    port: str
    parts: Sequence[Part]
    peers: Sequence[Peer] = FRAMEWORKS
    show: Callable[[str, Cell, Cells], str] | None = None


def minigen_cells(name: str) -> Cells:
    """minigen's column, computed now."""
    import in_minigen
    import numpy as np
    from adapter import measure

    table = in_minigen.TABLES.get(name)
    with np.errstate(all="ignore"):  # NaN and infinity are results here
        return measure(table()) if table else {}


def kept(name: str) -> dict[str, Any]:
    """What the peers answered when they were last asked: by heading, versions and cells, or why there are none."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def columns(table: Table) -> dict[str, Cells]:
    """The cells by heading: minigen's of today, the peers' as kept."""
    answers = kept(table.name)
    cells = {peer.name: answers[peer.name].get("cells", {}) for peer in table.peers if peer.name in answers}
    return {"minigen": minigen_cells(table.name), **{name: found for name, found in cells.items() if found}}


def text_of(cell: Cell) -> str:
    """A cell as it is printed: four digits; nothing for what is not there."""
    if cell is None:
        return ""
    if isinstance(cell, dict):
        return "refused"
    if isinstance(cell, str):
        return cell
    return ", ".join(_word(x) for x in cell)


def _word(x: float | str) -> str:
    words = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}
    return words.get(x, x) if isinstance(x, str) else f"{x + 0.0:.4g}"


def same(a: Cell, b: Cell) -> bool:
    """Whether two cells say the same: equal texts, numbers within 1e-4 of the larger; refusals are alike."""
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict)
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return len(a) == len(b) and all(_near(x, y) for x, y in zip(a, b))


def _near(x: float | str, y: float | str) -> bool:
    if isinstance(x, str) or isinstance(y, str):
        return x == y
    return abs(x - y) <= 1e-4 * max(abs(x), abs(y))


def shown(table: Table, key: str, cell: Cell, ours: Cells) -> str:
    """A cell of a table as text."""
    return text_of(cell) if table.show is None or cell is None else table.show(key, cell, ours)


def agree(table: Table, key: str, cell: Cell, ours: Cells) -> bool:
    """Whether a peer's cell is minigen's."""
    if table.show is not None:
        return shown(table, key, cell, ours) == shown(table, key, ours[key], ours)
    return same(cell, ours[key])


def differing(table: Table, row: Row, found: dict[str, Cells]) -> list[str]:
    """The peers that answer otherwise than minigen; all that answer, where minigen has none."""
    ours = found["minigen"]
    cells = {name: there[row.key] for name, there in found.items() if name != "minigen" and row.key in there}
    answers = {name: cell for name, cell in cells.items() if not isinstance(cell, dict)}
    return [name for name, cell in answers.items() if row.key not in ours or not agree(table, row.key, cell, ours)]


def markdown(table: Table) -> str:
    """The section of the page."""
    found = columns(table)
    lines = [f"## {table.title}", "", table.text, ""]
    for part in table.parts:
        heads = [name for name, cells in found.items() if any(row.key in cells for row in part.rows)]
        lines += [*([part.caption, ""] if part.caption else []), "| | " + " | ".join(heads) + " |"]
        lines.append("| --- |" + " --- |" * len(heads))
        for row in part.rows:
            unlike = differing(table, row, found) if row.key in found["minigen"] else []
            cells = [shown(table, row.key, found[name].get(row.key), found["minigen"]) for name in heads]
            marked = [f"**{c}**" if name in unlike and c else c for name, c in zip(heads, cells)]
            lines.append(f"| {'**!** ' if row.guess else ''}{row.label} | " + " | ".join(marked) + " |")
        lines += ["", *(f"- {row.label}: {note(row)}" for row in part.rows if note(row)), ""]
    return "\n".join([*lines, f"**When you port:** {table.port}", "", _versions(table), ""])


def note(row: Row) -> str:
    """What stands below the table about a row; nothing if there is nothing to say."""
    return " ".join(filter(None, [row.guess, row.port and f"*To minigen:* {row.port}"]))


def _versions(table: Table) -> str:
    answers = kept(table.name)
    words = []
    for peer in table.peers:
        answer = answers.get(peer.name, {})
        if answer.get("cells"):
            words.append(f"{peer.name}: " + ", ".join(f"{k} {v}" for k, v in answer["versions"].items()))
        elif "failed" in answer:
            words.append(f"{peer.name}: not measured, {answer['failed']}")
    return f"Measured by `benchmarks/conventions/table_{table.name}.py` with " + "; ".join(words) + "."


def ask(table: Table, only: Sequence[str]) -> None:
    """Ask the peers (all, or those named) and keep their answers. A peer that cannot be asked is kept as such."""
    import scratch

    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{table.name}.json"
    answers: dict[str, Any] = kept(table.name) if path.exists() else {}
    for peer in table.peers:
        if only and peer.name not in only:
            continue
        try:
            answers[peer.name] = scratch.measured(peer.environment, [peer.script, table.name, *peer.options])
        except RuntimeError as error:
            answers[peer.name] = {"failed": str(error)[:300]}
            print(f"{peer.name}: {error}", file=sys.stderr)
    ordered = {peer.name: answers[peer.name] for peer in table.peers if peer.name in answers}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def run(table: Table) -> None:
    """The script of a table."""
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "kernels")]
    parser = argparse.ArgumentParser(description=f"Conventions: {table.title}. Asks the peers and prints the table.")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="PEER", help="ask these, keep the answers of the others"
    )
    parser.add_argument("--kept", action="store_true", help="ask nobody: print the table of the kept answers")
    options = parser.parse_args()
    if not options.kept:
        ask(table, options.only)
    print(markdown(table))
