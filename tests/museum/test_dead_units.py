"""Museum: a sparsity penalty that kills its units, steps that throw a network off, a codebook far from its codes.

The codebook is made by hand here: k-means steps on the codes of a trained encoder, from entries drawn far too wide.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from museum.trained_models import IMAGES_EXAMINED, build, digits, train, train_and_examine
from numpy.typing import NDArray

from minigen.doctor import examine
from minigen.doctor.evidence import squared_distances
from minigen.random import Generator


def test_a_penalty_that_kills_units() -> None:
    first, second = train_and_examine("sparse-ae", digits(), 300, sparsity_weight=10.0).findings
    assert first.disease == "dead ReLU" and "of 64 units of model.encoder.2 are 0" in first.evidence
    assert second.disease == "constant reconstructions"  # what follows from it comes after it


@pytest.mark.parametrize("lr", [0.1, 0.5])
def test_steps_that_are_too_long_leave_one_answer_for_every_image(lr: float) -> None:
    found = [f.disease for f in train_and_examine("deep-ae", digits(), 200, lr=lr).findings]
    assert "constant reconstructions" in found


@pytest.mark.parametrize(("spread", "dead"), [(100.0, True), (1.0, False)])
def test_a_codebook_that_begins_far_away(spread: float, dead: bool) -> None:
    built, data, size = build("linear-ae", digits(), latent=4)
    train(built, data, size, 200)
    assert built.encode is not None
    codes = built.encode(data.images_float())
    codebook = Generator(0).normal((64, 4)) * codes.std() * spread
    for _ in range(10):  # only entries that are the nearest of some code move
        nearest = squared_distances(codes, codebook).argmin(1)
        codebook = np.stack([codes[nearest == k].mean(0) if (nearest == k).any() else codebook[k] for k in range(64)])

    def diagnostics(images: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
        assert built.encode is not None
        return {"code_usage": np.bincount(squared_distances(built.encode(images), codebook).argmin(1), minlength=64)}

    found = examine(
        replace(built, diagnostics=diagnostics),
        data.images_float(slice(IMAGES_EXAMINED)),
        data.labels[:IMAGES_EXAMINED],
    ).findings
    assert [f.disease for f in found] == (["dead codes"] if dead else [])
