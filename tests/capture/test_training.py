"""A run whose updates are launches of a graph leaves what a run of plain updates leaves, bit for bit.

Fast with some models, slow with all 40. Read next: ``test_capture.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import BATCH, SHAPE, slow_unless, small_options
from training.runs import left_behind, run, stopped_and_resumed

from minigen.algorithms.catalog import MODELS
from minigen.training.config import DEFAULTS
from minigen.training.session import Interrupted

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")]

#: Models whose update cannot be captured, and why.
PLAIN = {"unrolled-gan": "the step reads the learning rate of an optimizer, which a graph would keep as it is"}
FAST = ("ae", "vae", "cvae", "gan", "unrolled-gan")
EPOCHS, BATCHES = 2, 4  # the first graph is launched in step 5: the first of the second epoch


def settings_of(name: str) -> dict[str, Any]:
    """The settings that make a model small, and its run short."""
    usual = MODELS[name].options
    small = {key: value for key, value in small_options(name).items() if value != usual[key]}
    small |= {"n_critic": 2} if usual.get("n_critic", 1) > 1 else {}
    small |= {"codes": 16} if "codes" in usual else {}
    return {**small, "batch_size": BATCH, "epochs": EPOCHS, "log_every": 1, "seed": 5, "device": "cuda"}


def make_images(name: str, path: Path) -> Path:
    """Random images in three classes, enough for `BATCHES` updates of the model in an epoch, and for validation."""
    parts = MODELS[name].batches_per_step({**DEFAULTS, **MODELS[name].options, **settings_of(name)})
    rng = np.random.default_rng(0)
    n = parts * BATCH * (BATCHES + 1)  # some are left for testing and validation
    np.savez(path, images=rng.random((n, *SHAPE)).astype(np.float32), labels=rng.integers(0, 3, n))
    return path


def kept(folder: Path) -> str:
    """What the run has left, as text, as if it had not been captured."""
    text = repr(left_behind(folder))
    return text.replace('"capture": true', '"capture": false').replace("capture = true", "capture = false")


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_a_captured_run_leaves_what_a_plain_one_leaves(name: str, tmp_path: Path) -> None:
    data = make_images(name, tmp_path / "images.npz")
    plain = run(data, tmp_path / "plain", model=name, **settings_of(name))
    captured = run(data, tmp_path / "captured", model=name, **settings_of(name), capture=True)
    assert plain.captured is None and captured.captured is not None
    assert len(captured.prepared.batches) == BATCHES and captured.state.step == EPOCHS * BATCHES
    if name in PLAIN:
        assert captured.captured.replays == 0
        assert PLAIN[name] in str(captured.captured.reason)
    else:
        assert captured.captured.reason is None
        assert captured.captured.replays == EPOCHS * BATCHES - 4
    assert kept(tmp_path / "captured") == kept(tmp_path / "plain")


def test_a_captured_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    data = make_images("vae", tmp_path / "images.npz")
    whole = stopped_and_resumed(data, tmp_path, after=6, model="vae", **settings_of("vae"), capture=True)
    assert whole.captured is not None and whole.captured.replays == 4


def test_a_captured_run_goes_on_without_graphs(tmp_path: Path) -> None:
    data, settings = make_images("vae", tmp_path / "images.npz"), settings_of("vae")
    steps = iter(range(1, 7))
    with pytest.raises(Interrupted):
        run(data, tmp_path / "parts", stop=lambda: next(steps) == 6, model="vae", **settings, capture=True)
    rest = run(data, tmp_path / "parts", resume=True, model="vae", **settings, capture=False)
    assert rest.captured is None and not rest.prepared.config["capture"]
    run(data, tmp_path / "plain", model="vae", **settings)
    assert kept(tmp_path / "parts") == kept(tmp_path / "plain")


def test_what_is_said_of_the_graph_is_said_once(tmp_path: Path) -> None:
    data = make_images("ae", tmp_path / "images.npz")
    made = run(data, tmp_path / "run", model="ae", **settings_of("ae"), capture=True)
    assert "--capture: CUDA graphs were tried on a double of a GPU only" in made.prepared.notes[-1]
    assert made.pop_notes() == []  # it was said after an epoch
    assert made.captured is not None and made.captured.status() == "steps are launches of a graph"


def test_on_the_cpu_nothing_is_said_of_graphs_that_were_tried(tmp_path: Path) -> None:
    data = make_images("ae", tmp_path / "images.npz")
    made = run(data, tmp_path / "run", model="ae", **{**settings_of("ae"), "device": "cpu"}, capture=True)
    assert not any("--capture" in note for note in made.prepared.notes)
    assert made.captured is not None and "only there are graphs" in made.captured.status()
