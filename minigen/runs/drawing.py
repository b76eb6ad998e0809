"""Drawing with a trained model: where codes come from, which classes they are given, and the images of them.

Imports: sampling, density, trained. Read next: ``sampling.py``, ``minigen/cli/sample.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from minigen.algorithms.experiment import LOOK
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.data.batches import over_batches
from minigen.display.blocks import safely
from minigen.runs import sampling
from minigen.runs.density import fit_density
from minigen.runs.sampling import Draw
from minigen.runs.shown import drawing_html
from minigen.runs.trained import Trained
from minigen.shapes import one_of, whole_number
from minigen_kernels import Array

Kind = Literal["samples", "grid", "linear", "spherical", "traverse"]
Classes = str | int | Sequence[str | int] | Array  # a class by its name or number, or one for each image

CODES = 10_000  # of training images, that a density is fitted to
STEPS = 10  # images in a row of an interpolation or a traversal
ROWS, SAMPLES, SIDE = 8, 64, 12  # what n is by default: rows, images, images on a side of a grid


@dataclass(frozen=True)
class Drawing:
    """Images (N, C, H, W), their codes (N, D) and, of a model with classes, labels (N,). `origin`: of the codes."""

    images: Array
    codes: Array
    labels: Array | None
    origin: str

    def _repr_html_(self) -> str:
        return safely(drawing_html, self)


def draw(
    trained: Trained,
    kind: Kind = "samples",
    n: int | None = None,
    *,
    unit: int | str | None = None,
    classes: Classes | None = None,
    density: str | None = None,
    truncation: float | None = None,
    seed: int = 0,
) -> Drawing:
    """Images of `n` codes; the plane of codes, n x n ("grid"); or `n` rows of 10 images.

    "linear" and "spherical" rows lead from one sample to another; rows of "traverse" go along code unit `unit`, or each
    ("all", or None) along a unit of its own. Codes come from the prior, truncated if so wanted, or from a density.
    ConfigError: the model cannot do what is asked for. ValueError: it makes images that are not finite.
    """
    one_of("draw", "kind", kind, get_args(Kind))
    latent, unit = trained.latent, None if unit == "all" else unit
    labels = None if classes is None else class_numbers(trained, classes)
    if unit is not None and kind != "traverse":
        raise ConfigError(f"unit {unit}: only rows of 'traverse' go along a unit; leave it out")
    if unit is not None and not (str(unit).isdecimal() and int(unit) < latent.size):
        raise ConfigError(f"--traverse {unit}: the code has the units 0 to {latent.size - 1}; give one, or 'all'")
    if kind == "grid" and latent.size != 2:
        raise ConfigError(f"--grid needs codes of 2 units, this model has {latent.size}; train it with --latent 2")
    every = kind == "traverse" and unit is None
    usual = {"samples": SAMPLES, "grid": SIDE}.get(kind, min(ROWS, latent.size) if every else ROWS)
    n = usual if n is None else whole_number("draw", "n", n, 1)
    if every and n > latent.size:
        raise ConfigError(f"-n {n}: there are {latent.size} code units to traverse")
    source, origin = codes_from(trained, density, seed=seed)
    if truncation is not None:
        source = _truncated(source, truncation, origin, latent.look)
    look = latent.look if origin == "prior" else LOOK  # a fitted density is drawn at once
    codes = _codes(source, kind, n, None if unit is None else int(unit), look, seed)
    rows = {"samples": len(codes), "grid": 1}.get(kind, 1 if every else n)  # the images of a row have one class
    found = turns(trained, rows, labels)
    found = None if found is None else np.repeat(found, len(codes) // rows)
    return Drawing(decode(trained, codes, found), codes, found, origin)


def _codes(source: Draw, kind: Kind, n: int, unit: int | None, look: int, seed: int) -> Array:
    if kind == "samples":
        return sampling.draw_codes(source, n, seed)
    if kind == "grid":
        return sampling.plane(source, n, look)
    if kind != "traverse":
        ends = sampling.draw_codes(source, 2 * n, seed)
        rows = [sampling.between(ends[0::2], ends[1::2], STEPS, kind)]
    elif unit is None:
        start, values = sampling.draw_codes(source, 1, seed), sampling.spread(source, STEPS, look)
        rows = [sampling.along(start, k, values[k]) for k in range(n)]
    else:
        values = sampling.spread(source, STEPS, look)
        rows = [sampling.along(sampling.draw_codes(source, n, seed), unit, values[unit])]
    return np.concatenate(rows).reshape(n * STEPS, -1)


def decode(trained: Trained, codes: Array, labels: Array | None) -> Array:
    """The images of codes. ValueError if they are not finite."""
    images = sampling.decode(trained.latent, codes, labels)
    if not np.isfinite(images).all():
        raise ValueError(f"{trained.checkpoint_path} makes images with NaN or infinity; its training has diverged")
    return images


def _truncated(source: Draw, limit: float, origin: str, look: int) -> Draw:
    if origin != "prior":
        raise ConfigError("--truncation is for a prior, not for a density fitted to codes; leave one of them out")
    try:
        return sampling.truncated(source, limit, look)
    except ValueError as error:
        raise ConfigError(f"--truncation {limit:g}: {error}") from error


def check_encoder(trained: Trained) -> None:
    """ConfigError if the model has no encoder, whose codes a density could be fitted to."""
    if trained.experiment.encode is None and trained.experiment.conditioned_on is None:
        name = trained.recipe.name
        raise ConfigError(f"{name} has no encoder, so there are no codes to fit a density to; leave --density out")


def codes_from(trained: Trained, density: str | None, *, seed: int = 0) -> tuple[Draw, str]:
    """Where codes are drawn from, and its name: the prior, or a density fitted to the codes of training images.

    Without `density` a model that has a prior is drawn from it. ConfigError for a density without an encoder.
    """
    latent = trained.latent
    if density is None and latent.draw is not None:
        return latent.draw, "prior"
    check_encoder(trained)
    images = trained.some(trained.images("train"), CODES)
    codes = over_batches(lambda batch: trained.encoder(batch.labels)(batch.x), images)
    if codes.shape[1] != latent.size:
        raise ConfigError(
            f"{trained.recipe.name} encodes to {codes.shape[1]} numbers but decodes {latent.size}, so no density of "
            "codes fits; leave --density out"
        )
    kind = density or "mixture"
    return fit_density(codes, kind, seed=seed).draw, f"{kind} fitted to the codes of {len(codes)} training images"


def class_numbers(trained: Trained, classes: Any) -> int | Array:
    """The number of a class, or those of several; see `class_number`."""
    if np.ndim(classes) == 0:
        return class_number(trained, classes)
    return np.array([class_number(trained, one) for one in classes], np.int64)


def class_number(trained: Trained, wanted: Any) -> int:
    """The number of the class that a user means by its number, or by a text: its name in the data, or its number.

    Where names are numbers themselves a text is a name alone: of labels from 1 to 3, "1" is the first class and there
    is no "0". ConfigError for a class that there is not, or that the model was never shown.
    """
    classes, text = trained.latent.classes, f"{wanted:g}" if isinstance(wanted, float | np.floating) else str(wanted)
    if classes is None:
        raise ConfigError(f"--class {text}: {trained.recipe.name} knows no classes; leave it out")
    names, untrained = class_names(trained), _untrained(trained)
    names_only = isinstance(wanted, str) and all(name.removeprefix("-").isdecimal() for name in names)
    if isinstance(wanted, str) and wanted in names:
        number = names.index(wanted)
    elif text.isdecimal() and int(text) < classes and not names_only:
        number = int(text)
    else:
        plain = names == tuple(map(str, range(classes)))
        known = f"0 to {classes - 1}" if plain else ", ".join(names[:20]) + (" and more" if classes > 20 else "")
        near = "" if plain else did_you_mean(text, names).rstrip(".")
        raise ConfigError(f"--class {text}: the model has the classes {known}{near}")
    if number in untrained:
        raise ConfigError(f"--class {text}: there was no image of this class to train on")
    return number


def turns(trained: Trained, n: int, wanted: int | Array | None = None) -> Array | None:
    """Labels (n,): the class `wanted`, or one for each, or all classes that it was trained on in turn.

    None for a model without classes.
    """
    classes = trained.latent.classes
    if classes is None:
        return None
    if isinstance(wanted, np.ndarray):
        if wanted.shape != (n,):
            raise ConfigError(f"classes: {len(wanted)} of them for {n}; give one class, or one for each")
        return wanted
    if wanted is not None:
        return np.full(n, wanted)
    trained_on = np.setdiff1d(np.arange(classes), np.array(_untrained(trained), int))
    return trained_on[np.arange(n) % len(trained_on)]


def class_names(trained: Trained) -> tuple[str, ...]:
    """What the classes that a model draws are called: as in the data, or numbers if it has found them itself."""
    latent = trained.latent
    return trained.class_names if latent.given_classes else tuple(map(str, range(latent.classes or 0)))


def _untrained(trained: Trained) -> Sequence[int]:
    return trained.facts.get("untrained_classes", ()) if trained.latent.given_classes else ()
