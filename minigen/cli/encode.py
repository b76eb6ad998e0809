"""``minigen encode``: the codes of images, as a NumPy file.

Imports: training. Read next: ``trained.py``.
"""

from __future__ import annotations

import io
from typing import Any

import click
import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.cli.output import CODES, Output, force_option
from minigen.cli.trained import (
    checkpoint_option,
    data_dir_option,
    device_option,
    labelled,
    open_run,
    split_option,
)
from minigen.cli.words import echo


@click.command()
@click.argument("run")
@click.option("-o", "--output", metavar="FILE.npz", required=True, help="the codes; an old file is replaced")
@split_option
@checkpoint_option
@data_dir_option
@device_option
@force_option
def encode(
    run: str, output: str, split: str, checkpoint: str | None, data_dir: str | None, device: str, force: bool
) -> None:
    """Write the codes of images to a file.

    RUN is the folder of a run. The file holds, of all images of a split, codes (N, D) and
    labels (N,) from 0 if there are any (with class_names, if their names are not the
    numbers), and the split's name; np.load reads it.
    """
    target = Output(output, {"": CODES}, force=force)
    trained = open_run(run, checkpoint, data_dir, device, target)
    if trained.experiment.encode is None and trained.experiment.conditioned_on is None:
        raise ConfigError(f"{trained.recipe.name} has no encoder, so images have no codes")
    dataset = trained.images(split)
    encode = trained.conditioned_on(dataset.labels).encode
    assert encode is not None
    codes = encode(dataset.images_float())
    arrays: dict[str, Any] = {"codes": codes, "split": np.array(split)}
    if dataset.labels is not None:
        arrays |= labelled(dataset.labels, trained.class_names)
    file = io.BytesIO()
    np.savez(file, **arrays)
    target.write(file.getvalue())
    echo(f"{output}: codes {codes.shape} of the {split} images, by {trained.checkpoint}")
