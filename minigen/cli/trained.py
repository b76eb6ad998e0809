"""What the commands that use a finished run share: the options, and opening it.

Imports: training. Read next: ``reconstruct.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from minigen.cli.output import Output
from minigen.cli.rescue import offer
from minigen.cli.settings import absolute_paths, read_run
from minigen.data import Dataset
from minigen.device import choose_device, set_num_threads
from minigen.training.checkpoint import DamagedCheckpoint
from minigen.training.environment import default_threads
from minigen.training.experiment import Experiment, Recipe
from minigen.training.prepare import load_split, training_data
from minigen.training.run import open_trained
from minigen.training.run_folder import RunFolder
from minigen_kernels import Array

data_dir_option = click.option("--data-dir", metavar="DIR", help="where the data set is now, if it has moved")
device_option = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Choice(["best", "last"]),
    help="which checkpoint  [default: best, or last of a run without validation]",
)
split_option = click.option("--split", type=click.Choice(["train", "valid", "test"]), default="test", show_default=True)


@dataclass(frozen=True)
class Trained:
    """A trained model, the settings it was trained with, and the file its parameters come from."""

    experiment: Experiment
    recipe: Recipe
    config: dict[str, Any]
    checkpoint: Path
    facts: Mapping[str, Any]  # about the images it was trained on
    metrics: Path  # the file with the terms of its training

    def images(self, split: str) -> Dataset:
        """A split of its data set; "train" are the images it was trained on, without those held out.

        ValueError if these images are of another size, or have other values, than those that it was trained on.
        """
        wanted = self.recipe.value_range
        dataset = training_data(self.config, wanted)[0] if split == "train" else load_split(self.config, split, wanted)
        now = {"image_shape": list(dataset.image_shape), "value_range": list(dataset.value_range)}
        for name, value in now.items():
            if value != self.facts[name]:
                raise ValueError(
                    f"the {split} images of {self.config['dataset']} have the {name.replace('_', ' ')} {value}, "
                    f"but {self.checkpoint} was trained on images with {self.facts[name]}"
                )
        return dataset

    def given(self, labels: Array | None) -> Experiment:
        """The experiment with what it can do for images of the classes `labels` (N,), if its encoder sees them, too.

        ValueError if it does, and there are none.
        """
        if self.experiment.given is None:
            return self.experiment
        if labels is None:
            raise ValueError(
                f"the encoder of {self.recipe.name} sees labels beside images, and those of "
                f"{self.config['dataset']} have none now; give it the data set with labels"
            )
        return self.experiment.given(labels)


def open_run(
    path: str, checkpoint: str | None, data_dir: str | None, device: str, output: Output | None = None
) -> Trained:
    """Open a run folder for use, on a device of its own choice. `output` must be no file of it, or of its data set."""
    folder = RunFolder(path)
    recipe, config = read_run(folder)
    if data_dir is not None:
        config = absolute_paths({**config, "data_dir": data_dir})
    if output is not None:
        output.keep(*folder.files())
        output.keep_data(config)
    set_num_threads(default_threads())
    chosen, _ = choose_device(device)
    file = {"best": folder.best, "last": folder.last}.get(checkpoint or "")
    if file is None:
        file = folder.best if folder.best.exists() else folder.last
    try:
        experiment, facts = open_trained(recipe, config, file, chosen)
    except DamagedCheckpoint as error:
        raise offer(folder, file, error) from error
    return Trained(experiment, recipe, config, file, facts, folder.metrics)
