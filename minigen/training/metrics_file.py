"""The table of a run, ``metrics.csv``: one row for every logged step and epoch, one column for every term.

Columns: step (updates made), epoch (from 1), split, seconds (spent in training, over all sessions of the run), then the
terms. `split` is "batch" (the terms of that one update), "train" (means over the updates of the epoch) or "validation".
A cell is empty where a row lacks the term. Numbers are written so that reading them gives the same bits.

Imports: atomic. Read next: ``run.py``.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from minigen.atomic import write_atomically

COLUMNS = ("step", "epoch", "split", "seconds")


class MetricsFile:
    """Rows are appended and reach the file at once. `rows` counts them."""

    def __init__(self, path: Path) -> None:
        self.path, self.columns, self.rows = path, list(COLUMNS), 0
        self._file: io.TextIOWrapper | None = None

    def append(self, step: int, epoch: int, split: str, seconds: float, terms: Mapping[str, float]) -> None:
        """Add a row. A term that is new adds a column: then the file is written anew."""
        new = [name for name in terms if name not in self.columns]
        if new:
            before = self.read()
            self.columns += new
            self._replace(before)
        row = {"step": step, "epoch": epoch, "split": split, "seconds": f"{seconds:.3f}", **terms}
        if self._file is None:
            self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115 - open as long as the run
        self._file.write(_line([row.get(name, "") for name in self.columns]))
        self._file.flush()
        self.rows += 1

    def read(self) -> list[list[str]]:
        """The rows below the header, as they stand in the file; none if there is no file."""
        if not self.path.exists():
            return []
        with open(self.path, encoding="utf-8", newline="") as file:
            return list(csv.reader(file))[1:]

    def terms(self, split: str) -> list[dict[str, float]]:
        """The terms of every row of that split, in their order."""
        names, start = self.columns[len(COLUMNS) :], len(COLUMNS)
        rows = [row for row in self.read() if row[COLUMNS.index("split")] == split]
        return [{name: float(cell) for name, cell in zip(names, row[start:]) if cell} for row in rows]

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows: what came after the checkpoint will come again.

        ValueError if the file has fewer, or no header of this kind.
        """
        self.close()
        if rows == 0:
            self.path.unlink(missing_ok=True)
            self.columns, self.rows = list(COLUMNS), 0
            return
        if not self.path.exists():
            raise ValueError(f"{self.path} is missing; the checkpoint needs its first {rows} rows")
        kept = self.read()[:rows]
        with open(self.path, encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
        if tuple(header[: len(COLUMNS)]) != COLUMNS or len(kept) < rows or any(len(r) != len(header) for r in kept):
            raise ValueError(
                f"{self.path} was changed: the checkpoint needs its first {rows} rows, {len(kept)} are whole"
            )
        self.columns, self.rows = header, rows
        self._replace(kept)

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _replace(self, rows: Sequence[Sequence[str]]) -> None:
        self.close()
        padded = ([*row, *[""] * (len(self.columns) - len(row))] for row in rows)
        write_atomically(self.path, "".join(map(_line, [self.columns, *padded])).encode())


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
