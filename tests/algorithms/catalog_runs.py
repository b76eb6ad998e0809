"""Helpers of the tests that hold for every model of the catalog: each of them small, and images that it takes.

Read next: ``test_routing.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import pytest

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data import Batch
from minigen.training.config import DEFAULTS, resolve

SHAPE = (1, 8, 8)
CLASSES = 3
BATCH = 8
#: Smaller than the defaults, where a model has such an option, and it has an effect.
SMALL = {"latent": 4, "hidden": 16, "channels": 4, "prior_channels": 8}
#: Of each kind of model one or two: what is done with them alone is fast, and done with all it is marked slow.
KINDS = ("ae", "conv-ae", "denoising-ae", "vae", "cvae", "vq-vae", "rae")
KINDS += ("gan", "wgan-gp", "cgan", "infogan", "unrolled-gan", "aae", "began", "vae-gan")


def slow_unless(fast: Callable[[Any], bool], cases: Iterable[Any]) -> list[Any]:
    """The cases of a test, with the mark `slow` where `fast` does not choose them: those run in `.ci/run`."""
    rows = [(case, case if isinstance(case, tuple) else (case,)) for case in cases]
    return [pytest.param(*row, marks=() if fast(case) else pytest.mark.slow) for case, row in rows]


def first_of_each(key: Callable[[Any], Hashable], cases: Iterable[Any]) -> list[Any]:
    """The same, where the first case of each key is fast."""
    cases = list(cases)
    firsts = {key(case): case for case in reversed(cases)}.values()
    return slow_unless(lambda case: case in firsts, cases)


def small_options(name: str, **options: Any) -> dict[str, Any]:
    """All options of the model, those not given as they are by default, or smaller."""
    recipe = MODELS[name]
    chosen = {**recipe.options, **options}
    idle = {{"conv": "hidden", "dense": "channels"}.get(str(chosen.get("network")))}
    if chosen.get("layers") == 0:
        idle.add("hidden")
    reduced = {key: value for key, value in SMALL.items() if key in recipe.options and key not in idle}
    config = resolve(recipe, OPTIONS, {**reduced, **options})
    return {key: config[key] for key in recipe.options}


def build_small(name: str, *, seed: int = 0, steps: int = 30, **options: Any) -> Experiment:
    """The model of that name for images of 8x8 pixels in three classes."""
    recipe = MODELS[name]
    return recipe.build(
        Setup(
            options=small_options(name, **options),
            image_shape=SHAPE,
            value_range=recipe.value_range or (0.0, 1.0),
            mean=float(images_for(name).x.mean()),
            classes=CLASSES,
            steps=steps,
            batches_per_epoch=steps,
            seed=seed,
            device="cpu",
        )
    )


def images_for(name: str, *, seed: int = 0, images: int | None = None, **options: Any) -> Batch:
    """A batch as one update of the model takes it, or of so many images: random ones in its range, with labels."""
    recipe = MODELS[name]
    n = images or BATCH * recipe.batches_per_step({**DEFAULTS, **small_options(name, **options)})
    rng = np.random.default_rng(seed)
    low, high = recipe.value_range or (0.0, 1.0)
    x = (low + (high - low) * rng.random((n, *SHAPE))).astype(np.float32)
    return Batch(x, rng.integers(0, CLASSES, n), np.arange(n))
