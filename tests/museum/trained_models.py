"""Helpers of the museum: small real data, models of the catalog trained on it for seconds, and their diagnosis.

Read next: ``test_healthy.py``, then one file for each failure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import glyphs

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data import Batches, Dataset
from minigen.doctor import Checkup, examine
from minigen.metrics.classifier import probabilities, train_classifier
from minigen.models.classifier import Classifier
from minigen.training.config import resolve
from minigen_kernels import Array

IMAGES_EXAMINED = 512  # images that `examine` is given, as in a run
#: For what takes seconds to train: one seed always, another one with the slow tests.
SEEDS = [0, pytest.param(1, marks=pytest.mark.slow)]


@functools.cache
def digits(split: str = "train", count: int = 800) -> Dataset:
    """So many digits of 14x14 pixels: the 28x28 images with 2x2 blocks of pixels averaged."""
    whole = glyphs(split, count)
    small = whole.images.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)).round().astype(np.uint8)
    return replace(whole, images=small)


@functools.cache
def digit_classifier() -> Classifier:
    """A classifier of `digits`, as `minigen evaluate` has one of its data."""
    return train_classifier(digits())


def build(name: str, data: Dataset, *, seed: int = 0, **options: Any) -> tuple[Experiment, Dataset, int]:
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


def train_and_examine(name: str, data: Dataset, steps: int, **settings: Any) -> Checkup:
    """As `train_and_examine_with`, without a classifier."""
    (checkup,) = train_and_examine_with([None], name, data, steps, **settings)
    return checkup


def train_and_examine_with(
    classifiers: list[Classifier | None],
    name: str,
    data: Dataset,
    steps: int,
    *,
    seed: int = 0,
    change: Callable[[Experiment], Any] = lambda built: None,
    other_data: Dataset | None = None,
    **options: Any,
) -> list[Checkup]:
    """Build, `change`, train and `examine` a model with each classifier, on images of `other_data` if it is given."""
    built, data, size = build(name, data, seed=seed, **options)
    change(built)
    low, high = data.value_range
    seen = (other_data or data).in_range((low, high))

    def classify_by(classifier: Classifier | None) -> Callable[[Array], Array] | None:
        if classifier is None:
            return None
        return lambda x: probabilities(classifier, ((x - np.float32(low)) / np.float32(high - low)).clip(0, 1))

    with np.errstate(all="ignore"):  # as in a run: an explosion has to be named, without warnings
        history = train(built, data, size, steps)
        images = seen.images_float(slice(IMAGES_EXAMINED))
        labels = None if seen.labels is None else seen.labels[:IMAGES_EXAMINED]
        return [examine(built, images, labels, history, classify=classify_by(c)) for c in classifiers]
