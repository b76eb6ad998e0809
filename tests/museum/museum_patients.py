"""Helpers of the museum: small real data, models of the catalog trained on them for seconds, and the doctor's answer.

Read next: ``test_healthy.py``, then one file for each disease.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from algorithms.autoencoders.autoencoder_runs import glyphs

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data import Batches, Dataset
from minigen.doctor import Checkup, examine
from minigen.metrics.classifier import probabilities, train_classifier
from minigen.models.classifier import Classifier
from minigen.training.config import resolve
from minigen_kernels import Array

LOOK = 512  # images that the doctor is shown, as in a run


@functools.cache
def digits() -> Dataset:
    """800 drawn digits of 14x14 pixels: pairs of pixels of the 28x28 images are averaged."""
    whole = glyphs("train", 800)
    small = whole.images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)).round().astype(np.uint8)
    return replace(whole, images=small)


@functools.cache
def reader() -> Classifier:
    """A classifier of `digits`, as `minigen evaluate` has one of its data."""
    return train_classifier(digits())


def patient(name: str, data: Dataset, *, seed: int = 0, **options: Any) -> tuple[Experiment, Dataset, int]:
    """The model of that name for the data set, the images in its range, and how many of them an update sees."""
    recipe = MODELS[name]
    config = resolve(recipe, OPTIONS, {"batch_size": 50, **options})
    data = data if recipe.value_range is None else data.in_range(recipe.value_range)
    size = config["batch_size"] * recipe.batches_per_step(config)
    built = recipe.build(
        Setup(
            options={key: config[key] for key in recipe.options},
            image_shape=data.image_shape,
            value_range=data.value_range,
            mean=data.mean(),
            classes=None if data.labels is None else int(data.labels.max()) + 1,
            steps=10_000,
            batches_per_epoch=len(data) // size,
            seed=seed,
            device="cpu",
        )
    )
    return built, data, size


def train(built: Experiment, data: Dataset, size: int, steps: int, *, epoch: int = 100) -> list[dict[str, float]]:
    """Make `steps` updates; return the mean terms of every `epoch` of them."""
    batches, history, k = Batches(data, size, seed=0), [], 0
    sums: dict[str, float] = {}
    while True:
        for batch in batches:
            built.schedule(k)
            for term, value in built.step(batch).items():
                sums[term] = sums.get(term, 0.0) + float(value) / epoch
            k += 1
            if k % epoch == 0:
                history.append(sums)
                sums = {}
            if k == steps:
                return history


def examined(
    name: str,
    data: Dataset,
    steps: int,
    *,
    seed: int = 0,
    change: Callable[[Experiment], Any] = lambda built: None,
    beside: Dataset | None = None,
    classifier: Classifier | None = None,
    **options: Any,
) -> Checkup:
    """Build, `change`, train, and ask the doctor, who is shown images of `beside`, if that is other data."""
    built, data, size = patient(name, data, seed=seed, **options)
    change(built)
    low, high = data.value_range
    seen = (beside or data).in_range((low, high))

    def classify(images: Array) -> Array:
        assert classifier is not None
        return probabilities(classifier, ((images - np.float32(low)) / np.float32(high - low)).clip(0, 1))

    with np.errstate(all="ignore"):  # as in a run: an explosion is to be named, not warned of
        history = train(built, data, size, steps)
        return examine(
            built,
            seen.images_float(slice(LOOK)),
            None if seen.labels is None else seen.labels[:LOOK],
            history,
            classify=None if classifier is None else classify,
        )
