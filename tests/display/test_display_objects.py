"""What Modules, data sets, runs, measurements and a training in progress show in a notebook.

Read next: ``test_display.py``.
"""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from display.checked_html import Checked
from museum.trained_models import digits
from rich.console import Console

import minigen as mg
from minigen import data, nn, ops
from minigen.data.sources import load
from minigen.doctor import Checkup
from minigen.doctor.diseases import Finding
from minigen.training import live_table
from minigen.training.fit import TrainingState
from minigen.training.progress import Progress
from minigen.weights import Plan


def read(one: Any) -> Checked:
    page = Checked(one._repr_html_())
    assert "cannot be shown" not in page.text
    return page


# Modules.


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3), ops.relu)
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.layers = [nn.Dense(3, 2)]  # a name that PyTorch's users give a list
        self.offset = mg.Tensor(np.zeros(5))


def test_a_module_lists_its_layers() -> None:
    net = Net()
    page = read(net)
    assert page.text.startswith("Net") and "31 (0.00 MB, float32 on cpu)" in page.text and "training" in page.text
    assert [row[0] for row in page.rows[3:]] == ["body.0", "body.1", "body.2", "scale", "layers.0", "offset"]
    assert page.rows[3] == ["body.0", "Dense(in_features=4, out_features=3)", "weight (3, 4), bias (3,)", "15"]
    assert page.rows[5] == ["body.2", "relu", "", ""] and page.rows[8][:3] == ["offset", "buffer", "(5,)"]
    counts = [int(row[3]) for row in page.rows[3:] if row[1] != "buffer" and row[3]]
    assert sum(counts) == sum(p.size for p in net.parameters()) == 31
    net.body.requires_grad_(False)
    assert "21 of them frozen" in read(net).text and "evaluation" in read(net.eval()).text


def test_a_module_of_many_layers_stays_short() -> None:
    page = read(nn.Sequential(*[nn.Dense(1, 1) for _ in range(1000)]))
    assert "and 900 more" in page.text and len(page.rows) < 110


# Data sets.


def test_a_data_set_shows_its_classes_and_images() -> None:
    images = digits("test", 200)
    page = read(images)
    assert page.text.startswith(f"Dataset {images.name}, test")
    counts = next(row for row in page.rows if row[0] == "images" and len(row) > 2)
    assert sum(int(n) for n in counts[1:]) == 200
    picture, text = page.pictures[0]
    first = images.images_float(np.array([0]))[0, 0]
    assert (
        text.startswith("20 of 200 images")
        and np.abs(picture[: first.shape[0], : first.shape[1]] / 255 - first).max() < 1e-2
    )


def test_a_batch_shows_its_images_and_labels() -> None:
    images = digits("test", 60)
    batch = next(iter(data.Batches(images, 50, seed=0)))
    page = read(batch)
    assert page.text.startswith("Batch of 50 images") and page.pictures[0][1].startswith("32 of 50 images")
    assert page.rows[0] == ["labels", ", ".join(map(str, batch.labels[:20].tolist())) + " ..."]
    alone = data.Batch(batch.x[:1], None, batch.index[:1])
    assert read(alone).rows[:2] == [["labels", "none"], ["index in the data set", str(batch.index[0])]]


def test_a_data_set_in_files_reads_only_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "many.npy", np.full((500, 8, 8, 3), 200, np.uint8))
    images = load(str(tmp_path / "many.npy"), stream=True)
    assert isinstance(images.images, data.stored.StoredImages)
    seen: list[int] = []
    real = type(images.images).read

    def read_some(stored: Any, index: Any) -> Any:
        seen.append(len(index))
        return real(stored, index)

    monkeypatch.setattr(type(images.images), "read", read_some)
    assert "in files" in read(images).text and sum(seen) == 20
    (tmp_path / "many.npy").write_bytes(b"gone")
    assert Checked(images._repr_html_()).text.startswith("Dataset")  # with the reason, and without an exception


def test_points_of_the_plane_are_plotted() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2, 1, 1)).astype(np.float32)
    page = read(data.Dataset("ring", "train", points, value_range=(-1.0, 1.0)))
    assert page.pictures[0][0].shape == (200, 200) and page.pictures[0][1].startswith("50 of 50 points")


# Runs.


@pytest.fixture(scope="module")
def run() -> mg.Run:
    images = digits("train", 300)
    return mg.train("vae", images, epochs=7, batch_size=50, progress=False, device="cpu")


def test_a_run_shows_its_last_epochs_and_its_newest_picture(run: mg.Run, tmp_path: Path) -> None:
    page = read(run)
    assert "vae" in page.text and "in memory" in page.text
    epochs = [row for row in page.rows if row[0].isdigit()]
    assert [row[0] for row in epochs] == ["3", "4", "5", "6", "7"]
    assert epochs[-1][1] == f"{run.history()[-1]['loss']:.5g}"
    np.testing.assert_array_equal(page.pictures[0][0], run.pictures["epoch_007"])
    saved = mg.train("ae", digits("train", 100), out=tmp_path / "a", epochs=1, batch_size=20, progress=False)
    page = read(saved)
    assert str(tmp_path / "a") in page.text and page.pictures[0][1] == "the picture of epoch 001"
    assert saved.folder.newest_picture()[0] == "epoch_001"
    for name in ("epoch_999", "epoch_1000"):
        saved.folder.write_picture(saved.folder.samples / f"{name}.png", page.pictures[0][0])
    assert saved.folder.newest_picture()[0] == "epoch_1000"
    for path in saved.folder.samples.iterdir():
        path.unlink()
    assert saved.folder.newest_picture() is None and not read(saved).pictures


