"""What the commands that draw images share: where codes come from, and which classes they are given.

Imports: training. Read next: ``sample.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import numpy as np

from minigen.cli.trained import Trained
from minigen.training.config import ConfigError
from minigen.training.density import fit_density
from minigen.training.experiment import Latent
from minigen.training.sampling import Draw
from minigen_kernels import Array

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
CODES = 10_000  # of training images, that a density is fitted to


def density_option(without_prior: str) -> Decorator:
    """``--density``; `without_prior` says what a model without a prior does if it is not given."""
    return click.option(
        "--density",
        type=click.Choice(["gaussian", "mixture"]),
        help="draw codes from a density fitted to those of training images (a Gaussian, or a mixture of 10), not from "
        f"the prior  [of a model without a prior by default: {without_prior}]",
    )


def latent_of(trained: Trained) -> Latent:
    """How the model makes images from codes. ConfigError if it does not."""
    latent = trained.experiment.latent
    if latent is None:
        raise ConfigError(f"{trained.recipe.name} makes no images from codes, so there is nothing to draw")
    return latent


def check_encoder(trained: Trained) -> None:
    """ConfigError if the model has no encoder, whose codes a density could be fitted to."""
    if trained.experiment.encode is None and trained.experiment.given is None:
        name = trained.recipe.name
        raise ConfigError(f"{name} has no encoder, so there are no codes to fit a density to; leave --density out")


def codes_from(trained: Trained, density: str | None, *, seed: int = 0) -> tuple[Draw, str]:
    """Where codes are drawn from, and its name: the prior, or a density fitted to the codes of training images.

    Without `density` a model that has a prior is drawn from it. ConfigError for a density without an encoder.
    """
    latent = latent_of(trained)
    if density is None and latent.draw is not None:
        return latent.draw, "prior"
    check_encoder(trained)
    images = trained.images("train").subset(slice(CODES))
    encode = trained.given(images.labels).encode
    assert encode is not None
    codes = encode(images.images_float())
    if codes.shape[1] != latent.size:
        raise ConfigError(
            f"{trained.recipe.name} encodes to {codes.shape[1]} numbers but decodes {latent.size}, so no density of "
            "codes fits; leave --density out"
        )
    kind = density or "mixture"
    return fit_density(codes, kind, seed=seed).draw, f"{kind} fitted to the codes of {len(codes)} training images"


def check_class(trained: Trained, number: int | None) -> None:
    """ConfigError for a class that the model does not have."""
    classes = latent_of(trained).classes
    if number is None:
        return
    if classes is None:
        raise ConfigError(f"--class {number}: {trained.recipe.name} knows no classes; leave it out")
    if not 0 <= number < classes:
        raise ConfigError(f"--class {number}: the model has the classes 0 to {classes - 1}")


def turns(trained: Trained, n: int, number: int | None) -> Array | None:
    """Labels (n,): the class `number`, or all classes in turn; None for a model without classes."""
    classes = latent_of(trained).classes
    if classes is None:
        return None
    return np.arange(n) % classes if number is None else np.full(n, number)


def seed_option(help: str) -> Decorator:
    """``--seed``, a whole number from 0."""
    return click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help=help)
