"""Helpers of the tests of conditional and unrolled GANs: a small model of the catalog, in float32 or float64.

Read next: ``test_conditional.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import optim
from minigen.algorithms.adversarial import acgan, cgan, infogan, unrolled
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.data import Batch
from minigen.random import Generator

Array = np.ndarray[Any, Any]

CLASSES = 3
CONDITIONAL: dict[str, Recipe] = {r.name: r for module in (cgan, acgan, infogan) for r in module.RECIPES}
MODELS: dict[str, Recipe] = {**CONDITIONAL, **{r.name: r for r in unrolled.RECIPES}}
SMALL = {"latent": 3, "hidden": 6, "layers": 2, "channels": 2, "categories": CLASSES}
IDLE = {"dense": ("channels", "kernel"), "conv": ("hidden", "layers")}


def setup_for(
    name: str,
    *,
    shape: tuple[int, int, int] = (1, 8, 8),
    classes: int | None = CLASSES,
    steps: int = 30,
    **options: Any,
) -> Setup:
    """What the recipe is given: all its options, those not named as they are by default, or smaller."""
    defaults = MODELS[name].options
    assert options.keys() <= defaults.keys(), options.keys() - defaults.keys()
    idle = IDLE[str({**defaults, **options}["network"])]
    sizes = {key: value for key, value in SMALL.items() if key in defaults and key not in idle}
    return Setup({**defaults, **sizes, **options}, shape, (-1.0, 1.0), 0.0, classes, steps, steps, 0, "cpu")


def small(name: str, **options: Any) -> Experiment:
    """The model of that name, small."""
    return MODELS[name].build(setup_for(name, **options))


def in_float64(name: str, lr: float = 0.1, **options: Any) -> Experiment:
    """The model of that name, small, in float64; its networks are updated by plain gradient descent."""
    experiment = small(name, **options)
    for module in experiment.modules.values():
        module.to(dtype=np.float64)
    for name in ("discriminator", "generator"):
        experiment.optimizers[name] = optim.SGD(experiment.modules[name].parameters(), lr)
    return experiment


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between -1 and 1, with labels."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, *shape)).astype(dtype)
    return Batch(x, rng.integers(0, CLASSES, n), np.arange(n))


def one_hot(labels: Array, k: int = CLASSES) -> Array:
    """Labels (N,) as rows (N, K)."""
    return np.eye(k)[labels]


def twin(rng: Generator) -> Generator:
    """A generator that draws what `rng` will draw next."""
    again = Generator(0)
    again.state = rng.state
    return again


def everything(experiment: Experiment) -> dict[str, Array]:
    """All that training changes but the optimizers, as arrays by name."""
    state = {f"{n}.{k}": v for n, module in experiment.modules.items() for k, v in module.state_dict().items()}
    return state | {n: np.array(list(g.state.values()), "u8") for n, g in experiment.generators.items()}


def assert_same(a: dict[str, Array], b: dict[str, Array]) -> None:
    """Bit for bit."""
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
