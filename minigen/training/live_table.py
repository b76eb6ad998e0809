"""Training as a notebook shows it: a table of the epochs that grows, and below it a bar, in one output of the cell.

It is drawn by IPython's own display, which every kind of notebook has; no widgets are needed.

Imports: display; IPython, which is there where a notebook runs. Read next: ``progress.py``, which calls it.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from minigen.display.blocks import escape, frame, lines, note, safely, table

ROWS = 20  # epochs that are listed, the last ones
NOTES = 20  # lines of the doctor and the like


class LiveTable:
    """What stands in the output of the cell. `update` draws it anew."""

    def __init__(self, title: str) -> None:
        self.title, self.bar, self.text = title, "", ""
        self.rows: list[dict[str, str]] = []
        self.notes: list[str] = []
        self.began = time.perf_counter()
        self._handle: Any = None

    def start(self) -> None:
        """Open the output."""
        self.began = time.perf_counter()
        self._handle = importlib.import_module("IPython.display").display(self, display_id=True)

    def update(self, done: float, text: str) -> None:
        """Move the bar: `done` of 1 of the epoch; `text` says the rest."""
        percent = 100 * done
        self.bar = f'<progress value="{percent:.1f}" max="100" aria-label="part of the epoch"></progress> '
        self.text = text
        self._draw()

    def add(self, row: Mapping[str, str]) -> None:
        """An epoch is over; `row` has its numbers by the names of the columns."""
        self.rows.append(dict(row))
        self._draw()

    def say(self, lines: Iterable[str]) -> None:
        """What else there is to say."""
        self.notes += lines
        self._draw()

    def stop(self) -> None:
        """Leave the table; the bar goes."""
        self.bar, self.text = "", f"{time.perf_counter() - self.began:.1f} s"
        self._draw()

    def _draw(self) -> None:
        if self._handle is not None:
            self._handle.update(self)

    def _repr_html_(self) -> str:
        return safely(_html, self)

    def __repr__(self) -> str:  # for a front end without HTML
        lines = ["  ".join(f"{name} {value}" for name, value in row.items() if value) for row in self.rows[-ROWS:]]
        return "\n".join([self.title, *lines, *self.notes[-NOTES:], self.text])


def _html(shown: LiveTable) -> str:
    names = list(dict.fromkeys(name for row in shown.rows for name in row))
    rows = [[row.get(name, "") for name in names] for row in shown.rows[-ROWS:]]
    earlier = [f"{len(shown.rows) - ROWS} earlier epochs are not listed"] if len(shown.rows) > ROWS else []
    listed = table(names, rows, numbers=len(names)) if rows else ""
    bar = f"<div>{shown.bar}{escape(shown.text)}</div>"
    said = lines("\n".join(shown.notes[-NOTES:])) if shown.notes else ""
    return frame(shown.title, *map(note, earlier), listed, said, bar)
