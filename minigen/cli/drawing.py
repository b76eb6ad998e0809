"""What the commands that draw images share: where codes come from, and which classes they are given.

Imports: training. Read next: ``sample.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np

from minigen.algorithms.experiment import Latent
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.cli.trained import Trained
from minigen.runs.density import fit_density
from minigen.runs.sampling import Draw
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
    if trained.experiment.encode is None and trained.experiment.conditioned_on is None:
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
    images = trained.some(trained.images("train"), CODES)
    encode = trained.conditioned_on(images.labels).encode
    assert encode is not None
    codes = encode(images.images_float())
    if codes.shape[1] != latent.size:
        raise ConfigError(
            f"{trained.recipe.name} encodes to {codes.shape[1]} numbers but decodes {latent.size}, so no density of "
            "codes fits; leave --density out"
        )
    kind = density or "mixture"
    return fit_density(codes, kind, seed=seed).draw, f"{kind} fitted to the codes of {len(codes)} training images"


def class_number(trained: Trained, text: str | None) -> int | None:
    """The number of the class that a user means by its name (the label in the data) or by its number; None for None.

    Where names are numbers themselves they alone count: of labels from 1 to 3, "1" is the first class and there is no
    "0". ConfigError for a class that there is not, or that the model was never shown.
    """
    classes = latent_of(trained).classes
    if text is None:
        return None
    if classes is None:
        raise ConfigError(f"--class {text}: {trained.recipe.name} knows no classes; leave it out")
    names, untrained = class_names(trained), _untrained(trained)
    if text in names:
        number = names.index(text)
    elif text.isdecimal() and int(text) < classes and not all(map(_is_number, names)):
        number = int(text)
    else:
        plain = names == tuple(map(str, range(classes)))
        known = f"0 to {classes - 1}" if plain else ", ".join(names[:20]) + (" and more" if classes > 20 else "")
        near = "" if plain else did_you_mean(text, names).rstrip(".")
        raise ConfigError(f"--class {text}: the model has the classes {known}{near}")
    if number in untrained:
        raise ConfigError(f"--class {text}: there was no image of this class to train on")
    return number


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def turns(trained: Trained, n: int, number: int | None) -> Array | None:
    """Labels (n,): the class `number`, or all classes that it was trained on in turn; None for a model without."""
    classes = latent_of(trained).classes
    if classes is None:
        return None
    if number is not None:
        return np.full(n, number)
    trained_on = np.setdiff1d(np.arange(classes), np.array(_untrained(trained), int))
    return trained_on[np.arange(n) % len(trained_on)]


def class_names(trained: Trained) -> tuple[str, ...]:
    """What the classes that a model draws are called: as in the data, or numbers if it has found them itself."""
    latent = latent_of(trained)
    return trained.class_names if latent.given_classes else tuple(map(str, range(latent.classes or 0)))


def _untrained(trained: Trained) -> Sequence[int]:
    return trained.facts.get("untrained_classes", ()) if latent_of(trained).given_classes else ()


def seed_option(help: str) -> Decorator:
    """``--seed``, a whole number from 0."""
    return click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help=help)
