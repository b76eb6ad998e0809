"""Museum: models that are well, and have to be told so. A false alarm is a fault like a disease that is not seen."""

from __future__ import annotations

from typing import Any

import pytest
from museum.trained_models import SEEDS, digits, train_and_examine

from minigen.data.toys import toy

DENSE = {"network": "dense", "hidden": 128}
FAST: list[Any] = [
    ("ae", 300, {}),
    ("sparse-ae", 300, {}),
    ("vae", 500, {}),
    ("linear-vae", 500, {}),
    pytest.param("gan", 800, {"hidden": 128}, marks=pytest.mark.slow),
]
SLOW: list[tuple[str, int, dict[str, Any]]] = [
    ("deep-ae", 1000, {}),
    ("denoising-ae", 1000, {}),
    ("contractive-ae", 500, {}),
    ("vae", 2000, {"latent": 2}),
    ("beta-vae", 2000, {}),
    ("iwae", 1000, {}),
    ("gan", 6000, {"hidden": 128}),
    ("wgan-gp", 1000, DENSE),
    ("dragan", 2500, DENSE),
    ("r1-gan", 2500, DENSE),
    ("sngan", 2500, DENSE),
    ("pacgan", 2500, DENSE),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "steps", "options"), FAST)
def test_all_is_well(name: str, steps: int, options: dict[str, Any], seed: int) -> None:
    checkup = train_and_examine(name, digits(), steps, seed=seed, **options)
    assert checkup.findings == () and checkup.checks >= 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize(("name", "steps", "options"), SLOW)
def test_all_is_well_for_longer_and_for_more_models(name: str, steps: int, options: dict[str, Any], seed: int) -> None:
    assert train_and_examine(name, digits(), steps, seed=seed, **options).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_modes_of_the_ring(seed: int) -> None:
    assert train_and_examine("gan", toy("ring", count=2000), 3000, seed=seed, hidden=64, latent=8).findings == ()
