"""Museum: a discriminator that learns 500 times as fast, and the minimax loss, whose gradient dies where it is sure."""

from __future__ import annotations

import pytest
from museum.trained_models import SEEDS, digits, train_and_examine

SETTINGS = {"hidden": 64, "generator_loss": "minimax", "lr_generator": 1e-5, "lr_discriminator": 5e-3}


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_discriminator_wins(seed: int) -> None:
    first = train_and_examine("gan", digits(), 600, seed=seed, **SETTINGS).findings[0]
    assert first.disease == "the discriminator has won"
    assert "right for 100.0% of images" in first.evidence and "--lr-discriminator" in first.remedy
