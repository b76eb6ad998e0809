"""All 40 models on a CUDA device: trained as on the CPU, without a wait; and what is done with a trained one.

Fast with a model or two of each kind, slow with all. Read next: ``test_commands.py``.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import KINDS, slow_unless
from device.both import assert_close
from device.device_runs import IMAGES, LABELS, STEPS, Runs, assert_same_rows, train_on_both

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.training.checkpoint import load_checkpoint

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    return path


@pytest.fixture(scope="module", params=slow_unless(KINDS.__contains__, MODELS))
def runs(request: pytest.FixtureRequest, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    yield train_on_both(request.param, file, tmp_path_factory.mktemp("runs"))


def test_terms_are_those_of_the_cpu(runs: Runs) -> None:
    there, here = (runs.open(device).metrics for device in ("cuda", "cpu"))
    assert_same_rows(there, here)


def test_no_step_waits_for_the_device(runs: Runs) -> None:
    assert runs.waited == []


def test_a_checkpoint_holds_what_the_cpu_would_keep(runs: Runs) -> None:
    """The same arrays in name, dtype and shape; generators in the same state; the wish and the place."""
    there, here = (load_checkpoint(runs.folders[d] / "checkpoints" / "last.safetensors") for d in ("cuda", "cpu"))
    kinds = [{name: (a.dtype, a.shape) for name, a in found.arrays.items()} for found in (there, here)]
    assert kinds[0] == kinds[1]
    assert there.facts["generators"] == here.facts["generators"]
    assert (there.facts["device"], here.facts["device"]) == ("cuda", "cpu")
    assert tomllib.loads((runs.folders["cuda"] / "config.toml").read_text())["device"] == "cuda"


def test_one_checkpoint_does_the_same_on_both(runs: Runs) -> None:
    """Samples, codes, reconstructions and measures of the run of the CPU, opened there and here."""
    here, there = (runs.open("cpu", on=device) for device in ("cpu", "cuda"))
    experiment, x = here.experiment, here.images("test").subset(slice(6))
    if experiment.latent is not None:
        assert_close(there.sample(5, seed=3), here.sample(5, seed=3), 1e-3, "samples")
    with_classes = experiment.conditioned_on is not None
    if experiment.encode is not None or with_classes:
        assert_close(there.encode(x), here.encode(x), 1e-3, "codes")
    if (experiment.reconstruct is not None or with_classes) and "corruption" not in here.config:
        assert_close(there.reconstruct(x), here.reconstruct(x), 1e-3, "reconstructions")
    found, wanted = (run.evaluate(samples=0, k=2) for run in (there, here))
    assert found.metrics.keys() == wanted.metrics.keys() and found.left_out == wanted.left_out
    for name, value in wanted.metrics.items():
        # A share of images is a whole number of them, and the fit of a probe goes its own way.
        if not any(word in name for word in ("accuracy", "probe", "active", "share")):
            assert abs(found.metrics[name] - value) <= 1e-2 * max(1, abs(value)), name
    assert [f.disease for f in there.doctor().findings] == [f.disease for f in here.doctor().findings]


@pytest.mark.parametrize(("of", "on"), [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")])
def test_a_run_goes_on_on_another_device(of: str, on: str, runs: Runs, tmp_path: Path) -> None:
    """One more step from a checkpoint of either device, as the CPU makes it from its own."""
    results: list[Any] = []
    for a, b in ((of, on), ("cpu", "cpu")):
        folder = tmp_path / f"{a}-{b}"
        shutil.copytree(runs.folders[a], folder)
        run = mg.open_run(folder, device=b, note=print).resume(max_steps=STEPS + 1, device=b, progress=False)
        results.append(run)
    assert_same_rows(results[0].metrics, results[1].metrics)
    assert results[0].folder.read_checkpoint(results[0].folder.last).facts["device"] == on
