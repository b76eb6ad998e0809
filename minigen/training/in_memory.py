"""Images that a program gives in memory: held to the same rules as a file with the same arrays, and split as it is.

Imports: data. Read next: ``prepare.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.data import Dataset
from minigen.data.assemble import Part, assemble
from minigen.data.layout import holdout
from minigen.shapes import shown
from minigen.training.config import given_picture_options

IN_MEMORY = "in-memory"  # what stands in the place of a data set's name or path in the config of such a run
DATA_SEED = 0  # draws glyphs, held-out images and a tenth as test images: two runs that differ in --seed see the same


@dataclass(frozen=True)
class InMemoryData:
    """The training images (those held out for validation among them) and the test images."""

    train: Dataset
    test: Dataset

    def __post_init__(self) -> None:
        if self.train.image_shape != self.test.image_shape:
            raise ValueError(
                f"test: the images are {self.test.image_shape}, those to train on {self.train.image_shape}"
            )


def in_memory_data(data: Any, labels: Any = None, test: Any = None) -> InMemoryData:
    """Images in memory: a Dataset, or an array as ``minigen/data/arrays.py`` takes them from a file, with labels.

    `test` are the test images: a Dataset, an array, or a pair of images and labels. Without them a tenth of the images,
    drawn at random, is kept for tests. ValueError or TypeError for what is no image or label.
    """
    if isinstance(data, Dataset):
        if labels is not None:
            raise TypeError("labels: a Dataset holds its own; leave them out")
        if isinstance(test, Dataset):
            return InMemoryData(data, test)
        if test is not None:
            raise TypeError("test: beside a Dataset, give the test images as a Dataset, too")
        parts = [data.subset(holdout(len(data), split=s, seed=DATA_SEED, source="data")) for s in ("train", "test")]
        return InMemoryData(*parts)
    if isinstance(test, Dataset):
        raise TypeError("test: beside an array, give the test images as an array, or a pair of images and labels")
    sources = {"": _part(data, labels, "data")}
    if test is not None:
        images, test_labels = test if isinstance(test, tuple) and len(test) == 2 else (test, None)
        sources = {"train": sources[""], "test": _part(images, test_labels, "test")}
    return InMemoryData(*(assemble(IN_MEMORY, sources, split=s, seed=DATA_SEED) for s in ("train", "test")))


def images_again(data: Any, labels: Any, test: Any) -> InMemoryData | None:
    """The images of a run that was trained on images in memory, if they are given again."""
    if data is None and (labels is not None or test is not None):
        raise TypeError("labels and test belong to images in memory; give data, too")
    return None if data is None else in_memory_data(data, labels, test)


def _part(images: Any, labels: Any, name: str) -> Part:
    x = None
    with contextlib.suppress(ValueError):  # lists of different lengths
        x = np.array(images, subok=True)  # a copy: the program may go on to change its own; `Dataset` refuses masks
    if x is None or x.dtype.kind in "OSU":
        raise TypeError(f"{name}: expected an array of images, got {shown(images)}")
    y = None if labels is None else np.array(labels, subok=True)
    return Part(lambda: x, y, name, "labels" if name == "data" else f"{name}: labels")


def check_source(config: Mapping[str, Any], given: InMemoryData | None) -> None:
    """ConfigError if a run on images in memory has none, or has settings that speak of files."""
    if given is None and config["dataset"] == IN_MEMORY:
        raise ConfigError(
            "the images of this run were given in memory and are in no file; give them again, in Python: "
            "run = mg.open_run(path, data=images, labels=labels)"
        )
    if given is not None and config["dataset"] != IN_MEMORY:
        raise ConfigError(f"this run is on the data set {config['dataset']}, not on images in memory; leave data out")
    others = [name for name in ("letters", "data_dir", "stream") if config.get(name)]
    for name in (*others, *given_picture_options(config)):
        if given is not None:
            raise ConfigError(f"--{name.replace('_', '-')} is an option of data sets in files, not of images in memory")
