"""The journal of a run, ``journal.jsonl``: what the doctor found, and why training stopped, at the steps where it was.

A line is a JSON object with "step" and "epoch", and either "doctor" (a checkup as ``minigen train --json`` prints it)
or "stopped" (the error, in a sentence). Like the table of metrics it is a report, on which nothing rests: a line that
cannot be read is passed over.

Imports: atomic, doctor. Read next: ``session.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minigen.atomic import write_atomically
from minigen.doctor import Checkup

Entry = Mapping[str, Any]


class Journal:
    """The journal in the file `path`; None: in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory: list[Entry] = []

    def checkup(self, step: int, epoch: int, found: Checkup) -> None:
        """The doctor has looked after update `step`."""
        self._add({"step": step, "epoch": epoch, "doctor": asdict(found)})

    def stopped(self, step: int, epoch: int, error: BaseException) -> None:
        """Training has ended with an error in update `step`."""
        self._add({"step": step, "epoch": epoch, "stopped": str(error)})

    def entries(self) -> list[Entry]:
        """All entries, the oldest first."""
        return self._memory if self.path is None else read_journal(self.path)

    def cut(self, step: int) -> None:
        """Keep what was written up to update `step`: what came after the checkpoint will come again."""
        kept = [entry for entry in self.entries() if entry["step"] <= step and "stopped" not in entry]
        if self.path is None:
            self._memory = kept
        elif kept:
            write_atomically(self.path, "".join(map(_line, kept)).encode())
        else:
            self.path.unlink(missing_ok=True)

    def _add(self, entry: Entry) -> None:
        if self.path is None:
            self._memory.append(entry)
            return
        with open(self.path, "a", encoding="utf-8", newline="\n") as file:
            file.write(_line(entry))


def read_journal(path: Path) -> list[Entry]:
    """The entries of a file; none without the file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [entry for line in lines if (entry := _entry(line)) is not None]


def _line(entry: Entry) -> str:
    return json.dumps(entry) + "\n"


def _entry(line: str) -> Entry | None:
    """The entry of a line; None if it is damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    counted = isinstance(entry, dict) and all(type(entry.get(name)) is int for name in ("step", "epoch"))
    return entry if counted and ("stopped" in entry or isinstance(entry.get("doctor"), dict)) else None
