"""``minigen reconstruct``: a picture of images beside what a trained model makes of them.

Imports: runs, pictures. Read next: ``opening.py``, ``minigen/runs/run.py``.
"""

from __future__ import annotations

import click

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import opens_run, seed_option, split_option
from minigen.cli.output import PICTURE, Output
from minigen.pictures import as_png, sheet
from minigen.runs import Run

IMAGES = 16  # what -n is by default


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("-o", "--output", metavar="FILE.png", required=True, help="the picture; an old one is replaced")
@click.option("-n", "count", type=click.IntRange(1), help="number of images  [default: 16, or all if there are fewer]")
@seed_option("another seed, other images")
@split_option
@opens_run(PICTURE)
def reconstruct(run: Run, target: Output, count: int | None, seed: int, split: str) -> None:
    """Draw images beside their reconstructions.

    RUN is the folder of a run; the images are drawn from a split at random, of each class
    some. Of a denoising model the corrupted images that it saw stand in the middle.
    """
    run.check_can("reconstruct")  # before images are read, or downloaded
    dataset = run.images(split)
    if count is not None and count > len(dataset):
        raise ConfigError(f"-n {count}: the split {split!r} has {len(dataset)} images")
    shown = dataset.subset(dataset.random_indices(count or IMAGES, seed=seed))
    target.write(as_png(sheet(run.reconstruction_columns(shown), value_range=dataset.value_range)))
    echo(f"{target.name}: {len(shown)} {split} images and their reconstructions, by {run.checkpoint_path}")
