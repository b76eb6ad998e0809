"""``minigen encode``: the codes of images, as a NumPy file.

Imports: runs. Read next: ``opening.py``, ``minigen/runs/run.py``.
"""

from __future__ import annotations

import io
from typing import Any

import click
import numpy as np

from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import labelled, opens_run, split_option
from minigen.cli.output import CODES, Output
from minigen.runs import Run


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("-o", "--output", metavar="FILE.npz", required=True, help="the codes; an old file is replaced")
@split_option
@opens_run({"": CODES})
def encode(run: Run, target: Output, split: str) -> None:
    """Write the codes of images to a file.

    RUN is the folder of a run. The file holds, of all images of a split, codes (N, D) and
    labels (N,) from 0 if there are any (with class_names, if their names are not the
    numbers), and the split's name; np.load reads it.
    """
    run.check_can("encode")  # before images are read, or downloaded
    dataset = run.images(split)
    codes = run.encode(dataset)
    arrays: dict[str, Any] = {"codes": codes, "split": np.array(split)}
    if dataset.labels is not None:
        arrays |= labelled(dataset.labels, run.class_names)
    file = io.BytesIO()
    np.savez(file, **arrays)
    target.write(file.getvalue())
    echo(f"{target.name}: codes {codes.shape} of the {split} images, by {run.checkpoint_path}")
