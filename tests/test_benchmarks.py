"""The speed benchmark runs, and what it compares is the same in minigen and in PyTorch. No time is asserted.

Read next: ``benchmarks/run.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import in_minigen, report, work

ROOT = Path(__file__).resolve().parent.parent
BATCH = 4


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The benchmark's command in a new process."""
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


def test_a_run_keeps_its_numbers_and_writes_the_page(tmp_path: Path) -> None:
    tiny = ["--batch-size", str(BATCH), "--rounds", "2", "--steps", "1", "--out", str(tmp_path)]
    done = run("--peers", "", "--models", "dense-ae,dcgan", "--note", "a test", *tiny)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("speed-*-1-threads.json")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert list(result["models"]) == ["dense-ae", "dcgan"]
    for model in result["models"].values():
        (kind,) = model["runs"]
        own = model["runs"][kind]
        assert kind == "minigen" and len(own["rounds_ms"]) == 2
        assert 0 < own["min_ms"] <= own["median_ms"] and own["peak_mb"] > 10
        assert model["floor_ms"] > 0 and np.isfinite(own["losses"]).all()
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "**Note:** a test" in page and report.times(result) in page and report.memory(result) in page


@pytest.mark.parametrize("words", [["--models", "nonsense"], ["--peers", "nonsense"], ["--rounds", "0"]])
def test_a_bad_option_is_one_message(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2 and words[0] in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", work.WORKS)
def test_each_step_trains_and_moves_every_parameter(name: str) -> None:
    training = in_minigen.Training(name, BATCH, 1)
    before = training.weights()
    training.step()
    after = training.weights()
    still = [key for key in before if np.array_equal(before[key], after[key])]
    # The critic's last bias adds the same to real and fake images, and nothing to the slope: it has no gradient.
    assert still == (["critic.5.bias"] if name == "wgan-gp" else [])


@pytest.mark.parametrize("name", work.WORKS)
def test_pytorch_computes_the_same(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks.speed import in_torch

    own = in_minigen.Training(name, BATCH, 1)
    peer = in_torch.Training(name, BATCH, 1, own.weights())
    noise = own.work.fixed_noise(BATCH)
    for _ in range(3):
        # float32 sums of up to 12,544 terms in another order, relative to losses of the order of 1 or more; then Adam,
        # which makes a step of the rate's full size of the sign of a gradient, however small.
        np.testing.assert_allclose(own.losses(noise), peer.losses(noise), rtol=1e-3)


def test_the_table_compares_with_the_fastest_peer() -> None:
    def runs(**ms: float) -> dict[str, dict[str, float]]:
        return {kind.replace("_", "-"): {"min_ms": value} for kind, value in ms.items()}

    models = {"a": {"runs": runs(minigen=1.0, torch=4.0, jax=2.0)}, "b": {"runs": runs(minigen=4.0, torch_tuned=2.0)}}
    ratios = report.ratios({"models": {**models, "c": {"runs": runs(minigen=1.0)}}})
    assert ratios == {"a": 0.5, "b": 2.0}
    assert report.geometric_mean(ratios.values()) == pytest.approx(1.0, abs=1e-12)


def test_the_arithmetic_of_a_dense_layer_and_a_convolution() -> None:
    assert work.dense(3, 5, 2) == [15, 10]
    assert work.conv(2, 4, 3, 6) == 4 * 6 * 6 * 2 * 3 * 3  # results times what each sums
    assert work.forward([15, 10], 7) == 2 * 7 * 25
    assert work.train([15, 10], 7) == 2 * 7 * (25 + 25 + 10)  # forward, in the weights, in the second layer's input
    assert work.through([15, 10], 7) == 2 * 7 * (25 + 25)
