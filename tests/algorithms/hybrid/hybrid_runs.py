"""Helpers of the tests of hybrids: small models, in float64 too, and what each update of a step does.

Read next: ``hybrid_formulas.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigen import optim
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.hybrid import RECIPES
from minigen.autograd import Tensor
from minigen.data import Batch

Array = np.ndarray[Any, Any]
State = Mapping[str, Array]
States = Mapping[str, State]  # of all modules, by name

MODELS: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES}
SMALL = {"latent": 3, "hidden": 6, "channels": 2}
SHAPE = (1, 2, 3)
RATE = 0.1


def setup_for(name: str, *, shape: tuple[int, int, int] = (1, 8, 8), steps: int = 30, **options: Any) -> Setup:
    """The `Setup` of a recipe with these options; those not named have their default, or are smaller."""
    recipe = MODELS[name]
    assert options.keys() <= recipe.options.keys(), options.keys() - recipe.options.keys()
    chosen = {**recipe.options, **options}
    idle = {"dense": "channels", "conv": "hidden"}[chosen["network"]]
    chosen |= {key: SMALL[key] for key in SMALL if key not in options and key != idle}
    return Setup(chosen, shape, (-1.0, 1.0), 0.0, None, steps, steps, 0, "cpu")


def small(name: str, **options: Any) -> Experiment:
    """The model of that name, small, with dense networks unless told."""
    return MODELS[name].build(setup_for(name, **{"network": "dense", **options}))


def in_float64(name: str, **options: Any) -> Experiment:
    """The same for images of `SHAPE`, in float64, with plain gradient descent."""
    experiment = MODELS[name].build(setup_for(name, **{"network": "dense", "shape": SHAPE, **options}))
    for module in experiment.modules.values():
        module.to(dtype=np.float64)
    for loss, optimizer in experiment.optimizers.items():
        experiment.updates.optimizers[loss] = optim.SGD(optimizer.params, RATE)
    return experiment


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between -1 and 1."""
    x = np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(dtype)
    return Batch(x, None, np.arange(n))


@dataclass
class Update:
    """One update: the value of its loss, the states of all modules before and after, and the gradients it followed."""

    loss: float
    before: States
    after: States = field(default_factory=dict)
    gradients: Mapping[str, State] = field(default_factory=dict)


def watched_step(experiment: Experiment, one: Batch) -> tuple[Mapping[str, Any], list[tuple[str, Update]]]:
    """The terms of a step, and its updates in their order, each with the name of its loss."""
    seen: list[tuple[str, Update]] = []

    def watch(name: str, loss: Tensor) -> Callable[[], None]:
        update = Update(float(loss), states(experiment))
        seen.append((name, update))

        def moved() -> None:
            update.after = states(experiment)
            update.gradients = {
                m: {key: p.grad.numpy() for key, p in experiment.modules[m].named_parameters() if p.grad is not None}
                for m in experiment.routes[name]
            }

        return moved

    experiment.updates.watch = watch
    terms = experiment.step(one)
    experiment.updates.watch = None
    return terms, seen


def states(experiment: Experiment) -> dict[str, dict[str, Array]]:
    return {name: module.state_dict() for name, module in experiment.modules.items()}
