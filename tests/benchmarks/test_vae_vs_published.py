"""The comparison with published likelihoods: a run that was stopped goes on to the same numbers, and keeps the best.

Read next: ``benchmarks/vae_vs_published.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import vae_vs_published as published
from minigen.data import Dataset


def images(n: int, seed: int) -> Dataset:
    """Black-and-white images of 4x4: one of two patterns, with some pixels turned over."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 2, (2, 1, 4, 4)) if seed == 0 else np.random.default_rng(0).integers(0, 2, (2, 1, 4, 4))
    x = patterns[rng.integers(0, 2, n)] ^ (rng.random((n, 1, 4, 4)) < 0.05)
    return Dataset("toy", "train", (x * 255).astype(np.uint8))


@pytest.mark.parametrize("name", published.SETTINGS)
def test_a_stopped_run_goes_on(name: str, tmp_path: Path) -> None:
    small = {"hidden": 8, "latent": 2, **({"k": 2} if published.SETTINGS[name].recipe == "iwae" else {})}
    known = published.SETTINGS[name]
    setting = published.Setting(
        0.0, {**known.options, **small, "lr": 0.01}, 6, 10, (2, 4), 0.5, known.eps, 5, known.recipe
    )
    train, valid = images(60, 0), images(40, 1)

    def run(epochs: int, folder: str) -> tuple[dict[str, float], dict[str, np.ndarray], list[float]]:
        experiment = published.build(setting, 0, train)
        (tmp_path / folder).mkdir(exist_ok=True)
        facts = published.train_model(experiment, setting, epochs, train, valid, 0, tmp_path / folder)
        del facts["seconds"]
        return facts, experiment.modules["model"].state_dict(), [experiment.optimizers["model"].lr]

    whole, weights, rate = run(6, "whole")
    run(3, "parts")
    parts, again, _ = run(6, "parts")
    assert whole == parts and whole["epoch"] == 6
    for key in weights:
        np.testing.assert_array_equal(weights[key], again[key])
    # The weights are those of the best epoch, whose rate came back with them.
    experiment = published.build(setting, 0, train)
    experiment.modules["model"].load_state_dict(weights)
    assert published.mean_loss(experiment, valid) == pytest.approx(whole["best"], rel=1e-6)
    assert rate == [pytest.approx(0.01 * 0.5 ** sum(whole["best_epoch"] - 1 >= m for m in (2, 4)))]
