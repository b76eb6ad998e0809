"""What a model must bring so that training, checkpoints and the command line can handle it without knowing it.

A `Recipe` is a model by name; its `build` turns a `Setup` (options, image shape, seed, device) into an `Experiment`:
the networks, the optimizers, and the functions that use them. What a model cannot do - a GAN has no encoder - is None,
and the command line says so. The table of all recipes is ``catalog.py``.

Imports: nn, optim, random, data, options. Read next: ``updates.py``, ``autoencoders/build.py``, ``training/fit.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from minigen.algorithms.options import Option
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.nn import Module
from minigen.optim import Optimizer
from minigen.random import Generator
from minigen_kernels import Array

Terms = Mapping[str, Tensor | float]  # loss terms by name, "loss" first
Step = Callable[[Batch], Terms]  # one update of the parameters
LOOK = 10_000  # codes drawn to learn how a prior is spread


@dataclass(frozen=True)
class Recipe:
    """A model by name: where it comes from, the options that it takes with their defaults, and how it is built.

    `options` may hold defaults of its own for general settings (epochs, batch_size) too.
    """

    name: str
    family: str
    summary: str
    paper: str
    options: Mapping[str, Any]
    build: Callable[[Setup], Experiment]
    order: int = 1  # of the highest derivative that an update takes
    value_range: tuple[float, float] | None = None  # that images are brought to; None: that of the data set
    batches_per_step: Callable[[Mapping[str, Any]], int] = lambda options: 1  # one update sees so many, in one Batch
    place: str = ""  # "FILE.py:Name" of a user's own; a run is opened by it
    declared: Mapping[str, Option] = field(default_factory=dict)  # a user's own options


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
    untrained: tuple[int, ...] = ()  # classes of the data set that have no training image

    @property
    def trained_classes(self) -> list[int]:
        """The classes that there is something to learn about."""
        return [k for k in range(self.classes or 0) if k not in self.untrained]


@dataclass(frozen=True)
class Term:
    """A logged number: its unit, and its part in the loss `of`.

    A loss is the sum of its terms, each times its weight (`Ledger` in ``ledger.py`` holds it to that). A term of no
    loss (``of=None``) is only watched. A weight that changes during training is a function.
    """

    unit: str
    weight: float | Callable[[], float] = 1.0
    of: str | None = None


@dataclass(frozen=True)
class Latent:
    """How images are made from codes: `decode` maps codes (N, size) - and labels (N,), for `classes` - to images.

    `draw` takes codes from the prior: (n, generator) -> (N, size). It is None where training shapes the codes to no
    distribution (a plain autoencoder): then a density is fitted to the codes of training images. Arrays are NumPy's.
    `look` codes are drawn to learn how the prior is spread: fewer where a draw takes long.
    `given_classes`: are the classes those of the data, or categories that the model finds by itself?
    """

    size: int
    decode: Callable[[Array, Array | None], Array]
    draw: Callable[[int, Generator], Array] | None = None
    classes: int | None = None
    look: int = LOOK
    given_classes: bool = True


@dataclass
class Experiment:
    """Everything that training changes, and the functions that use it.

    `modules`, `optimizers` (those of `updates`) and `generators` are what a checkpoint holds. `step` makes one update
    and returns its terms; `schedule` sets the learning rates (and other weights) for update k, from 0, and runs before
    it. `pictures` maps images to the columns of a picture: inputs and reconstructions (for denoising the corrupted
    images between them), or, of a model that only draws, samples from fixed codes. `ledger` says what each logged term
    is.

    Where gradients may go (``routing.py`` holds every model to it): `routes` says for each loss (it has the name of its
    optimizer) which modules its update changes; `through`, which modules its gradient passes on its way there and
    leaves as they are, as a generator's passes the discriminator; `ema_modules` are modules with parameters that no
    loss changes, because they follow other modules (an exponential moving average of the generator).

    What only some models can: `evaluate` gives the terms of a batch and changes nothing (its "loss" decides what the
    best checkpoint is); `reconstruct` maps images to images, `encode` to codes (N, D); `latent` makes images from
    codes; `log_likelihood` maps images and k to a lower bound of log p(x), (N,) in nats per sample, from k importance
    samples; `diagnostics` maps images to the evidence that the doctor judges, arrays by name. Of a model whose encoder
    sees labels, too, `reconstruct`, `encode` and `diagnostics` are None, and `conditioned_on` maps labels (N,) to the
    same experiment with these three, for N images of these classes. `network` is a user's own network as functions of
    images and codes (``custom.py``).
    """

    modules: dict[str, Module]
    updates: Updates
    generators: dict[str, Generator]
    step: Step
    schedule: Callable[[int], None]
    pictures: Callable[[Array], list[Array]]
    ledger: Mapping[str, Term]
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    through: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ema_modules: tuple[str, ...] = ()
    evaluate: Step | None = None
    reconstruct: Callable[[Array], Array] | None = None
    encode: Callable[[Array], Array] | None = None
    latent: Latent | None = None
    log_likelihood: Callable[[Array, int], Array] | None = None
    diagnostics: Callable[[Array], Mapping[str, Array]] | None = None
    conditioned_on: Callable[[Array], Experiment] | None = None
    network: Any = None

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """By the names of their losses."""
        return self.updates.optimizers

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters by name."""
        return {
            f"{name}.{key}" if len(self.modules) > 1 else key: p
            for name, module in self.modules.items()
            for key, p in module.named_parameters()
        }
