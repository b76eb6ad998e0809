"""`Logger`: what a training tells to whoever wants to know. Ten lines bring it to wandb, mlflow, aim or trackio.

Imports: nothing of minigen. Read next: ``tensorboard.py``, ``examples/17_mlflow.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minigen_kernels import Array


class Logger:
    """A subclass has the methods that it wants to be called; those here do nothing.

    `step` is the number of updates made, and never falls. What a method raises ends the training; the last checkpoint
    stays.
    """

    def start(self, settings: Mapping[str, Any], units: Mapping[str, str], step: int) -> None:
        """Training begins, or goes on after update `step`.

        `settings` are those of ``config.toml``; None is a setting that is not in use. `units` has the unit of each term
        by its name, such as "nats per sample".
        """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Terms by names such as "batch/loss" (every `log_every` updates), "train/loss", "validation/loss" (epochs)."""

    def images(self, step: int, pictures: Mapping[str, Array]) -> None:
        """The picture "samples" of an epoch, bytes (H, W) or (H, W, 3)."""

    def histograms(self, step: int, arrays: Mapping[str, Array]) -> None:
        """After each epoch every parameter and the gradient of its last update: "weights/NAME", "gradients/NAME".

        The arrays are not to be changed, nor kept: the next update writes into them. They may hold NaN.
        """

    def text(self, step: int, texts: Mapping[str, str]) -> None:
        """What the doctor has found, lines by the name "doctor"."""

    def finish(self) -> None:
        """Training has ended, in whatever way; it is called after every `start` that returned."""


class Loggers:
    """Several loggers, told one after another. TypeError for what is none."""

    def __init__(self, loggers: Sequence[Logger] = ()) -> None:
        if not isinstance(loggers, Sequence) or not all(isinstance(one, Logger) for one in loggers):
            raise TypeError(f"loggers: expected a list of objects whose class extends mg.Logger, got {loggers!r:.80}")
        self.all = tuple(loggers)

    @contextlib.contextmanager
    def running(self, settings: Mapping[str, Any], units: Mapping[str, str], step: int) -> Iterator[None]:
        """Start all, and finish all that have started, whatever happens in between."""
        with contextlib.ExitStack() as stack:
            for one in self.all:
                one.start(settings, units, step)
                stack.callback(one.finish)
            yield

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Tell all."""
        for one in self.all:
            one.scalars(step, values)

    def images(self, step: int, pictures: Mapping[str, Array]) -> None:
        """Tell all."""
        for one in self.all:
            one.images(step, pictures)

    def histograms(self, step: int, arrays: Mapping[str, Array]) -> None:
        """Tell all."""
        for one in self.all:
            one.histograms(step, arrays)

    @property
    def want_histograms(self) -> bool:
        """Does any look at the arrays? On a GPU they would have to be copied."""
        return any(type(one).histograms is not Logger.histograms for one in self.all)

    def text(self, step: int, texts: Mapping[str, str]) -> None:
        """Tell all."""
        for one in self.all:
            one.text(step, texts)
