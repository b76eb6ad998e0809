"""When the doctor looks at a run: seldom enough that it costs little, and late enough that there is something to see.

Imports: data, examine. Read next: ``minigen/training/session.py``, which asks after each epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from minigen.algorithms.experiment import Experiment
from minigen.data import Dataset
from minigen.doctor.diseases import CHECKS, explosion
from minigen.doctor.examine import Checkup, examine
from minigen_kernels import Array

IMAGES = 512  # that are looked at
EARLY = 1000  # updates before which a model may well be all of this, and healthy
SEEN = 60 * IMAGES  # images trained on between two looks: a look takes about 1 % of that time


class Doctor:
    """Looks at `experiment` with images of `dataset`, of which an update sees `batch_size`. `checkup` is its last."""

    def __init__(self, experiment: Experiment, dataset: Dataset, batch_size: int) -> None:
        self.experiment, self.batch_size, self.checkup = experiment, batch_size, Checkup((), 0)
        self.images, self.labels = examined_images(dataset)
        self.names = dataset.classes or ()

    def after_epoch(
        self, before: int, now: int, history: Sequence[Mapping[str, float]], *, final: bool = False
    ) -> Checkup | None:
        """What there is to say after update `now`, where `before` was the last update of the epoch before.

        None in the first 1000 updates, and after an epoch so short that a look would cost more than it; only the
        `final` look is not left out for that, but before update 1000 asks only for numbers that explode. It depends on
        nothing but these numbers: a resumed run says the same.
        """
        passed = now * self.batch_size // SEEN > before * self.batch_size // SEEN
        if not final and (now < EARLY or not passed):
            return None
        checks, note = CHECKS, ""
        if now < EARLY:
            checks, note = (explosion,), f"too few updates to look for collapse: {now} of {EARLY:,}"
        found = examine(self.experiment, self.images, self.labels, history, checks=checks, names=self.names)
        self.checkup = replace(found, note=note)
        return self.checkup


def examined_images(dataset: Dataset) -> tuple[Array, Array | None]:
    """The images of a data set that are examined, with their labels if there are any.

    They come from everywhere in it: a folder of pictures is sorted by class.
    """
    places = np.unique(np.linspace(0, len(dataset) - 1, min(IMAGES, len(dataset))).astype(np.int64))
    return dataset.images_float(places), None if dataset.labels is None else dataset.labels[places]
