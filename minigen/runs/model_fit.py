"""Which models can be trained on images of a shape, what their networks become, and how much memory they need.

Imports: algorithms, models.summary, training. Read next: ``minigen/cli/data.py``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.options import ConfigError
from minigen.models.summary import Summary, advice, summarize
from minigen.training.config import DEFAULTS, resolve
from minigen.training.prepare import build

FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class ModelFit:
    """A model on images of one shape: its networks, or why it does not fit.

    `parameters` counts those that are trained. `memory` is about what training needs, in bytes: parameters, gradients,
    the state of the optimizers, an average of the weights, and the feature maps of a batch with their gradients.
    """

    name: str
    refused: str = ""
    networks: Mapping[str, Summary] | None = None
    parameters: int = 0
    memory: int = 0
    batch_size: int = 0
    advice: tuple[str, ...] = ()


def fit_models(
    image_shape: tuple[int, int, int],
    value_range: tuple[float, float],
    *,
    mean: float,
    classes: int | None,
    images: int,
    names: Iterable[str] | None = None,
) -> Iterator[ModelFit]:
    """Build each model (or those of that name) with its default options for such data. It takes some seconds."""
    facts = {
        "image_shape": image_shape,
        "value_range": value_range,
        "mean": mean,
        "classes": classes,
        "batches_per_epoch": 1,
    }
    for name in MODELS if names is None else names:
        yield _fit(name, facts, images)


def _fit(name: str, facts: Mapping[str, Any], images: int) -> ModelFit:
    recipe = MODELS[name]
    config = resolve(recipe, OPTIONS, {})
    shape, parts = facts["image_shape"], recipe.batches_per_step(config)
    own = facts if recipe.value_range is None else {**facts, "value_range": recipe.value_range}
    if images < parts:
        return ModelFit(name, f"an update takes {parts} batches, and there are {images} images")
    size = min({**DEFAULTS, **recipe.options}["batch_size"], max(1, images // parts))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of checkerboards: nothing is trained here
            experiment = build(recipe, config, own, "cpu")
    except ConfigError as error:
        return ModelFit(name, str(error).removeprefix(f"{name}: ").removeprefix(f"{name} "))
    networks = summarize(experiment.modules, shape)
    trained = sum(n.parameters for key, n in networks.items() if key not in experiment.ema_modules)
    memory = _memory(experiment, networks, shape, size * config.get("pack", 1))
    return ModelFit(name, "", networks, trained, memory, size, tuple(advice(networks, shape, config.get("halvings"))))


def _memory(experiment: Experiment, networks: Mapping[str, Summary], shape: tuple[int, int, int], images: int) -> int:
    """Weights, gradients, two averages of Adam; and twice the feature maps of a batch, for values and gradients.

    A discriminator sees as many made images as real ones.
    """
    trained = {name: n for name, n in networks.items() if name not in experiment.ema_modules}
    weights = sum(n.parameters * (4 if name in trained else 1) for name, n in networks.items())
    maps = math.prod(shape)
    for name, network in trained.items():
        outputs = (
            width * math.prod(size)
            for chain in network.chains
            for width, size in zip(chain.widths, chain.sizes or [(1, 1)] * len(chain.widths), strict=True)
        )
        maps += sum(outputs) * (2 if name == "discriminator" else 1)
    return FLOAT * (weights + 2 * images * maps)
