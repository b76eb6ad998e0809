"""What a proof has found so far, as an object and as files: written after every row, so that a crash leaves them.

The JSON file holds the rows. What a kernel was given and made where it failed goes to a ``.npz`` file beside it.

Imports: atomic, proof. Read next: ``procedure.py``.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigen.atomic import write_atomically
from minigen.proof import FAILED, PASSED, UNFINISHED


@dataclass(frozen=True)
class Fault:
    """What went wrong: in words, as plain values for the JSON file, and as arrays for a file to attach to a report."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One thing that was checked: `part` of the procedure, `what` of it, how often, and the first fault."""

    part: str
    group: str  # rows of one group are one line of the table
    what: str
    checks: int
    seconds: float
    fault: Fault | None = None


class Proof:
    """The rows so far. `paths` are its files, if it has any; `trouble` says why one could not be written."""

    def __init__(self, subject: Mapping[str, str], settings: Mapping[str, Any], *paths: Path) -> None:
        self.subject, self.settings, self.paths = dict(subject), dict(settings), paths
        self.date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.rows: list[Row] = []
        self.running, self.finished, self.seconds = "", False, 0.0
        self.trouble: str | None = None
        self._attached: dict[int, str] = {}

    @property
    def faults(self) -> list[Row]:
        """The rows that failed."""
        return [row for row in self.rows if row.fault is not None]

    @property
    def passed(self) -> bool:
        """Is all done, and all right?"""
        return self.finished and not self.faults

    @property
    def checks(self) -> int:
        """How many there were."""
        return sum(row.checks for row in self.rows)

    def begin(self, what: str) -> None:
        """Write down what comes now: it stands in the file if the process does not come back."""
        self.running = what
        self._write()

    def add(self, row: Row) -> None:
        """Take in a row."""
        if row.fault is not None and row.fault.arrays and self.paths:
            self._attach(len(self.rows), row.what, row.fault.arrays)
        self.rows.append(row)
        self.seconds += row.seconds

    def finish(self) -> None:
        """All rows are there."""
        self.running, self.finished = "", True
        self._write()

    def attachment(self, row: Row) -> str | None:
        """The file with the arrays of a fault, if there is one."""
        return self._attached.get(self.rows.index(row))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        verdict = (PASSED if self.passed else FAILED) if self.finished else UNFINISHED
        return {
            "verdict": verdict,
            "date": self.date,
            "subject": self.subject,
            **self.settings,
            "checks": self.checks,
            "seconds": round(self.seconds, 3),
            "faults": [row.what for row in self.faults],
            "running": self.running,
            "rows": [self._row(i, row) for i, row in enumerate(self.rows)],
        }

    def _row(self, i: int, row: Row) -> dict[str, Any]:
        found = {**asdict(row), "seconds": round(row.seconds, 4), "fault": None}
        if row.fault is not None:
            found["fault"] = {"text": row.fault.text, **row.fault.facts, "arrays": self._attached.get(i)}
        return found

    def _attach(self, i: int, what: str, arrays: Mapping[str, Any]) -> None:
        name, first = "".join(c if c.isalnum() else "-" for c in what), self.paths[0]
        path, file = first.with_name(f"{first.stem}-{name}.npz"), io.BytesIO()
        np.savez_compressed(file, **arrays)
        if self._write_file(path, file.getvalue()):
            self._attached[i] = str(path)

    def _write(self) -> None:
        text = json.dumps(self.to_dict(), indent=1) + "\n"
        for path in self.paths:
            self._write_file(path, text.encode())

    def _write_file(self, path: Path, data: bytes) -> bool:
        """A disk that is full or read-only is no reason to stop."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)
        except OSError as error:
            self.trouble = f"{error.filename or path}: {error.strerror or error}"
            return False
        return True
