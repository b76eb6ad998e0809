"""The words on a box: shapes, settings, values.

Imports: display, autograd, graph; rich. Read next: ``boxes.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.cells import cell_len

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.display.arrays import statistics
from minigen.drawing.graph import Node

FEW = 12  # numbers that are shown one by one
LONGEST = 40  # characters of a name


def usual_dtype(nodes: Iterable[Node]) -> np.dtype[Any]:
    """The dtype of most Tensors, which is not written on each box."""
    return Counter(node.tensor.dtype for node in nodes).most_common(1)[0][0]


def shape_words(t: Tensor, usual: np.dtype[Any]) -> str:
    """The shape, and the dtype and the device where they are not the usual ones."""
    words = [str(t.shape)]
    if t.dtype != usual:
        words.append(str(t.dtype))
    if t.device != "cpu":
        words.append(t.device)
    return " ".join(words)


def value_lines(x: Any, title: str = "") -> list[str]:
    """The numbers of a small array, a line for each row; range and mean of a larger one, and what is not finite."""
    if not x.size:
        return [f"{title}no elements"]
    if x.size <= FEW:
        rows = np.asarray(to_device(x, "cpu")).reshape(-1, x.shape[-1] if x.ndim else 1).tolist()
        cells = [[_number(v) for v in row] for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in cells]
        return [(title if i == 0 else " " * len(title)) + line for i, line in enumerate(lines)]
    found = statistics(x)
    bad = "".join(f", {count:,} {name}" for count, name in ((found.nan, "NaN"), (found.infinite, "infinite")) if count)
    span = (
        f"{_number(found.low)} to {_number(found.high)}, mean {_number(found.mean)}" if found.finite else "none finite"
    )
    return [f"{title}{span}{bad}"]


def settings(function: Any) -> str:
    """The static arguments of a Function, and what `forward` noted, if they are short."""
    own = {k: v for k, v in vars(function).items() if k not in ("inputs", "sequence") and not k.startswith("_")}
    words = [f"{k}={v!r}" for k, v in own.items() if _is_plain(v) and len(repr(v)) <= LONGEST]
    return ", ".join(words)


def short(name: str) -> str:
    """A name in one line, cut off where it is too long for a box; what cannot be shown is escaped, as by `repr`."""
    line = shown_letters(" ".join(name.split()))
    if cell_len(line) <= LONGEST:
        return line
    while cell_len(line) > LONGEST - 3:
        line = line[:-1]
    return f"{line}..."


def shown_letters(text: str) -> str:
    """Text without characters that steer a terminal, that XML forbids, or that are half of one."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def padded(text: str, width: int) -> str:
    """Text and spaces, `width` columns of a terminal: Chinese letters take two."""
    return text + " " * (width - cell_len(text))


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, (int, float, str, slice))


def _number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
