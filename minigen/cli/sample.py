"""``minigen sample``: images that a trained model makes, as a picture or as arrays.

Imports: training, pictures. Read next: ``drawing.py``, ``minigen/runs/sampling.py``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import click
import numpy as np

from minigen.algorithms.experiment import LOOK
from minigen.algorithms.options import ConfigError
from minigen.cli.drawing import class_names, class_number, codes_from, density_option, latent_of, seed_option, turns
from minigen.cli.output import PNG, SAMPLED, Output, force_option
from minigen.cli.trained import Trained, checkpoint_option, data_dir_option, device_option, labelled, open_run
from minigen.cli.words import echo
from minigen.pictures import POINT, as_png, grid, sheet
from minigen.runs import sampling
from minigen_kernels import Array

STEPS = 10  # images in a row of --interpolate and --traverse
ROWS, SAMPLES, SIDE = 8, 64, 12  # what -n is by default: rows, images, images on a side of --grid


@dataclass(frozen=True)
class Request:
    """What to draw: `kind` is "samples", "grid", "linear", "spherical", or "traverse" along `unit` (None: all)."""

    kind: str
    n: int
    unit: int | None
    number: int | None  # the class
    look: int  # how many codes tell how a unit is spread


@click.command()
@click.argument("run")
@click.option("-o", "--output", metavar="FILE", required=True, help="a picture (.png) or arrays (.npz)")
@click.option("-n", "count", type=click.IntRange(1), help="images, or rows of images  [default: 64, or 8 rows]")
@click.option("--grid", "plane", is_flag=True, help="for codes of 2 units: the plane of codes, n x n images  [n: 12]")
@click.option(
    "--interpolate",
    type=click.Choice(["linear", "spherical"]),
    is_flag=False,
    flag_value="spherical",
    help="n rows from one sample to another, on a straight line or on a great circle  [if not said: spherical]",
)
@click.option("--traverse", metavar="DIM", help="n rows along code unit DIM, from 0; 'all': a row for each unit")
@click.option("--class", "label", metavar="NAME", help="images of this class only, by name or number  [default: all]")
@click.option("--truncation", type=click.FloatRange(0.01), help="keep the numbers of a code between -T and T")
@density_option("mixture")
@seed_option("another seed, other images; image i is the same for every -n")
@checkpoint_option
@data_dir_option
@device_option
@force_option
def sample(
    run: str,
    output: str,
    count: int | None,
    plane: bool,
    interpolate: str | None,
    traverse: str | None,
    label: str | None,
    truncation: float | None,
    density: str | None,
    seed: int,
    checkpoint: str | None,
    data_dir: str | None,
    device: str,
    force: bool,
) -> None:
    """Draw images with a trained model.

    RUN is the folder of a run. A .npz file holds images (N, C, H, W), codes (N, D), the value_range and, if the model
    has classes, labels (N,) from 0 (with class_names, if their names are not the numbers).
    """
    target = Output(output, {".png": PNG, ".npz": SAMPLED}, force=force)
    ways = {"--grid": plane, "--interpolate": interpolate is not None, "--traverse": traverse is not None}
    if sum(ways.values()) > 1:
        raise ConfigError(f"{' and '.join(way for way, on in ways.items() if on)} exclude each other; give one")
    trained = open_run(run, checkpoint, data_dir, device, target)
    latent = latent_of(trained)
    number = class_number(trained, label)
    kind = "grid" if plane else interpolate or ("traverse" if traverse is not None else "samples")
    unit = None if traverse in (None, "all") else _unit(str(traverse), latent.size)
    if plane and latent.size != 2:
        raise ConfigError(f"--grid needs codes of 2 units, this model has {latent.size}; train it with --latent 2")
    n = count or {"samples": SAMPLES, "grid": SIDE}.get(kind, min(ROWS, latent.size) if traverse == "all" else ROWS)
    if kind == "traverse" and unit is None and n > latent.size:
        raise ConfigError(f"-n {n}: there are {latent.size} code units to traverse")
    draw, origin = codes_from(trained, density, seed=seed)
    if truncation is not None:
        draw = _truncated(draw, truncation, origin, latent.look)
    look = latent.look if origin == "prior" else LOOK  # a fitted density is drawn at once
    codes, labels = _codes(trained, Request(kind, n, unit, number, look), draw, seed)
    images = sampling.decode(latent, codes, labels)
    if not np.isfinite(images).all():
        raise ValueError(f"{trained.checkpoint} makes images with NaN or infinity; its training has diverged")
    _write(target, trained, kind, images, codes, labels)
    what = {"samples": f"{len(images)} images", "grid": f"{n} x {n} images"}.get(kind, f"{n} rows of {STEPS} images")
    of = "" if number is None else f" of class {class_names(trained)[number]}"
    echo(f"{output}: {what}{of}, codes from the {origin}, by {trained.checkpoint}")


def _unit(text: str, size: int) -> int:
    if not text.isdecimal() or int(text) >= size:
        raise ConfigError(f"--traverse {text}: the code has the units 0 to {size - 1}; give one, or 'all'")
    return int(text)


def _truncated(draw: sampling.Draw, limit: float, origin: str, look: int) -> sampling.Draw:
    if origin != "prior":
        raise ConfigError("--truncation is for a prior, not for a density fitted to codes; leave one of them out")
    try:
        return sampling.truncated(draw, limit, look)
    except ValueError as error:
        raise ConfigError(f"--truncation {limit:g}: {error}") from error


def _codes(trained: Trained, request: Request, draw: sampling.Draw, seed: int) -> tuple[Array, Array | None]:
    """The codes to decode and their labels; the images of a row have one class."""
    n, kind = request.n, request.kind
    if kind == "samples":
        return sampling.draw_codes(draw, n, seed), turns(trained, n, request.number)
    if kind == "grid":
        codes = sampling.plane(draw, n, request.look)
        labels = turns(trained, 1, request.number)
        return codes, None if labels is None else np.repeat(labels, len(codes))
    if kind == "traverse" and request.unit is None:
        start = sampling.draw_codes(draw, 1, seed)
        values = sampling.spread(draw, STEPS, request.look)
        rows = [sampling.along(start, unit, values[unit]) for unit in range(n)]
        labels = turns(trained, 1, request.number)
        return np.concatenate(rows).reshape(n * STEPS, -1), None if labels is None else np.repeat(labels, n * STEPS)
    labels = turns(trained, n, request.number)
    if kind == "traverse" and request.unit is not None:
        values = sampling.spread(draw, STEPS, request.look)[request.unit]
        rows = [sampling.along(sampling.draw_codes(draw, n, seed), request.unit, values)]
    else:
        ends = sampling.draw_codes(draw, 2 * n, seed)
        way: Literal["linear", "spherical"] = "linear" if kind == "linear" else "spherical"
        rows = [sampling.between(ends[0::2], ends[1::2], STEPS, way)]
    return np.concatenate(rows).reshape(n * STEPS, -1), None if labels is None else np.repeat(labels, STEPS)


def _write(target: Output, trained: Trained, kind: str, images: Array, codes: Array, labels: Array | None) -> None:
    low, high = trained.facts["value_range"]
    if target.kind is SAMPLED:
        file = io.BytesIO()
        arrays = {"images": images, "codes": codes, "value_range": np.array([low, high])}
        if labels is not None:
            arrays |= labelled(labels, class_names(trained))
        np.savez(file, allow_pickle=False, **arrays)
        target.write(file.getvalue())
    elif images.shape[1:] == POINT or kind in ("samples", "grid"):
        target.write(as_png(sheet([images], value_range=(low, high))))
    else:
        picture = grid(images[:, : 3 if images.shape[1] >= 3 else 1], STEPS, value_range=(low, high))
        target.write(as_png(picture))
