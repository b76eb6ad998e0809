"""The laboratory of autoencoders in GANs: its intervals, its pairs of seeds, and a cell of each way, on tiny images.

Read next: ``benchmarks/ae_in_gan_laboratory.py``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import glyphs

from benchmarks import ae_in_gan_laboratory as laboratory


def test_an_interval_holds_the_mean_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 5):
        inside = 0
        for _ in range(2000):
            found = laboratory.interval(list(rng.normal(3.0, 2.0, n)))
            inside += abs(found["mean"] - 3.0) <= found["half_width"]
        assert abs(inside / 2000 - 0.95) < 0.02  # four standard errors of a share of 2000
    assert laboratory.interval([1.5]) == {"mean": 1.5, "half_width": None, "seeds": 1}


def test_effects_are_differences_within_a_seed() -> None:
    cells = {
        f"mnist/{way}/{seed}": {"frechet_distance": 100.0 * seed + shift, "coverage": 0.5}
        for way, shift in (("gan", 0.0), ("began", -7.0))
        for seed in range(3)
    }
    del cells["mnist/gan/2"]  # stopped before
    table = laboratory.summary(cells)["mnist"]
    row = table["began"]
    assert row["frechet_distance_less_gan"] == {"mean": -7.0, "half_width": 0.0, "seeds": 2}
    assert row["frechet_distance"]["mean"] == 93.0 and row["frechet_distance"]["seeds"] == 3
    assert row["coverage_less_gan"]["mean"] == 0 and "coverage_less_gan" not in table["gan"]


@pytest.mark.parametrize("way", laboratory.WAYS)
def test_every_way_trains_and_draws(way: str) -> None:
    experiment = laboratory.trained(way, glyphs("train", 800), 8, 0)
    latent = experiment.latent
    assert latent is not None and latent.draw is not None and latent.size == 20
    images = latent.decode(latent.draw(3, laboratory.mg.Generator(0)), None)
    assert images.shape == (3, 1, 28, 28) and math.isfinite(float(images.sum()))
