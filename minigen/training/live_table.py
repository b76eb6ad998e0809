"""Training as a notebook shows it: a table of the epochs that grows, and below it a bar, in one output of the cell.

It is drawn by IPython's own display, which every kind of notebook has; no widgets are needed.

Imports: display; IPython, which is there where a notebook runs. Read next: ``progress.py``, which calls it.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from minigen.display.blocks import escape, frame, lines, note, safely, table

REDRAW = 0.3  # seconds between two drawings: each is a message to the browser
ROWS = 20  # epochs that are listed, the last ones
NOTES = 20  # lines of the doctor and the like


class LiveTable:
    """What stands in the output of the cell. `update` draws it anew."""

    def __init__(self, title: str) -> None:
        self.title, self.bar, self.text = title, "", ""
        self.epochs = 0
        self.rows: deque[dict[str, str]] = deque(maxlen=ROWS)
        self.notes: deque[str] = deque(maxlen=NOTES)
        self.began, self.drawn = time.perf_counter(), 0.0
        self._handle: Any = None
        self._said = _Said(self)

    def start(self) -> None:
        """Open the output."""
        self.began = time.perf_counter()
        self._said.open()
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
        self.epochs += 1
        self._draw()

    def say(self, lines: Iterable[str]) -> None:
        """What else there is to say."""
        self.notes += lines
        self._draw()

    def stop(self) -> None:
        """Leave the table; the bar goes."""
        self.bar, self.text = "", f"{time.perf_counter() - self.began:.1f} s"
        self._said.shut()
        self._draw(0.0)

    def _draw(self, every: float = REDRAW) -> None:
        now = time.perf_counter()
        if self._handle is not None and now - self.drawn >= every:
            self.drawn = now
            self._handle.update(self)

    def _repr_html_(self) -> str:
        return safely(_html, self)

    def __repr__(self) -> str:  # for a front end without HTML
        lines = ["  ".join(f"{name} {value}" for name, value in row.items() if value) for row in self.rows]
        return "\n".join([self.title, *lines, *self.notes, self.text])


class _Said(logging.Handler):
    """What kernels log meanwhile - that they are being compiled, which takes a while - is a note."""

    def __init__(self, shown: LiveTable) -> None:
        super().__init__(logging.INFO)
        self.shown, self.logger = shown, logging.getLogger("minigen_kernels")
        self.before = self.logger.level

    def emit(self, record: logging.LogRecord) -> None:
        self.shown.say([f"{record.getMessage()} ..."])

    def open(self) -> None:
        """Begin to listen."""
        self.before = self.logger.level
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(self)

    def shut(self) -> None:
        """Listen no more."""
        self.logger.removeHandler(self)
        self.logger.setLevel(self.before)


def _html(shown: LiveTable) -> str:
    names = list(dict.fromkeys(name for row in shown.rows for name in row))
    rows = [[row.get(name, "") for name in names] for row in shown.rows]
    earlier = [f"{shown.epochs - ROWS:,} earlier epochs are not listed"] if shown.epochs > ROWS else []
    listed = table(names, rows, numbers=len(names)) if rows else ""
    bar = f"<div>{shown.bar}{escape(shown.text)}</div>"
    said = lines("\n".join(shown.notes)) if shown.notes else ""
    return frame(shown.title, *map(note, earlier), listed, said, bar)
