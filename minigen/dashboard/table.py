"""``metrics.csv`` as arrays, read as far as it is written: each look takes in the rows that are new.

Several hundred thousand rows are no trouble: what was read stays as arrays, and only new bytes are looked at. A file
that was replaced - by a resumed run, or because a term was added - is read anew.

Imports: training.metrics_file. Read next: ``buckets.py``.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minigen.training.metrics_file import COLUMNS
from minigen_kernels import Array

SPLITS = ("batch", "train", "validation")
AT_ONCE = 1 << 20  # bytes that are taken in at once
TAIL = 64  # bytes before the place that was read up to, by which the file is known again


class Series:
    """The rows of one split: steps, epochs and seconds, and each term with where a row has it."""

    def __init__(self, terms: Sequence[str]) -> None:
        names = ("step", "epoch", "seconds", *terms)
        self._parts: dict[str, list[Array]] = {name: [] for name in names}
        self._there: dict[str, list[Array]] = {name: [] for name in names}
        self.rows = 0

    def append(self, name: str, values: Array, there: Array) -> None:
        """Add to a column."""
        self._parts[name].append(values)
        self._there[name].append(there)

    def column(self, name: str) -> tuple[Array, Array]:
        """A column as float64, and a bool for each row: does it have the number? (It may be NaN all the same.)"""
        for parts in (self._parts[name], self._there[name]):
            if len(parts) > 1:
                parts[:] = [np.concatenate(parts)]
        if not self._parts[name]:
            return np.empty(0), np.empty(0, bool)
        return self._parts[name][0], self._there[name][0]


class Table:
    """The table in the file `path`, as far as `update` has read it. `damaged` counts the lines that could not be read.

    `version` changes when the file was replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.version = path, 0
        self._identity: tuple[int, int] | None = None
        self._begin(())

    def _begin(self, terms: Sequence[str]) -> None:
        self.terms, self.damaged = tuple(terms), 0
        self.splits = {name: Series(terms) for name in SPLITS}
        self._offset, self._columns = 0, 0
        self._head, self._tail = b"", b""

    def update(self) -> None:
        """Take in what was written since the last time. A missing file is a table without rows."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - closed below; a missing file is no error
        except OSError:
            if self._identity is not None:
                self._identity, self.version = None, self.version + 1
                self._begin(())
            return
        with file:
            found = os.fstat(file.fileno())
            identity = (found.st_dev, found.st_ino)
            if identity != self._identity or not self._goes_on(file):
                self._identity, self.version = identity, self.version + 1
                self._begin(())
            file.seek(self._offset)
            rest = b""
            while piece := file.read(AT_ONCE):
                lines, mark, rest = (rest + piece).rpartition(b"\n")
                if mark:  # what follows the last end of a line is still being written
                    self._offset += len(lines) + 1
                    head, tail = self._head or lines.partition(mark)[0] + mark, (self._tail + lines + mark)[-TAIL:]
                    self._take(lines.decode("utf-8", "replace").splitlines())
                    self._head, self._tail = head, tail

    def _goes_on(self, file: BinaryIO) -> bool:
        """Does what was read still stand there? A file that replaces another may get the number of an older one."""
        head = file.read(len(self._head))
        file.seek(self._offset - len(self._tail))
        return head == self._head and file.read(len(self._tail)) == self._tail

    def _take(self, lines: list[str]) -> None:
        if not self._columns and lines:
            header = next(csv.reader([lines.pop(0).lstrip("\ufeff")]), [])
            if tuple(header[: len(COLUMNS)]) != COLUMNS:
                self.damaged += 1
                return
            offset = self._offset
            self._begin(header[len(COLUMNS) :])
            self._offset, self._columns = offset, len(header)
        rows = [line.split(",") for line in lines]
        whole = [row for row in rows if len(row) == self._columns and row[2] in SPLITS]
        self.damaged += len(rows) - len(whole)
        for split in SPLITS:
            mine = [row for row in whole if row[2] == split]
            if mine:
                self._add(self.splits[split], mine)

    def _add(self, series: Series, rows: list[list[str]]) -> None:
        try:
            columns = list(zip(*rows))
            found = {"step": columns[0], "epoch": columns[1], "seconds": columns[3]}
            found |= dict(zip(self.terms, columns[len(COLUMNS) :]))
            parsed = {name: np.array([float(cell) if cell else 0.0 for cell in cells]) for name, cells in found.items()}
            if not all(np.isfinite(parsed[name]).all() for name in ("step", "epoch")):
                raise ValueError
        except ValueError:  # some cell is no number
            if len(rows) == 1:
                self.damaged += 1
                return
            for row in rows:
                self._add(series, [row])
            return
        for name, values in parsed.items():
            series.append(name, values, np.array([bool(cell) for cell in found[name]]))
        series.rows += len(rows)
