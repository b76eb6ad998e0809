"""When a run is examined, and what it then prints and keeps.

Read next: ``test_doctor.py``.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for
from rich.console import Console
from training import runs

from minigen.algorithms.catalog import OPTIONS
from minigen.data import Dataset
from minigen.doctor import Doctor, schedule
from minigen.doctor.evidence import collect_evidence
from minigen.training.config import resolve
from minigen.training.prepare import prepare
from minigen.training.progress import Progress
from minigen.training.session import Interrupted, start


def dataset(n: int, labels: bool = True) -> Dataset:
    images = np.random.default_rng(1).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    return Dataset("random", "train", images, np.arange(n) * 3 // n if labels else None)


def test_visits_are_late_enough_and_far_enough_apart() -> None:
    doctor = Doctor(build_small("ae"), dataset(700), 64)
    every = schedule.SEEN // 64  # updates between two looks

    def looks(before: int, now: int, final: bool = False) -> bool:
        return doctor.after_epoch(before, now, [], final=final) is not None

    assert not looks(0, schedule.EARLY - 1)
    assert looks(0, schedule.EARLY - 1, final=True) and doctor.checkup.checks == 1  # only for numbers that explode
    assert doctor.checkup.lines() == ["doctor: too few updates to look for collapse: 999 of 1,000"]
    assert looks(0, schedule.EARLY) == (schedule.EARLY >= every)
    assert looks(10 * every - 1, 10 * every) and not looks(10 * every, 11 * every - 1)
    assert looks(10 * every, 10 * every + 1, final=True)
    assert doctor.checkup.checks == 3  # weights and losses, ReLU, reconstructions


def test_images_come_from_all_of_the_data() -> None:
    """A folder of pictures is sorted by class: its first images show one class only."""
    doctor = Doctor(build_small("ae"), dataset(5000), 64)
    assert doctor.labels is not None
    assert len(doctor.images) == schedule.IMAGES and np.bincount(doctor.labels).min() >= schedule.IMAGES // 3 - 1
    assert Doctor(build_small("ae"), dataset(30, labels=False), 8).labels is None
    assert len(Doctor(build_small("ae"), dataset(1), 1).images) == 1


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A doctor who looks after every epoch."""
    monkeypatch.setattr(schedule, "EARLY", 0)
    monkeypatch.setattr(schedule, "SEEN", 1)


@pytest.mark.usefixtures("eager")
def test_a_run_prints_what_the_doctor_says(tmp_path: Path) -> None:
    data = runs.make_data(tmp_path / "images.npz")
    settings = {"dataset": str(data), "batch_size": 16, "epochs": 2, "threads": 1}
    for doctor, wanted in ((True, 2), (False, 0)):
        prepared = prepare(MODELS["ae"], resolve(MODELS["ae"], OPTIONS, {**settings, "doctor": doctor}))
        run, out = start(prepared, tmp_path / f"run-{doctor}"), io.StringIO()
        with Progress(Console(file=out, width=200), epochs=2, max_steps=None, steps_per_epoch=5) as progress:
            run.train(progress, lambda: False)
        lines = out.getvalue().splitlines()
        assert [line.startswith("doctor: ") for line in lines].count(True) == wanted
        assert (run.doctor is None) == (not doctor)


@pytest.mark.usefixtures("eager")
def test_a_resumed_run_is_the_same_to_the_bit_and_remembers_its_epochs(tmp_path: Path) -> None:
    data = runs.make_data(tmp_path / "images.npz")
    whole = runs.run(data, tmp_path / "whole", epochs=3)
    steps = iter([False] * 7 + [True])
    with pytest.raises(Interrupted):
        runs.run(data, tmp_path / "parts", epochs=3, stop=lambda: next(steps))
    parts = runs.run(data, tmp_path / "parts", epochs=3, resume=True)
    assert runs.left_behind(tmp_path / "parts") == runs.left_behind(tmp_path / "whole")
    assert parts.history == whole.history and len(whole.history) == 3
    assert parts.doctor is not None and whole.doctor is not None
    assert parts.doctor.checkup == whole.doctor.checkup and whole.doctor.checkup.checks > 0
    runs.run(data, tmp_path / "without", epochs=3, doctor=False)
    left, without = (runs.left_behind(tmp_path / name) for name in ("whole", "without"))
    assert left["metrics"] == without["metrics"] and left["samples"] == without["samples"]
    assert left["last.safetensors"][1] == without["last.safetensors"][1]


def test_the_codes_of_an_encoder_that_is_told_classes_are_looked_at() -> None:
    batch = images_for("cvae")
    seen = collect_evidence(build_small("cvae"), batch.x, batch.labels, [])
    assert seen.diagnostics["kl"].shape == seen.diagnostics["mean"].shape and len(seen.diagnostics["kl"]) == len(
        batch.x
    )
