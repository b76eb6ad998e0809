"""What a model must bring so that training, checkpoints and the command line can handle it without knowing it.

A `Recipe` is a model by name; its `build` turns a `Setup` (options, image shape, seed, device) into an `Experiment`:
the networks, the optimizers, and the functions that use them. The table of all recipes is ``catalog.py``.

Imports: nn, optim, random, data. Read next: ``autoencoder.py``, then ``fit.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minigen.data import Batch
from minigen.nn import Module
from minigen.optim import Optimizer
from minigen.random import Generator
from minigen.tensor import Tensor
from minigen_kernels import Array

Terms = Mapping[str, Tensor | float]  # loss terms by name, "loss" first
Step = Callable[[Batch], Terms]  # one update of the parameters


@dataclass(frozen=True)
class Option:
    """One setting of a model. The command line shows ``kl_weight`` as ``--kl-weight``."""

    type: type
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None  # the smallest legal value
    exclusive: bool = False  # the minimum itself is not legal
    maximum: float | None = None


@dataclass(frozen=True)
class Recipe:
    """A model by name: where it comes from, the options that it takes with their defaults, and how it is built."""

    name: str
    family: str
    summary: str
    paper: str
    options: Mapping[str, Any]
    build: Callable[[Setup], Experiment]


@dataclass(frozen=True)
class Setup:
    """What `Recipe.build` is given. `options` holds every option of the recipe."""

    options: Mapping[str, Any]
    image_shape: tuple[int, int, int]  # (C, H, W)
    value_range: tuple[float, float]
    mean: float  # of all training pixels
    classes: int | None  # how many, or None without labels
    steps: int  # how many updates are planned: the length of a schedule
    batches_per_epoch: int
    seed: int
    device: str


@dataclass
class Experiment:
    """Everything that training changes, and the functions that use it.

    `modules`, `optimizers` and `generators` are what a checkpoint holds. `step` makes one update; `evaluate` gives the
    terms of a batch and changes nothing; `schedule` sets the learning rates for update k, from 0, and runs before it.
    `pictures` maps images to the columns of a picture: inputs and reconstructions (for denoising the corrupted images
    between them). `reconstruct` maps images to images, `encode` maps them to codes (N, D). `units` says what each
    logged term is measured in.
    """

    modules: dict[str, Module]
    optimizers: dict[str, Optimizer]
    generators: dict[str, Generator]
    step: Step
    evaluate: Step
    schedule: Callable[[int], None]
    pictures: Callable[[Array], list[Array]]
    reconstruct: Callable[[Array], Array]
    encode: Callable[[Array], Array]
    units: Mapping[str, str]
