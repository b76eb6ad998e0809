"""Every example that has ``--device`` and the harness of the benchmarks, on a CUDA device.

Read next: ``planted_faults.py``.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import slow_unless
from device.both import assert_close, no_wait
from test_examples import EXAMPLES, load

from minigen import data
from minigen_bench import in_minigen

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")]
ROOT = Path(__file__).resolve().parents[2]
ON_A_DEVICE = [path.stem for path in EXAMPLES if "--device" in path.read_text()]


@pytest.fixture
def few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in; `data.load` gives 640 digits to train on, in batches of 8 if they may be small."""
    batches, images = data.Batches, data.load("glyphs").subset(slice(640))

    def few(name: str, *, split: str = "train", **_: Any) -> data.Dataset:
        return images if split == "train" else images.subset(slice(32))

    def small(dataset: data.Dataset, batch_size: int = 8, **options: Any) -> data.Batches:
        return batches(dataset, min(8, batch_size) if batch_size < 320 else batch_size, **options)  # 320 are 5 times 64

    monkeypatch.setattr(data, "load", few)
    monkeypatch.setattr(data, "Batches", small)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_which_examples_compute_on_a_device() -> None:
    assert len(ON_A_DEVICE) >= 10
    for path in EXAMPLES:  # those without say nothing of one
        assert (path.stem in ON_A_DEVICE) == ("device: str" in path.read_text())


@pytest.mark.parametrize("name", slow_unless(lambda name: name[:2] in ("03", "07"), ON_A_DEVICE))
def test_an_example_computes_there_what_it_computes_here(name: str, few_images: Path) -> None:
    module, results = load(name), []
    options = {"steps": 1 if name.startswith("11") else 2, "vae_steps": 2, "images": 48}
    known = inspect.signature(module.main).parameters
    for device in ("cpu", "cuda"):
        results.append(module.main(**{k: v for k, v in options.items() if k in known}, device=device))
    assert_close(np.asarray(results[1], np.float32), np.asarray(results[0], np.float32), 2e-3)


@pytest.mark.parametrize("name", slow_unless("vae".__eq__, ["dense-ae", "conv-ae", "vae", "gan", "dcgan", "wgan-gp"]))
def test_the_update_that_the_benchmarks_time(name: str) -> None:
    """Updates with the same noise lose the same on both devices; one with its own noise does not wait."""
    losses = []
    for device in ("cpu", "cuda"):
        training = in_minigen.Training(name, 2, 1, device)
        noise = training.definition.fixed_noise(2)
        losses.append([training.losses(noise) for _ in range(1 if name == "dcgan" else 2)])
        with no_wait(name):
            training.step()
        training.wait()
    assert_close(np.asarray(losses[1], np.float32), np.asarray(losses[0], np.float32), 1e-3)


@pytest.mark.slow
def test_the_harness_of_the_benchmarks_runs_there(tmp_path: Path) -> None:
    words = "--device cuda --peers= --models dense-ae --rounds 1 --steps 1 --batch-size 2".split()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "run.py", *words],
        env=environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "GPU: " in done.stdout and "dense AE 784-128-64-128-784" in done.stdout
