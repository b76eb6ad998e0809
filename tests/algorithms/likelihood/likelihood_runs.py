"""Helpers of the tests of VAEs: small models of the catalog, and their formulas once more in plain NumPy, in float64.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.likelihood import beta_vae, cvae, iwae, linear_vae, vae
from minigen.data import Batch
from minigen.models.vae import VAE
from minigen.random import Generator

Array = np.ndarray[Any, Any]
State = Mapping[str, Array]
Net = Callable[[Array], Array]

RECIPES = (*vae.RECIPES, *beta_vae.RECIPES, *cvae.RECIPES, *iwae.RECIPES, *linear_vae.RECIPES)
MODELS: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES}
SMALL = {"latent": 3, "hidden": 8, "channels": 2, "k": 2, "m": 2}
CLASSES = 3


def setup_for(
    name: str, *, shape: tuple[int, int, int] = (1, 8, 8), classes: int | None = CLASSES, **options: Any
) -> Setup:
    """What the recipe is given: all its options, those not named as they are by default, or smaller."""
    recipe = MODELS[name]
    assert options.keys() <= recipe.options.keys(), options.keys() - recipe.options.keys()
    chosen = {**recipe.options, **{key: v for key, v in SMALL.items() if key in recipe.options}, **options}
    return Setup(chosen, shape, (0.0, 1.0), 0.3, classes, 30, 30, 0, "cpu")


def small(name: str, **wanted: Any) -> Experiment:
    """The model of that name, small."""
    return MODELS[name].build(setup_for(name, **wanted))


def network(experiment: Experiment, dtype: Any = np.float64) -> VAE:
    """Its one network, in float64, with biases that are not 0 and log-variances worth the name."""
    model = experiment.modules["model"]
    assert isinstance(model, VAE)
    model.to(dtype=dtype)
    rng = np.random.default_rng(3)
    for name, p in model.named_parameters():
        if name.endswith("bias") or p.ndim < 2:
            p.data = (p.data + rng.normal(0, 0.3, p.shape)).astype(dtype)
    return model


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between 0 and 1, with labels."""
    rng = np.random.default_rng(seed)
    return Batch(rng.random((n, *shape)).astype(dtype), rng.integers(0, CLASSES, n), np.arange(n))


def replay(rng: Generator) -> Generator:
    """A generator that draws what `rng` will draw next."""
    again = Generator(0)
    again.state = rng.state
    return again


# The formulas.


def bounded(raw: Array) -> Array:
    return 15 * np.tanh(raw / 15)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def dense(state: State, prefix: str, activation: Net, last: Net | None = None) -> Net:
    """The dense layers whose names begin with `prefix`, an activation after each but, if `last` is given, the last."""
    names = [name[: -len(".weight")] for name in state if name.startswith(prefix) and name.endswith(".weight")]

    def run(x: Array) -> Array:
        for name in names:
            x = x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
            x = last(x) if last is not None and name == names[-1] else activation(x)
        return x

    return run


def normal_log_density(x: Array, mean: Array | float, logvar: Array | float) -> Array:
    """log N(x; mean, exp(logvar)), summed over the last axis."""
    total: Array = (-0.5 * (np.log(2 * np.pi) + logvar + (x - mean) ** 2 / np.exp(logvar))).sum(-1)
    return total


def bernoulli_log_density(y: Array, x: Array) -> Array:
    """log p of pixels x (..., P), if each is 1 with probability sigmoid(y)."""
    p = sigmoid(y)
    total: Array = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)
    return total
