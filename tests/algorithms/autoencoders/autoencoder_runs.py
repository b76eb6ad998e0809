"""Helpers of the tests of autoencoders: models of the catalog ready to be trained, and small images to train them on.

Read next: ``test_ae.py``.
"""

from __future__ import annotations

import functools
import tempfile
from typing import Any

import numpy as np
import pytest

from minigen import data
from minigen.algorithms.autoencoders import RECIPES
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data import Batch, Dataset
from minigen.data.glyphs import glyphs as draw  # tests put another function in the place of `data.load`
from minigen.models.autoencoder import Autoencoder


@functools.cache
def glyphs(split: str, count: int) -> Dataset:
    """The first `count` images of 800 + 300 drawn digits. Nothing is kept in the user's cache."""
    if split == "train" and count < 800 or split == "test" and count < 300:
        return glyphs(split, {"train": 800, "test": 300}[split]).subset(slice(0, count))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_CACHE", folder)
        return draw(split=split, count=count)


MODELS = {recipe.name: recipe for recipe in RECIPES}


def build(
    name: str,
    *,
    shape: tuple[int, int, int] = (1, 28, 28),
    value_range: tuple[float, float] = (0.0, 1.0),
    mean: float = 0.2,
    steps: int = 30,
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> Experiment:
    """The model of that name; options that are not given have the recipe's defaults."""
    recipe = MODELS[name]
    assert options.keys() <= recipe.options.keys()
    return recipe.build(
        Setup(
            options={**recipe.options, **options},
            image_shape=shape,
            value_range=value_range,
            mean=mean,
            classes=None,
            steps=steps,
            batches_per_epoch=steps,
            seed=seed,
            device=device,
        )
    )


def network(experiment: Experiment) -> Autoencoder:
    """The one network of an autoencoder's experiment."""
    model = experiment.modules["model"]
    assert isinstance(model, Autoencoder)
    return model


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between 0 and 1."""
    x = np.random.default_rng(seed).random((n, *shape)).astype(dtype)
    return Batch(x, None, np.arange(n))


def train(experiment: Experiment, dataset: Dataset, batch_size: int, steps: int) -> list[float]:
    """Make `steps` updates on the batches of a data set; return the loss before each."""
    batches, losses = data.Batches(dataset, batch_size, seed=0), []
    while len(losses) < steps:
        for one in batches:
            experiment.schedule(len(losses))
            losses.append(float(experiment.step(one)["loss"]))
            if len(losses) == steps:
                break
    return losses


def sigmoid(x: Any) -> Any:
    """The logistic function of an array."""
    return 1 / (1 + np.exp(-x))
