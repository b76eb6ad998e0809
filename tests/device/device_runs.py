"""Runs of the models on both devices, each made once: small networks, a few images of 8x8, three steps.

Imports: training, algorithms. Read next: ``test_training.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from algorithms.catalog_runs import BATCH, SHAPE, small_options
from device.both import Array, waits

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.training import session

N = 60
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, N)
IMAGES = (RNG.random((N, *SHAPE)) * 0.6 + 0.1 * LABELS[:, None, None, None]).astype(np.float32)  # floats from 0 to 1
STEPS = 3
DEVICES = ("cpu", "cuda")
#: Terms are sums of many numbers, which cancel: of the larger of a term and 1 % of the largest.
TERMS = 1e-3


def settings_of(name: str) -> dict[str, Any]:
    """The settings that make a model small, and its run short; all else as it is by default."""
    usual = MODELS[name].options
    small = {key: value for key, value in small_options(name).items() if value != usual[key]}
    small |= {"n_critic": 2} if usual.get("n_critic", 1) > 1 else {}
    small |= {"codes": 16} if "codes" in usual else {}
    return {**small, "batch_size": BATCH, "max_steps": STEPS, "log_every": 1, "seed": 5}


@dataclass
class Runs:
    """A model trained in both places; `waited` are the places of code where a step made the host wait."""

    name: str
    folders: dict[str, Path]
    waited: list[str] = field(default_factory=list)

    def open(self, device: str, on: str | None = None) -> mg.Run:
        """The run that was trained on `device`, opened on this or another one."""
        return mg.open_run(self.folders[device], device=on or device, note=print)


def train_on_both(name: str, file: Path, folder: Path, **options: Any) -> Runs:
    runs = Runs(name, {device: folder / device for device in DEVICES})
    for device, out in runs.folders.items():
        fit = session.fit
        session.fit = functools.partial(_watched, fit, runs.waited)  # type: ignore[assignment]
        try:
            settings = {**settings_of(name), **options, "device": device}
            mg.train(name, data=str(file), out=out, progress=False, **settings)
        finally:
            session.fit = fit
    return runs


def _watched(fit: Callable[..., None], waited: list[str], step: Callable[..., Any], *args: Any, **options: Any) -> None:
    """`fit`, with a note of each place where a step makes the host wait."""

    def watched(batch: Any) -> Any:
        before = waits()
        terms = step(batch)
        waited.extend(f"{n} at {site}" for (n, site), k in waits().items() if k > before.get((n, site), 0))
        return terms

    fit(watched, *args, **options)


def assert_same_rows(there: Mapping[str, Array], here: Mapping[str, Array]) -> None:
    """Two tables of metrics with the same rows, whose terms differ by what the order of sums explains."""
    assert there.keys() == here.keys()
    names = [name for name in here if name not in ("step", "epoch", "split", "seconds")]
    for name in ("step", "epoch", "split"):
        assert list(there[name]) == list(here[name])
    assert len(here["step"]) > STEPS
    for row in range(len(here["step"])):
        largest = max(abs(float(here[name][row])) for name in names if here[name][row] == here[name][row])
        for name in names:
            a, b = float(there[name][row]), float(here[name][row])
            assert (a == a) == (b == b), f"{name}, row {row}: {a} and {b}"
            if b == b:
                room = TERMS * max(abs(b), 0.01 * largest, 1e-6)
                assert abs(a - b) <= room, f"{name} of step {here['step'][row]}: {a} there, {b} here"
