"""The model of a run, ready for use: its networks with the parameters of a checkpoint, its settings, and its images.

Where a checkpoint is damaged, the error says whether the other one of the run is whole, and what is lost with it.

Imports: training, settings. Read next: ``drawing.py``, ``evaluation.py``, ``run.py``.
"""

from __future__ import annotations

import contextlib
import csv
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from minigen.algorithms.experiment import Experiment, Latent, Recipe
from minigen.algorithms.options import ConfigError
from minigen.data import NAMES, Dataset
from minigen.device import set_num_threads
from minigen.proof import choose_device
from minigen.runs.settings import Note, command_line
from minigen.serialization import CheckpointError
from minigen.shapes import one_of
from minigen.training.checkpoint import Checkpoint, DamagedCheckpoint
from minigen.training.environment import default_threads
from minigen.training.facts import check_facts
from minigen.training.in_memory import InMemoryData
from minigen.training.opening import open_trained
from minigen.training.prepare import fingerprint, load_split, training_data
from minigen.training.run_folder import RunFolder
from minigen_kernels import Array


@dataclass(repr=False, eq=False)
class Trained:
    """A trained model, the settings it was trained with, and where its parameters come from. `Run` is one for users."""

    experiment: Experiment
    recipe: Recipe
    config: Mapping[str, Any]
    folder: RunFolder
    checkpoint_path: Path
    checkpoint_facts: Mapping[str, Any]
    device: str  # as it was asked for
    memory_data: InMemoryData | None  # its images, if a program gave them in memory
    note: Note
    noted: bool = False  # the note that its images have changed was given

    @classmethod
    def load(
        cls,
        folder: RunFolder,
        recipe: Recipe,
        config: Mapping[str, Any],
        checkpoint: str | None,
        device: str = "auto",
        memory_data: InMemoryData | None = None,
        note: Note = warnings.warn,
    ) -> Self:
        """The model of a run at its checkpoint "best" or "last"; None: best, if there is one.

        CheckpointError: it is damaged, or does not fit the config.
        """
        set_num_threads(default_threads())
        chosen, _ = choose_device(device)
        checkpoint = checkpoint or ("best" if folder.has(folder.best) else "last")
        path = folder.checkpoint_path(checkpoint)
        try:
            found = folder.read_checkpoint(path)
            experiment, _ = open_trained(recipe, config, found, chosen, folder.networks(config))
        except DamagedCheckpoint as error:
            raise suggest_other(folder, path, error, lambda other, _: f": --checkpoint {other}") from error
        return cls(experiment, recipe, config, folder, path, found.facts, device, memory_data, note)

    @property
    def facts(self) -> Mapping[str, Any]:
        """About the images it was trained on."""
        return dict(self.checkpoint_facts["data"])

    @property
    def value_range(self) -> tuple[float, float]:
        """The smallest and the largest value of its images."""
        low, high = self.facts["value_range"]
        return low, high

    def images(self, split: str = "test") -> Dataset:
        """A split of its data set: "train", the images it was trained on; "valid", those held out of them; "test".

        If these are others by now, a note says so. ConfigError if none were held out. ValueError if these images are of
        another size, or have other values, than those that it was trained on.
        """
        one_of("images", "split", split, ("train", "valid", "test"))
        wanted = self.recipe.value_range
        if split == "test":
            dataset = load_split(self.config, split, wanted, self.memory_data)
        else:
            train, held = training_data(self.config, wanted, self.memory_data)
            if split == "valid" and held is None:
                raise ConfigError("--split valid: the run held out no images; take train or test")
            dataset = train if split == "train" or held is None else held
            self._compare(split, images=train, validation_images=held)
        now = {"image_shape": list(dataset.image_shape), "value_range": list(dataset.value_range)}
        for name, value in now.items():
            if value != self.facts[name]:
                raise ValueError(
                    f"the {split} images of {self.config['dataset']} have the {name.replace('_', ' ')} {value}, "
                    f"but {self.checkpoint_path} was trained on images with {self.facts[name]}"
                )
        return dataset

    def _compare(self, split: str, **parts: Dataset | None) -> None:
        """Note once that these images are not those of the training: then `split` has changed, too."""
        then = {name: self.facts.get(name) for name in parts}  # None: not kept by an older version
        changed = [data for name, data in parts.items() if data and then[name] and fingerprint(data) != then[name]]
        if changed and not self.noted:
            self.noted = True
            self.note(f"the {split} images are not those of the run: {self.config['dataset']} has changed since then")

    def some(self, dataset: Dataset, count: int) -> Dataset:
        """A part of one of its data sets that stands for all of it, in random order.

        Of the data sets known by name, which come shuffled, these are the first images.
        """
        return dataset.subset(slice(count) if self.config["dataset"] in NAMES else dataset.random_indices(count))

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes of its data set are called; none without labels."""
        return tuple(self.facts.get("class_names") or map(str, range(self.facts["classes"] or 0)))

    @property
    def latent(self) -> Latent:
        """How the model makes images from codes. ConfigError if it does not."""
        if self.experiment.latent is None:
            raise ConfigError(f"{self.recipe.name} makes no images from codes, so there is nothing to draw")
        return self.experiment.latent

    def encoder(self, labels: Array | None) -> Callable[[Array], Array]:
        """Images (N, C, H, W) to codes, for images of the classes `labels` (N,) if the encoder sees them, too."""
        self.check_can("encode")
        encode = self.conditioned_on(labels).encode
        assert encode is not None
        return encode

    def check_can(self, what: Literal["encode", "reconstruct"]) -> None:
        """ConfigError if the model cannot encode or reconstruct images, whatever their labels."""
        if getattr(self.experiment, what) is None and self.experiment.conditioned_on is None:
            why = {"encode": "images have no codes", "reconstruct": "it cannot reconstruct; draw with minigen sample"}
            raise ConfigError(f"{self.recipe.name} has no encoder, so {why[what]}")

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
                f"the images have classes up to number {labels.max()}, but {self.checkpoint_path} was trained on "
                f"{classes} of them, and cannot be told of others; train it again"
            )
        return self.experiment.conditioned_on(labels)

    def history(self) -> list[dict[str, float]]:
        """The mean terms of each epoch up to the checkpoint; none if the table of metrics was lost or changed."""
        with contextlib.suppress(OSError, ValueError, IndexError, csv.Error):
            return self.folder.open_metrics().terms("train", self.checkpoint_facts["rows"])
        return []


def checkpoint_to_resume(folder: RunFolder, name: str) -> Checkpoint:
    """The checkpoint "last" or "best", to go on from.

    CheckpointError: it is damaged; where the other one is whole, the message says how to use it and what it lacks.
    """

    def advice(other: str, step: int) -> str:
        last = _last_step(folder)
        lost = f"updates {step + 1} to {last}" if last > step else "all that came after it"
        command = command_line("train", "--resume", folder.path, "--checkpoint", other)
        return f"; to go on from there: {command} ({lost} are lost, and will be done again)"

    path = folder.checkpoint_path(name)
    try:
        return _read_checked(folder, path)
    except CheckpointError as error:
        raise suggest_other(folder, path, error, advice) from error


def suggest_other(
    folder: RunFolder, damaged: Path, error: CheckpointError, advice: Callable[[str, int], str]
) -> CheckpointError:
    """The error of a damaged checkpoint; if the other one of the run is whole, with its step and how to use it."""
    try:
        other = _read_checked(folder, folder.last if damaged == folder.best else folder.best)
    except CheckpointError:
        return error
    step = other.facts["state"]["step"]
    how = advice(Path(other.path).stem, step)
    return CheckpointError(f"{error}. {other.path} is whole, it holds step {step}{how}")


def _read_checked(folder: RunFolder, path: Path) -> Checkpoint:
    checkpoint = folder.read_checkpoint(path)
    check_facts(checkpoint)
    return checkpoint


def _last_step(folder: RunFolder) -> int:
    """The last update in the table of metrics; 0 if that is empty or damaged."""
    with contextlib.suppress(OSError, ValueError, csv.Error):
        return max(int(row[0]) for row in folder.open_metrics().read()[1:] if row)
    return 0
