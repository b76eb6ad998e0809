"""Helpers of the tests of GANs: a small model of the catalog in float64, its networks in plain NumPy, gradients.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import nn, optim
from minigen.algorithms.adversarial import RECIPES, build, dragan, gan, lsgan, pacgan, r1_gan, sngan, wgan, wgan_gp
from minigen.algorithms.adversarial.step import GAN, Objective, adversarial_step
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Step
from minigen.algorithms.updates import Updates
from minigen.data import Batch

Array = np.ndarray[Any, Any]
State = Mapping[str, Array]

OBJECTIVES = {
    "gan": gan.objective,
    "dcgan": gan.objective,
    "lsgan": lsgan.objective,
    "wgan": wgan.objective,
    "wgan-gp": wgan_gp.objective,
    "dragan": dragan.objective,
    "r1-gan": r1_gan.objective,
    "sngan": sngan.objective,
    "pacgan": gan.objective,
}
# Those with one loss of scores; the others have tests of their own (conditional, unrolled).
MODELS: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES if recipe.name in OBJECTIVES}
assert OBJECTIVES.keys() == MODELS.keys() and pacgan.RECIPES[0].name == "pacgan"
SMALL = {"latent": 3, "hidden": 6, "layers": 2, "channels": 2}


def network_of(name: str, options: Mapping[str, Any]) -> str:
    """ "dense" or "conv"."""
    return str({"gan": "dense", "dcgan": "conv"}.get(name) or {**MODELS[name].options, **options}["network"])


def setup_for(name: str, *, shape: tuple[int, int, int] = (1, 8, 8), steps: int = 30, **options: Any) -> Setup:
    """What the recipe is given: all its options, those not named as they are by default, or smaller."""
    recipe = MODELS[name]
    assert options.keys() <= recipe.options.keys(), options.keys() - recipe.options.keys()
    sizes = ("latent", "channels") if network_of(name, options) == "conv" else ("latent", "hidden", "layers")
    chosen = {**recipe.options, **{key: SMALL[key] for key in sizes}, **options}
    return Setup(chosen, shape, (-1.0, 1.0), 0.0, None, steps, steps, 0, "cpu")


def small(name: str, **options: Any) -> Experiment:
    """The model of that name, small."""
    return MODELS[name].build(setup_for(name, **options))


def in_float64(name: str, lr: float = 0.1, **options: Any) -> tuple[GAN, Objective, Step]:
    """A small dense GAN in float64 with its losses, and its update with gradient descent."""
    if "network" in MODELS[name].options:
        options["network"] = "dense"
    setup = setup_for(name, shape=(1, 2, 3), **options)
    model = build.make_gan(setup, None if "network" in options else "dense")
    for module in (model.generator, model.discriminator, model.ema_generator):
        if module is not None:
            module.to(dtype=np.float64)
    objective = OBJECTIVES[name](setup.options)
    descent: dict[str, optim.Optimizer] = {
        "discriminator": optim.SGD(model.discriminator.parameters(), lr),
        "generator": optim.SGD(model.generator.parameters(), lr),
    }
    return model, objective, adversarial_step(model, Updates(descent), objective, n_critic=setup.options["n_critic"])


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between -1 and 1."""
    x = np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(dtype)
    return Batch(x, None, np.arange(n))


# The networks in NumPy.


def dense(state: State, x: Array, prefix: str = "") -> Array:
    """The output (N, D), before any head, of dense layers with leaky ReLU 0.2 and batch norm where the state has it."""
    y = x.reshape(len(x), -1)
    names = list(dict.fromkeys(key.rpartition(".")[0] for key in state if key.startswith(prefix)))
    for name, following in zip(names, [*names[1:], None]):
        w, b = state[f"{name}.weight"], state[f"{name}.bias"]
        if f"{name}.running_mean" in state:
            y = (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-5) * w + b
        else:
            y = y @ w.T + b
        if following is not None and f"{following}.running_mean" not in state:
            y = np.where(y > 0, y, 0.2 * y)
    return y


def generated(state: State, z: Array) -> Array:
    """Images (N, 1, 2, 3) of codes (N, latent), in training mode."""
    return np.tanh(dense(state, z)).reshape(-1, 1, 2, 3)


def scores_of(state: State, x: Array, pack: int = 1) -> Array:
    """Scores (N / pack,) of images, in training mode."""
    return dense(state, x.reshape(len(x) // pack, -1))[:, 0]


def input_gradients(state: State, x: Array) -> Array:
    """d score / d x (N, D) of a discriminator of dense layers without batch norm, by the chain rule."""
    y, masks, weights = x.reshape(len(x), -1), [], []
    names = [key[: -len(".weight")] for key in state if key.endswith(".weight")]
    for name in names:
        weights.append(state[f"{name}.weight"])
        y = y @ weights[-1].T + state[f"{name}.bias"]
        masks.append(np.where(y > 0, 1.0, 0.2))
        y = y * masks[-1]
    g = np.repeat(weights[-1], len(x), 0)
    for w, mask in zip(weights[-2::-1], masks[-2::-1]):
        g = (g * mask) @ w
    return g


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


# Gradients.


def slope(state: State, key: str, f: Callable[[State], float], h: float = 1e-6) -> Array:
    """The gradient of f in the array `key`, by central differences."""
    g = np.zeros_like(state[key])
    for i in np.ndindex(g.shape):
        sides = []
        for sign in (1, -1):
            moved = {**state, key: state[key].copy()}
            moved[key][i] += sign * h
            sides.append(f(moved))
        g[i] = (sides[0] - sides[1]) / (2 * h)
    return g


def check_gradient(module: nn.Module, before: State, f: Callable[[State], float]) -> None:
    """The gradients left in the module are those of f at `before`, and descent at 0.1 went along them."""
    for key, p in module.named_parameters():
        assert p.grad is not None
        # central differences: an error of h^2 and of 1e-16 / h
        np.testing.assert_allclose(p.grad.numpy(), slope(before, key, f), rtol=1e-6, atol=1e-8, err_msg=key)
        # a bias before batch norm begins at 0 and has a gradient of rounding errors alone, some 1e-18: hence atol
        np.testing.assert_allclose(p.numpy(), before[key] - 0.1 * p.grad.numpy(), rtol=1e-12, atol=1e-30)
