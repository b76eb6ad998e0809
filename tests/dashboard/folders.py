"""Run folders for the tests of what is watched: a true one, and the same with other tables, journals and pictures.

Read next: ``test_watched.py``.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from training.runs import make_data, run

from minigen.pictures import save_png

HEADER = "step,epoch,split,seconds,loss,reconstruction,kl"


@functools.cache
def trained() -> Path:
    """The folder of a finished run: a VAE of 2 epochs of 4 updates, once a process. It must not be changed."""
    place = Path(tempfile.mkdtemp(prefix="minigen-watch-"))
    run(make_data(place / "images.npz"), place / "run", model="vae", hidden=8, latent=2)
    return place / "run"


def folder(
    path: Path,
    rows: Iterable[str] | None = None,
    journal: Sequence[Mapping[str, Any]] | None = None,
    pictures: int | None = None,
) -> Path:
    """A copy of the run, with this table below `HEADER`, this journal, and pictures of so many epochs."""
    shutil.copytree(trained(), path)
    if rows is not None:
        (path / "metrics.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    if journal is not None:
        (path / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in journal))
    if pictures is not None:
        for old in (path / "samples").iterdir():
            old.unlink()
        for k in range(1, pictures + 1):
            save_png(np.full((8, 16), 10 * k, np.uint8), path / "samples" / f"epoch_{k:03}.png")
    return path


def batch(step: int, *values: float | str, epoch: int = 1, seconds: float | None = None, split: str = "batch") -> str:
    """A row of the table."""
    spent = step * 0.25 if seconds is None else seconds
    return ",".join(map(str, [step, epoch, split, f"{spent:.3f}", *values]))


def finding(disease: str = "posterior collapse") -> dict[str, Any]:
    """What the doctor writes of a disease."""
    return {
        "findings": [{"disease": disease, "evidence": "2 of 2 are dead", "remedy": "Lower beta"}],
        "checks": 3,
        "note": "",
    }


def contents(path: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with its bytes and when it was changed."""
    return {str(p.relative_to(path)): (p.read_bytes(), p.stat().st_mtime_ns) for p in path.rglob("*") if p.is_file()}
