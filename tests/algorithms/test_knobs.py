"""No option without effect: every option of every model, moved, changes the first updates, the schedule or the samples.

Fast is, of each option, the first model of each family that has it; the other models are slow tests.

Where an update with the other value takes more images, both get the same ones: else their number alone would tell the
two apart. An option that acts only beside another one is moved where it acts (`WHERE`). Models refuse options that
would have no effect; what is refused here fails the test, so that `WHERE` has to say where the option acts.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import KINDS, MODELS, build_small, first_of_each, images_for, slow_unless, small_options

from minigen.algorithms.catalog import OPTIONS
from minigen.algorithms.experiment import Recipe
from minigen.random import Generator
from minigen.training.config import GENERAL

STEPS = 2

#: Where an option acts, if not with the defaults: the other options that it wants.
WHERE: dict[str, dict[str, Any]] = {
    "beta1": {"optimizer": "adam"},
    "beta2": {"optimizer": "adam"},
    "hidden": {"network": "dense", "layers": 2},
    "layers": {"network": "dense"},
    "channels": {"network": "conv"},
    "kernel": {"network": "conv"},
    "halvings": {"network": "conv"},
    "joint_batch": {"norm": "batch"},
    "likelihood": {"binarize": "none"},
    "variance": {"likelihood": "gaussian", "binarize": "none"},
    "sparsity_rho": {"sparsity": "kl"},
    "sparsity_k": {"sparsity": "topk", "latent": 16},
}

#: What to move to, where any step away from the default would not show in a few updates.
TO = {
    "clip_norm": 1e-4,  # a mean per pixel has a small gradient
    "restart_after": 1,  # the default is more updates than are made here
    "ema": 0.05,  # the average begins with less than its decay (`nn.MovingAverage`)
    "generator": "vae",  # the layers of another model
    "discriminator": "vae",
}

#: Options that change nothing that a few updates can show, each with the reason. There should be none.
EXCEPTIONS = {
    ("linear-ae", "loss"): "a linear output has no cross-entropy: mse is the one legal value",
}


def where(recipe: Recipe, option: str) -> dict[str, Any]:
    return {key: value for key, value in WHERE.get(option, {}).items() if key in recipe.options}


def moved(recipe: Recipe, option: str) -> list[Any]:
    """Other legal values of the option."""
    known, value = OPTIONS[option], small_options(recipe.name, **where(recipe, option))[option]
    if option in TO:
        return [TO[option]]
    if known.choices:
        return [choice for choice in known.choices if choice != value]
    if known.type is bool:
        return [not value]
    if known.type is int:
        return [value + 1 if known.maximum is None or value < known.maximum else value - 1]
    bigger = value * 1.5 if value else 0.1
    return [bigger if known.maximum is None or bigger <= known.maximum else value / 2]


@functools.cache
def footprint(name: str, settings: tuple[tuple[str, Any], ...], images: int) -> tuple[Any, ...]:
    """What a few updates on so many images leave: rates, terms, parameters, evaluation, pictures and samples."""
    options = dict(settings)
    batch = images_for(name, images=images)
    built = build_small(name, steps=STEPS + 1, **options)
    seen: list[Any] = []
    for k in range(STEPS):
        built.schedule(k)
        seen += [optimizer.lr for optimizer in built.optimizers.values()]
        seen += [(term, float(value)) for term, value in built.step(batch).items()]
    for module in built.modules.values():
        seen += [array.tobytes() for array in module.state_dict().values()]
    if built.evaluate is not None:
        seen += [float(value) for value in built.evaluate(batch).values()]
    seen += [np.asarray(part).tobytes() for part in built.pictures(batch.x[:4])]
    if built.latent is not None and built.latent.draw is not None:
        codes = built.latent.draw(4, Generator(0))
        seen.append(built.latent.decode(codes, None if built.latent.classes is None else np.zeros(4, int)).tobytes())
    return tuple(seen)


def images_of_one_update(name: str, settings: dict[str, Any]) -> int:
    return len(images_for(name, **settings))


KNOBS = [(name, option) for name, recipe in MODELS.items() for option in recipe.options if option not in GENERAL]


@pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # a kernel of 5 is warned of, and not the matter here
@pytest.mark.parametrize(("name", "option"), first_of_each(lambda case: (MODELS[case[0]].family, case[1]), KNOBS))
def test_an_option_has_an_effect(name: str, option: str) -> None:
    recipe = MODELS[name]
    if (name, option) in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[name, option])
    around = where(recipe, option)
    refused = []
    for value in moved(recipe, option):
        both = around, {**around, option: value}
        try:
            images = math.lcm(*(images_of_one_update(name, settings) for settings in both))
            base, other = (footprint(name, tuple(sorted(settings.items())), images) for settings in both)
        except ValueError as error:  # of several choices a model may refuse some
            refused.append(str(error))
            continue
        assert base != other, f"{name}: --{option.replace('_', '-')} {value} changes nothing"
        return
    pytest.fail(f"{name}: no other value of --{option.replace('_', '-')} is accepted: {'; '.join(refused)}")


@pytest.mark.parametrize("name", slow_unless(KINDS.__contains__, MODELS))
def test_the_footprint_is_that_of_the_options_alone(name: str) -> None:
    """Two builds of one model leave the same; else every option would seem to have an effect."""
    images = images_of_one_update(name, {})
    first = footprint(name, (), images)
    footprint.cache_clear()
    assert footprint(name, (), images) == first