def test_what_a_run_draws_and_measures(run: mg.Run) -> None:
    drawn = run.draw("samples", 6)
    page = read(drawn)
    assert page.pictures[0][1].startswith("6 images") and "prior" in page.text
    found = run.evaluate(samples=0, k=2)
    page = read(found)
    values = {row[0]: row[2] for row in page.rows if len(row) == 4}
    assert values["mse"] == f"{found.metrics['mse']:.5g}" and "samples" in page.text
    sick = Checkup((Finding("dead <units>", "3 of 4", "lower the rate"),), 5)
    assert "dead <units>" in read(sick).text and "lower the rate" in read(sick).text
    assert "all is well (5 checks)" in read(Checkup((), 5)).text
    plan = Plan(run.model, "other.safetensors", faults=["encoder.1.weight is missing"])
    assert "encoder.1.weight is missing" in read(plan).text


# A training in progress.


class Handle:
    """What IPython's `display` returns: an output that is drawn anew."""

    def __init__(self, shown: Any) -> None:
        self.pages = [shown._repr_html_()]
        self.texts = [repr(shown)]

    def update(self, shown: Any) -> None:
        self.pages.append(shown._repr_html_())
        self.texts.append(repr(shown))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    handles: list[Handle] = []
    monkeypatch.setattr(live_table.LiveTable._draw, "__defaults__", (0.0,))  # every drawing, however soon

    def display(shown: Any, *, display_id: bool) -> Handle:
        assert display_id
        handles.append(Handle(shown))
        return handles[-1]

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return handles


def test_a_notebook_gets_a_bar_while_training_goes_on_and_keeps_a_table(notebook: list[Handle]) -> None:
    console, logger = Console(file=io.StringIO(), force_jupyter=True), logging.getLogger("minigen_kernels")
    before = logger.level, list(logger.handlers)
    with Progress(console, epochs=30, max_steps=None, steps_per_epoch=10) as progress:
        logging.getLogger("minigen_kernels.cpu").info("compiling kernels, once")
        assert "compiling kernels, once ..." in Checked(notebook[0].pages[-1]).text
        progress.step(TrainingState(step=3, epoch=0, batch=3), {"loss": 1.5, "kl": 2.0})
        for epoch in range(1, 31):
            progress.epoch(TrainingState(step=10 * epoch, epoch=epoch), {"loss": 1 / epoch}, {"loss": 2.0}, epoch == 30)
        progress.say([f"doctor: <line> {i}\x1b[1m" for i in range(30)])
    (handle,) = notebook
    pages = [Checked(page) for page in handle.pages]
    assert 'value="30.0"' in handle.pages[2] and "epoch 1/30  3/10  loss 1.5" in pages[2].text
    assert (logger.level, logger.handlers) == before
    assert "Training, 300 steps" in pages[0].text
    last = pages[-1]
    assert "<progress" not in handle.pages[-1] and "10 earlier epochs" in last.text
    assert last.rows[0] == ["epoch", "step", "ms/step", "loss", "validation"]
    assert [row[0] for row in last.rows[1:]] == [f"{epoch}/30" for epoch in range(11, 31)]
    assert last.rows[-1][3:] == ["0.033333", "2 (best)"]
    assert "doctor: <line> 29\\x1b" in last.text and "doctor: <line> 9\\x1b" not in last.text
    assert "loss 0.033333" in handle.texts[-1] and "doctor" in handle.texts[-1]
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_who_wants_no_progress_gets_no_output(notebook: list[Handle]) -> None:
    quiet = Console(file=io.StringIO(), force_jupyter=True, quiet=True)
    with Progress(quiet, epochs=1, max_steps=None, steps_per_epoch=1) as progress:
        progress.epoch(TrainingState(step=1, epoch=1), {"loss": 1.0}, None, False)
    assert notebook == []


def test_short_epochs_are_not_a_flood_of_messages(notebook: list[Handle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table.LiveTable._draw, "__defaults__", (3600.0,))
    console = Console(file=io.StringIO(), force_jupyter=True)
    with Progress(console, epochs=5000, max_steps=None, steps_per_epoch=1) as progress:
        for epoch in range(1, 5001):
            progress.epoch(TrainingState(step=epoch, epoch=epoch), {"loss": 1.0}, None, False)
    (handle,) = notebook
    assert len(handle.pages) <= 3  # the first, perhaps one between, the last
    assert "4,980 earlier epochs" in handle.pages[-1] and "5000/5000" in handle.pages[-1]
