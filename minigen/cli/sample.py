"""``minigen sample``: images that a trained model makes, as a picture or as arrays.

Imports: runs, pictures. Read next: ``minigen/runs/drawing.py``.
"""

from __future__ import annotations

import io
from typing import Any

import click
import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import density_instead_of_prior, labelled, opens_run, seed_option
from minigen.cli.output import PNG, SAMPLED, Output
from minigen.pictures import POINT, as_png, grid, sheet
from minigen.runs import Run
from minigen.runs.drawing import STEPS, Drawing, class_names, class_number


@click.command()
@click.argument("run", shell_complete=complete_run)
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
@density_instead_of_prior("mixture")
@seed_option("another seed, other images; image i is the same for every -n")
@opens_run({".png": PNG, ".npz": SAMPLED})
def sample(
    run: Run,
    target: Output,
    count: int | None,
    plane: bool,
    interpolate: str | None,
    traverse: str | None,
    label: str | None,
    **options: Any,
) -> None:
    """Draw images with a trained model.

    RUN is the folder of a run. A .npz file holds images (N, C, H, W), codes (N, D), the value_range and, if the model
    has classes, labels (N,) from 0 (with class_names, if their names are not the numbers).
    """
    ways = {"--grid": plane, "--interpolate": interpolate is not None, "--traverse": traverse is not None}
    if sum(ways.values()) > 1:
        raise ConfigError(f"{' and '.join(way for way, on in ways.items() if on)} exclude each other; give one")
    number = None if label is None else class_number(run, label)
    kind: Any = "grid" if plane else interpolate or ("traverse" if traverse is not None else "samples")
    drawn = run.draw(kind, count, unit=traverse, classes=number, **options)
    _write(target, run, kind, drawn)
    n = len(drawn.images)
    side = round(n**0.5)
    rows = {"samples": f"{n} images", "grid": f"{side} x {side} images"}
    what = rows.get(kind, f"{n // STEPS} rows of {STEPS} images")
    of = "" if number is None else f" of class {class_names(run)[number]}"
    echo(f"{target.name}: {what}{of}, codes from the {drawn.origin}, by {run.checkpoint_path}")


def _write(target: Output, run: Run, kind: str, drawn: Drawing) -> None:
    images, value_range = drawn.images, run.value_range
    if target.kind is SAMPLED:
        file = io.BytesIO()
        arrays = {"images": images, "codes": drawn.codes, "value_range": np.array(value_range)}
        if drawn.labels is not None:
            arrays |= labelled(drawn.labels, class_names(run))
        np.savez(file, allow_pickle=False, **arrays)
        target.write(file.getvalue())
    elif images.shape[1:] == POINT or kind in ("samples", "grid"):
        target.write(as_png(sheet([images], value_range=value_range)))
    else:
        picture = grid(images[:, : 3 if images.shape[1] >= 3 else 1], STEPS, value_range=value_range)
        target.write(as_png(picture))
