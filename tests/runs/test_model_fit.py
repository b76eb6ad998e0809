"""Which models fit images of a shape: what they become, what is refused, and the memory beside what is measured."""

import tracemalloc

import numpy as np
import pytest

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.data import Batch
from minigen.runs.model_fit import fit_models
from minigen.training.config import resolve
from minigen.training.prepare import build


def fits(shape, *names, classes=3, images=10_000, value_range=(0.0, 1.0)):
    found = fit_models(shape, value_range, mean=0.3, classes=classes, images=images, names=names or None)
    return {fit.name: fit for fit in found}


def test_all_models_fit_images_with_labels():
    found = fits((3, 17, 23))
    assert found.keys() == MODELS.keys() and not any(fit.refused for fit in found.values())
    assert found["dcgan"].parameters == 153_540 and "average" in found["dcgan"].networks  # which is not trained


def test_what_does_not_fit():
    found = fits((1, 28, 28), "cgan", "cvae", classes=None)
    assert "needs labels" in found["cgan"].refused and "needs labels" in found["cvae"].refused
    small = fits((1, 3, 28), "conv-vae", "ae", "dcgan")
    assert small["conv-vae"].refused.startswith("image sides must be at least 4, got 3x28")
    assert small["ae"].networks is not None and "--network dense" in small["dcgan"].refused
    few = fits((1, 8, 8), "wgan-gp", images=3)
    assert few["wgan-gp"].refused == "an update takes 5 batches, and there are 3 images"
    assert fits((1, 8, 8), "dcgan", images=20)["dcgan"].batch_size == 20


@pytest.mark.parametrize("name", ["ae", "conv-vae", "vq-vae", "dcgan", "began"])
def test_the_memory_is_that_of_training_within_a_factor_of_two(name):
    shape, recipe = (3, 32, 32), MODELS[name]
    fit = fits(shape, name)[name]
    low, high = recipe.value_range or (0.0, 1.0)
    facts = {"image_shape": shape, "value_range": (low, high), "mean": 0.3, "classes": 3, "batches_per_epoch": 10}
    n = fit.batch_size
    x = np.random.default_rng(0).uniform(low, high, (n, *shape)).astype(np.float32)
    tracemalloc.start()
    experiment = build(recipe, resolve(recipe, OPTIONS, {}), facts, "cpu")
    for _ in range(2):
        experiment.step(Batch(x, np.arange(n) % 3, np.arange(n)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 < peak / fit.memory < 2
