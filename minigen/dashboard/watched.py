"""`Watched`: one run folder as it stands now - how far training has come, how fast it goes, and what was found.

Imports: training. Read next: ``networks.py``, ``page.py``.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minigen.dashboard.table import SPLITS, Table
from minigen.serialization import load_metadata
from minigen.training.checkpoint import KEY
from minigen.training.config import planned_steps
from minigen.training.journal import read_journal
from minigen.training.run_folder import RunFolder, RunFolderError

RECENT = 64 * 1024  # bytes at the end of metrics.csv from which the speed is taken
ROWS = 40  # at most so many rows
STILL = 60.0  # seconds without a new row after which a run without a lock is no longer taken for one in training
PNG = b"\x89PNG\r\n\x1a\n"

Stamp = tuple[tuple[int, int, int] | None, ...]


class Watched:
    """The run in the folder `path`, which the page calls `name`."""

    def __init__(self, path: Path, name: str) -> None:
        self.folder, self.name = RunFolder(path), name
        self.table = Table(self.folder.metrics)
        self._facts: tuple[Stamp, Mapping[str, Any] | None] = ((), None)
        self._config: tuple[Stamp, Mapping[str, Any]] = ((), {})

    def stamp(self) -> Stamp:
        """It is another one when something in the folder has changed that the page shows."""
        folder = self.folder
        places = (folder.config, folder.metrics, folder.journal, folder.last, folder.samples)
        return (*map(_stamp, places), (int(self._is_locked() is True), 0, 0))

    def config(self) -> Mapping[str, Any]:
        """Its settings; none while they cannot be read."""
        stamp = (_stamp(self.folder.config),)
        if stamp != self._config[0]:
            try:
                self._config = (stamp, self.folder.read_config())
            except RunFolderError:
                self._config = (stamp, {})
        return self._config[1]

    def facts(self) -> Mapping[str, Any] | None:
        """What the last checkpoint says of itself; None if there is none that can be read."""
        stamp = (_stamp(self.folder.last),)
        if stamp != self._facts[0]:
            try:
                facts = json.loads(load_metadata(self.folder.last)[KEY])
                self._facts = (stamp, facts if isinstance(facts, dict) else None)
            except (OSError, ValueError, KeyError):
                self._facts = (stamp, None)
        return self._facts[1]

    def samples(self) -> list[str]:
        """The names of the pictures, in the order of their steps."""
        try:
            found = [entry.name[:-4] for entry in os.scandir(self.folder.samples) if entry.name.endswith(".png")]
        except OSError:
            return []
        return sorted((name for name in found if not name.startswith(".")), key=self._place)

    def picture(self, name: str) -> bytes:
        """The PNG file of a picture. FileNotFoundError: there is none of that name."""
        if name in self.samples():
            data = (self.folder.samples / f"{name}.png").read_bytes()
            if data.startswith(PNG):
                return data
        raise FileNotFoundError(f"{self.name} has no picture {name!r}")

    def summary(self) -> dict[str, Any]:
        """All that the page shows beside curves and pictures, as JSON."""
        config, facts = self.config(), self.facts() or {}
        recent = self._recent()
        data, state, best = (_mapping(facts, name) for name in ("data", "state", "best"))
        per_epoch = data.get("batches_per_epoch")
        journal = read_journal(self.folder.journal)
        step = max(recent[-1][0] if recent else 0, state.get("step", 0), *(entry["step"] for entry in journal[-1:]), 0)
        total = self._total(config, per_epoch)
        status = self._status(step, total, facts, journal)
        rate = _rate(recent)
        found = {
            "name": self.name,
            "model": Path(str(config.get("model", "?"))).name,  # a page that is shared names no folders
            "dataset": Path(str(config.get("dataset", "?"))).name,
            "seed": config.get("seed"),
            "status": status,
            "step": step,
            "steps": total,
            "steps_per_epoch": per_epoch,
            "epochs": config.get("epochs"),
            "seconds": recent[-1][1] if recent else facts.get("seconds"),
            "rate": rate,
            "eta": (total - step) / rate if total and rate and status == "training" else None,
            "written": self._written(),
            "best": {"loss": best["loss"], "epoch": best["epoch"], "step": best["step"]} if best else None,
            "samples": self.samples(),
            "journal": journal,
            "notes": self._notes(config, facts),
        }
        return _finite(found)

    def _total(self, config: Mapping[str, Any], per_epoch: Any) -> int | None:
        try:
            return planned_steps({"max_steps": None, **config}, int(per_epoch))
        except (KeyError, TypeError, ValueError):
            return None

    def _status(
        self, step: int, total: int | None, facts: Mapping[str, Any], journal: Sequence[Mapping[str, Any]]
    ) -> str:
        """One of "training", "finished", "failed", "stopped"."""
        locked = self._is_locked()
        if locked:
            return "training"
        if journal and "stopped" in journal[-1]:
            return "failed"
        if total is not None and step >= total and facts.get("validated") == step:
            return "finished"
        written = self._written()
        recent = locked is None and written is not None and time.time() - written < STILL
        return "training" if recent else "stopped"

    def _is_locked(self) -> bool | None:
        """Is a process training in the folder? None where the system does not tell. Nothing is locked to find out."""
        try:
            found = os.stat(self.folder.path)
            locks = Path("/proc/locks").read_text(encoding="ascii")
        except OSError:
            return None
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        return any(re.search(rf"FLOCK +\S+ +WRITE +\d+ +{place} ", line) for line in locks.splitlines())

    def _written(self) -> float | None:
        """When the table or the checkpoint was last written, in seconds since 1970."""
        times = [stamp[1] / 1e9 for path in (self.folder.metrics, self.folder.last) if (stamp := _stamp(path))]
        return max(times, default=None)

    def _recent(self) -> list[tuple[int, float]]:
        """Step and seconds of the last rows of the table."""
        try:
            with open(self.folder.metrics, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - RECENT))
                lines = file.read().decode("utf-8", "replace").rpartition("\n")[0].splitlines()
        except OSError:
            return []
        found = []
        for line in lines[-ROWS:]:
            cells = line.split(",")
            if len(cells) >= 4 and cells[2] in SPLITS:
                try:
                    found.append((int(cells[0]), float(cells[3])))
                except ValueError:
                    continue
        return found

    def _place(self, name: str) -> tuple[int, str]:
        """Where a picture belongs: by the step in its name, or its epoch."""
        kind, _, number = name.partition("_")
        if not number.isascii() or not number.isdigit():
            return (-1, name)
        per_epoch = _mapping(self.facts() or {}, "data").get("batches_per_epoch")
        return (int(number) * (per_epoch if kind == "epoch" and isinstance(per_epoch, int) else 1), name)

    def _notes(self, config: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
        notes = []
        if not config:
            notes.append("config.toml cannot be read")
        if not facts:
            notes.append("the last checkpoint is missing or cannot be read")
        if not self.folder.metrics.exists():
            notes.append("there is no metrics.csv yet")
        return notes


def find_runs(paths: Sequence[str]) -> list[Watched]:
    """The runs in these folders: each is one, or holds some.

    RunFolderError: there is none in one of them.
    """
    found: dict[str, Watched] = {}
    for given in paths:
        path = Path(given)
        inside = [path] if (path / "config.toml").is_file() else sorted(p.parent for p in path.glob("*/config.toml"))
        if not inside:
            what = "holds no run" if path.is_dir() else "is a file" if path.exists() else "does not exist"
            raise RunFolderError(
                f"{given} {what}. `minigen train` makes a run folder, below runs/ unless --out says where"
            )
        for one in inside:
            if os.path.realpath(one) not in found:
                found[os.path.realpath(one)] = Watched(one, os.fspath(one))
    return list(found.values())


def _finite(value: Any) -> Any:
    """The same, with null for NaN and infinity, which JSON does not have: one odd row must not hide all runs."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the facts; empty where it is something else."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _rate(recent: Sequence[tuple[int, float]]) -> float | None:
    """Updates a second over the last rows; None where they do not tell."""
    if len(recent) < 2:
        return None
    steps, seconds = recent[-1][0] - recent[0][0], recent[-1][1] - recent[0][1]
    return steps / seconds if steps > 0 and seconds > 0 else None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
