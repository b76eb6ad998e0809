"""``minigen reconstruct``: a picture of images beside what a trained model makes of them.

Imports: training, pictures. Read next: ``trained.py``.
"""

from __future__ import annotations

import click

from minigen.algorithms.options import ConfigError
from minigen.cli.drawing import seed_option
from minigen.cli.output import PICTURE, Output, force_option
from minigen.cli.trained import (
    checkpoint_option,
    data_dir_option,
    device_option,
    open_run,
    split_option,
)
from minigen.cli.words import echo
from minigen.pictures import as_png, sheet

IMAGES = 16  # what -n is by default


@click.command()
@click.argument("run")
@click.option("-o", "--output", metavar="FILE.png", required=True, help="the picture; an old one is replaced")
@click.option("-n", "count", type=click.IntRange(1), help="number of images  [default: 16, or all if there are fewer]")
@seed_option("another seed, other images")
@split_option
@checkpoint_option
@data_dir_option
@device_option
@force_option
def reconstruct(
    run: str,
    output: str,
    count: int | None,
    seed: int,
    split: str,
    checkpoint: str | None,
    data_dir: str | None,
    device: str,
    force: bool,
) -> None:
    """Draw images beside their reconstructions.

    RUN is the folder of a run; the images are drawn from a split at random, of each class
    some. Of a denoising model the corrupted images that it saw stand in the middle.
    """
    target = Output(output, PICTURE, force=force)
    trained = open_run(run, checkpoint, data_dir, device, target)
    if trained.experiment.reconstruct is None and trained.experiment.conditioned_on is None:
        raise ConfigError(f"{trained.recipe.name} has no encoder, so it cannot reconstruct; draw with minigen sample")
    dataset = trained.images(split)
    if count is not None and count > len(dataset):
        raise ConfigError(f"-n {count}: the split {split!r} has {len(dataset)} images")
    shown = dataset.subset(dataset.drawn(count or IMAGES, seed=seed))
    experiment, images = trained.conditioned_on(shown.labels), shown.images_float()
    assert experiment.reconstruct is not None
    corrupts = "corruption" in trained.config
    parts = experiment.pictures(images) if corrupts else [images, experiment.reconstruct(images)]
    target.write(as_png(sheet(parts, value_range=dataset.value_range)))
    echo(f"{output}: {len(shown)} {split} images and their reconstructions, by {trained.checkpoint}")
