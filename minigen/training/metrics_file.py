"""The metrics of a run, ``metrics.csv`` or a table in memory: a row for every logged step and epoch, a column a term.

Columns: step (updates made), epoch (from 1), split, seconds (spent in training, over all sessions of the run), then the
terms. `split` is "batch" (the terms of that one update), "train" (means over the updates of the epoch) or "validation".
A cell is empty where a row lacks the term. Numbers are written so that reading them gives the same bits.

Imports: atomic. Read next: ``session.py``.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from minigen.atomic import write_atomically
from minigen_kernels import Array

COLUMNS = ("step", "epoch", "split", "seconds")
TYPES = {"step": np.int64, "epoch": np.int64, "split": np.str_}  # the other columns are float64


class MetricsFile:
    """Rows are appended and reach the file at once. `rows` counts them. `notes`: what there is to say of the table.

    The table is a report, on which nothing rests: where it is lost or damaged, a new one is begun.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.columns, self.rows = path, list(COLUMNS), 0
        self.notes: list[str] = []
        self._file: io.TextIOWrapper | None = None

    def append(self, step: int, epoch: int, split: str, seconds: float, terms: Mapping[str, float]) -> None:
        """Add a row."""
        self._add({"step": step, "epoch": epoch, "split": split, "seconds": f"{seconds:.3f}", **terms})
        self.rows += 1

    def _add(self, row: Mapping[str, object]) -> None:
        """A term that is new adds a column: then the file is written anew."""
        if self._file is not None and not self._is_open_file():
            self.close()
            if not self.path.exists():
                self.notes.append(f"{self.path} has vanished; a new table begins with step {row['step']}")
                self.columns, self.rows = list(COLUMNS), 0
        new = [name for name in row if name not in self.columns]
        if new:
            before = self.read()[1:]
            self.columns += new
            self._replace(before)
        if self._file is None:
            self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115 - open as long as the run
        self._file.write(_line([row.get(name, "") for name in self.columns]))
        self._file.flush()

    def read(self) -> list[list[str]]:
        """The header and the rows below it, as they stand in the file; nothing if there is no file."""
        if not self.path.exists():
            return []
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    def terms(self, split: str, among: int | None = None) -> list[dict[str, float]]:
        """The terms of every row of that split, in their order; `among` the first so many rows."""
        header, *rows = self.read() or [self.columns]
        start, place = len(COLUMNS), COLUMNS.index("split")
        return [
            {name: float(cell) for name, cell in zip(header[start:], row[start:]) if cell}
            for row in rows[:among]
            if row[place] == split
        ]

    def arrays(self) -> dict[str, Array]:
        """The columns by name: whole numbers, texts, and floats with NaN where a row lacks the term."""
        header, *rows = self.read() or [self.columns]
        columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
        return {
            name: np.array([cell or "nan" for cell in cells]).astype(TYPES.get(name, np.float64))
            for name, cells in columns.items()
        }

    def cut(self, rows: int) -> None:
        """Keep the first `rows` rows: what came after the checkpoint will come again.

        Where the file lacks some of them, or is no table of this kind, it is set aside and a new one is begun.
        """
        self.close()
        if rows == 0 and not self.path.is_dir():
            self.path.unlink(missing_ok=True)
        try:
            header, *kept = self.read()[: rows + 1] or [[]]
            _check_table(header, kept, rows)
        except (ValueError, OSError, csv.Error) as error:
            self._set_aside(rows, str(error))
            kept = []
        self.columns, self.rows = (header, rows) if kept else (list(COLUMNS), 0)
        if kept:
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

    def _is_open_file(self) -> bool:
        """Does the path still lead to the file that is open? Others may have deleted or replaced it."""
        assert self._file is not None
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def _set_aside(self, rows: int, reason: str) -> None:
        """Give a table that cannot be continued another name."""
        if not os.path.lexists(self.path):
            self.notes.append(f"{self.path} is missing; a new table is begun")
            return
        names = (self.path.with_name(f"{self.path.stem}.damaged{i or ''}{self.path.suffix}") for i in itertools.count())
        free = next(path for path in names if not os.path.lexists(path))
        os.rename(self.path, free)
        self.notes.append(
            f"{self.path} does not have the first {rows} rows of this run ({reason}); a new table is begun, the old "
            f"one is {free.name}"
        )

    def _replace(self, rows: Sequence[Sequence[str]]) -> None:
        self.close()
        padded = ([*row, *[""] * (len(self.columns) - len(row))] for row in rows)
        write_atomically(self.path, "".join(map(_line, [self.columns, *padded])).encode())


class MetricsMemory(MetricsFile):
    """The table of a run that is written nowhere."""

    def __init__(self) -> None:
        super().__init__(Path("memory"))
        self._cells: list[Mapping[str, object]] = []

    def _add(self, row: Mapping[str, object]) -> None:
        self._cells.append(row)
        self.columns += [name for name in row if name not in self.columns]

    def read(self) -> list[list[str]]:
        return [self.columns, *([str(row.get(name, "")) for name in self.columns] for row in self._cells)]

    def fill(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Take the rows of another table."""
        self._cells = [{name: cell for name, cell in zip(header, row) if cell} for row in rows]
        self.columns, self.rows = list(header), len(rows)

    def cut(self, rows: int) -> None:
        del self._cells[rows:]
        self.rows = rows


def _check_table(header: Sequence[str], kept: Sequence[Sequence[str]], rows: int) -> None:
    """ValueError if these are not the header and the first `rows` rows of a table of this kind."""
    if rows and tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise ValueError(f"it does not begin with {','.join(COLUMNS)}")
    whole = [row for row in kept if len(row) == len(header)]
    if len(whole) < rows:
        raise ValueError(f"{len(whole)} are whole")
    for row in whole:
        [float(cell) for cell in row[len(COLUMNS) :] if cell]


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
