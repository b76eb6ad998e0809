"""The doctor's look at a finished run: for ``evaluate`` and ``compare``, who can show it more than training can.

The images are test images, and where samples were measured, the classifier of that measurement tells their classes.

Imports: training. Read next: ``measure.py``, ``minigen/doctor/diseases.py``.
"""

from __future__ import annotations

import contextlib
import csv
from typing import Any

import numpy as np

from minigen.cli.trained import Trained
from minigen.data import Dataset
from minigen.doctor import Checkup, examine
from minigen.doctor.visit import looked_at
from minigen.metrics.classifier import Features
from minigen.training.checkpoint import load_checkpoint
from minigen.training.metrics_file import COLUMNS
from minigen_kernels import Array


def checkup_of(trained: Trained, test: Dataset, features: Features | None) -> Checkup:
    """What the doctor finds in the checkpoint, with `features` if they are at hand."""
    low, high = trained.facts["value_range"]
    classify = None if features is None else features.classify

    def recognised(images: Array) -> Array:
        assert classify is not None
        return classify(((images - np.float32(low)) / np.float32(high - low)).clip(0, 1))

    names = test.classes or ()
    told: dict[str, Any] = {} if names == tuple(map(str, range(len(names)))) else {"names": names}
    answers = None if classify is None else recognised
    return examine(trained.experiment, *looked_at(test), history(trained), classify=answers, **told)


def history(trained: Trained) -> list[dict[str, float]]:
    """The mean terms of each epoch up to the checkpoint; none if ``metrics.csv`` was lost or changed."""
    rows = load_checkpoint(trained.checkpoint).facts["rows"]
    with (
        contextlib.suppress(OSError, ValueError, TypeError, KeyError, csv.Error),
        open(trained.metrics, encoding="utf-8-sig", newline="") as file,
    ):
        epochs = [row for row in list(csv.DictReader(file))[:rows] if row["split"] == "train"]
        return [{k: float(v) for k, v in row.items() if k not in COLUMNS and v} for row in epochs]
    return []
