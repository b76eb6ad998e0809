"""What the commands on a finished run share: its options, and opening it.

Imports: click, runs, output. Read next: ``encode.py``, ``sample.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click
import numpy as np

from minigen.cli.console import say_note
from minigen.cli.output import Kind, Output, data_places, force_option
from minigen.runs import Run
from minigen.runs.settings import read_run
from minigen.training.run_folder import RunFolder
from minigen_kernels import Array

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

split_option = click.option("--split", type=click.Choice(["train", "valid", "test"]), default="test", show_default=True)
json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object")
samples_option = click.option(
    "--samples", type=click.IntRange(0), help="generated images that are measured; 0: none  [default: 10000]"
)
k_option = click.option(
    "-k", "k", type=click.IntRange(1), default=100, show_default=True, help="importance samples of the likelihood"
)
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Choice(["best", "last"]),
    help="which checkpoint  [default: best, or last of a run without validation]",
)
data_dir_option = click.option("--data-dir", metavar="DIR", help="where the data set is now, if it has moved")
device_option = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)


def seed_option(help: str) -> Decorator:
    """``--seed``, a whole number from 0."""
    return click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help=help)


def density_option(help: str) -> Decorator:
    """``--density``."""
    return click.option("--density", type=click.Choice(["gaussian", "mixture"]), help=help)


def density_instead_of_prior(without_prior: str) -> Decorator:
    """``--density``; `without_prior` says what a model without a prior does if it is not given."""
    return density_option(
        "draw codes from a density fitted to those of training images (a Gaussian, or a mixture of 10), not from "
        f"the prior  [of a model without a prior by default: {without_prior}]"
    )


def opens_run(kinds: Mapping[str, Kind] | None = None) -> Decorator:
    """The last options of a command on RUN (or several), whose function is given the open Run (or a list of them).

    `kinds` are those of the files that the command writes: its ``-o`` then becomes the Output `target`, or None. It
    must be no file of a run, or of its data set.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(checkpoint: str | None, data_dir: str | None, device: str, **values: Any) -> None:
            target = None
            if kinds is not None:
                output, force = values.pop("output"), values.pop("force")
                target = values["target"] = None if output is None else Output(output, kinds, force=force)
            paths = values.pop("runs", None) or (values.pop("run"),)
            opened = []
            for path in paths:
                folder = RunFolder(path)
                recipe, config = read_run(folder, note=say_note, data_dir=data_dir)
                if target is not None:
                    target.keep(*folder.files(), *data_places(config))
                opened.append(Run.load(folder, recipe, config, checkpoint, device, note=say_note))
            function(opened if "runs" in click.get_current_context().params else opened[0], **values)

        return checkpoint_option(data_dir_option(device_option(call if kinds is None else force_option(call))))

    return decorate


def labelled(labels: Array, names: tuple[str, ...]) -> dict[str, Array]:
    """The arrays that a file holds of labels (N,): with the names of the classes, if these are not the numbers."""
    plain = names == tuple(map(str, range(len(names))))
    return {"labels": labels} if plain else {"labels": labels, "class_names": np.array(names)}
