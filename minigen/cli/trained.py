"""What the commands that use a finished run share: the options, and opening it.

Imports: training. Read next: ``reconstruct.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from minigen.algorithms.experiment import Experiment, Recipe
from minigen.algorithms.options import ConfigError
from minigen.cli.output import Output
from minigen.cli.rescue import offer
from minigen.cli.settings import absolute_paths, read_run
from minigen.cli.words import echo
from minigen.data import NAMES, Dataset
from minigen.device import choose_device, set_num_threads
from minigen.training.checkpoint import DamagedCheckpoint
from minigen.training.environment import default_threads
from minigen.training.prepare import fingerprint, load_split, training_data
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
    noted: list[str] = field(default_factory=list)  # what was said already

    def images(self, split: str) -> Dataset:
        """A split of its data set; "train" are the images it was trained on, "valid" those held out of them.

        If these are others by now, a line on stderr says so. ConfigError if none were held out. ValueError if these
        images are of another size, or have other values, than those that it was trained on.
        """
        wanted = self.recipe.value_range
        if split == "test":
            dataset = load_split(self.config, split, wanted)
        else:
            train, held = training_data(self.config, wanted)
            if split == "valid" and held is None:
                raise ConfigError("--split valid: the run held out no images; take train or test")
            dataset = train if split == "train" or held is None else held
            self._compare(split, images=train, validation_images=held)
        now = {"image_shape": list(dataset.image_shape), "value_range": list(dataset.value_range)}
        for name, value in now.items():
            if value != self.facts[name]:
                raise ValueError(
                    f"the {split} images of {self.config['dataset']} have the {name.replace('_', ' ')} {value}, "
                    f"but {self.checkpoint} was trained on images with {self.facts[name]}"
                )
        return dataset

    def _compare(self, split: str, **parts: Dataset | None) -> None:
        """Say once if these images are not those of the training: then `split` is not what it was, either."""
        then = {name: self.facts.get(name) for name in parts}  # None: not kept by an older version
        changed = [data for name, data in parts.items() if data and then[name] and fingerprint(data) != then[name]]
        if changed and not self.noted:
            text = f"the {split} images are not those of the run: {self.config['dataset']} has changed since then"
            echo(f"minigen: note: {text}", err=True)
            self.noted.append(text)

    def some(self, dataset: Dataset, count: int) -> Dataset:
        """A part of one of its data sets that stands for all of it, in random order.

        Of the data sets known by name, which come shuffled, these are the first images.
        """
        return dataset.subset(slice(count) if self.config["dataset"] in NAMES else dataset.drawn(count))

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes of its data set are called; none without labels."""
        return tuple(self.facts.get("class_names") or map(str, range(self.facts["classes"] or 0)))

    def conditioned_on(self, labels: Array | None) -> Experiment:
        """The experiment with what it can do for images of the classes `labels` (N,), if its encoder sees them, too.

        ValueError if it does, and there are none.
        """
        if self.experiment.conditioned_on is None:
            return self.experiment
        if labels is None:
            raise ValueError(
                f"the encoder of {self.recipe.name} sees labels beside images, and those of "
                f"{self.config['dataset']} have none now; give it the data set with labels"
            )
        classes = self.facts["classes"]
        if len(labels) and labels.max() >= classes:  # of a run of version 0.1.0, which counted those it was trained on
            raise ValueError(
                f"the images have classes up to number {labels.max()}, but {self.checkpoint} was trained on "
                f"{classes} of them, and cannot be told of others; train it again"
            )
        return self.experiment.conditioned_on(labels)


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


def labelled(labels: Array, names: tuple[str, ...]) -> dict[str, Array]:
    """The arrays that a file holds of labels (N,): with the names of the classes, if these are not the numbers."""
    plain = names == tuple(map(str, range(len(names))))
    return {"labels": labels} if plain else {"labels": labels, "class_names": np.array(names)}
