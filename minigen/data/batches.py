"""Batches: one shuffled pass over a data set for every ``for`` loop, and a state that resumes in the middle of one.

The order of epoch k depends on (seed, k) alone, not on what was drawn before; so the state is two numbers.

Imports: NumPy, ``minigen.random``, ``dataset.py``. Read next: ``sources.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.dataset import Dataset
from minigen.random import Generator
from minigen.shapes import flag, shown, whole_number


@dataclass(frozen=True, slots=True)
class Batch:
    """Images ``x`` (B, C, H, W) in float32, ``labels`` (B,) int64 or None, and ``index`` (B,): where they stand."""

    x: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        parts = [f"x {self.x.shape} {self.x.dtype}"]
        if self.x.size:
            parts[0] += f" from {self.x.min():.4g} to {self.x.max():.4g}"
        if self.labels is not None:
            parts.append(f"labels {self.labels.shape}")
        return f"Batch({', '.join([*parts, f'index {self.index.shape}'])})"


class Batches:
    """Iterate over `dataset` in batches; each ``for`` runs to the end of the current epoch, the next one goes on.

    `drop_last` leaves out the short batch at the end of an epoch. Left at None it follows `shuffle`: for training
    (shuffled) it is True, because batch statistics and the noise of the gradient then mean the same at every step and
    shapes never change, while the next shuffle gives the images left out their turn; for evaluation (in order) it is
    False, because there every image counts once.

    A loop that is left early resumes at the next batch. `state` is JSON-able; set on a new object over the same data,
    it gives exactly the batches that were to come.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool | None = None,
    ) -> None:
        """TypeError for a batch size that is no whole number, ValueError for one below 1 or too large for a batch."""
        if not isinstance(dataset, Dataset):
            raise TypeError(f"Batches: dataset is a Dataset, as minigen.data.load gives it, got {shown(dataset)}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"Batches: batch_size must be a whole number, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"Batches: batch_size must be at least 1, got {batch_size}")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.rng = Generator(whole_number("Batches", "seed", seed, 0))
        self.shuffle = flag("Batches", "shuffle", shuffle)
        self.drop_last = self.shuffle if drop_last is None else flag("Batches", "drop_last", drop_last)
        if self.drop_last and self.batch_size > len(dataset):
            raise ValueError(
                f"Batches: batch_size {batch_size} is larger than the data set {dataset.name!r} ({dataset.split}), "
                f"which has {len(dataset)} images; take at most {len(dataset)}"
            )
        self._epoch = 0
        self._position = 0

    def __len__(self) -> int:
        """Batches in one epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __repr__(self) -> str:
        data = f"{self.dataset.name!r} ({self.dataset.split}), {len(self.dataset)} images"
        order = f"{len(self)} of {self.batch_size} an epoch, {'shuffled' if self.shuffle else 'in order'}"
        return f"Batches({data}, {order}; next: epoch {self._epoch}, batch {self._position})"

    @property
    def epoch(self) -> int:
        """The epoch that the next batch belongs to, from 0. The last batch of an epoch moves it on."""
        return self._epoch

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The order of the images (N,) in an epoch."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        order: NDArray[np.int64] = self.rng.spawn(f"batches/{epoch}").permutation(len(self.dataset))
        return order

    def __iter__(self) -> Iterator[Batch]:
        epoch, order = self._epoch, self.order(self._epoch)
        while self._epoch == epoch:
            start = self._position * self.batch_size
            index = order[start : start + self.batch_size]
            # The state moves before the batch is handed out: saved while the batch is at work, it names the next one.
            self._position += 1
            if self._position == len(self):
                self._epoch, self._position = epoch + 1, 0
            labels = self.dataset.labels
            yield Batch(self.dataset.images_float(index), None if labels is None else labels[index], index)

    @property
    def state(self) -> dict[str, Any]:
        """Where the next batch stands (epoch, position), and what must be the same for that to mean anything."""
        return {"epoch": self._epoch, "position": self._position, **self._identity()}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        """ValueError if the state is of other data, another seed or another way of batching; nothing changes then."""
        mine = self._identity()
        missing = sorted({"epoch", "position", *mine} - state.keys())
        if missing:
            raise ValueError(f"Batches.state: the state lacks {', '.join(missing)}")
        for key, value in mine.items():
            if state[key] != value:
                raise ValueError(f"Batches.state: the state was saved with {key}={state[key]!r}, this has {value!r}")
        epoch, position = state["epoch"], state["position"]
        whole = all(isinstance(k, int) and not isinstance(k, bool) for k in (epoch, position))
        if not whole or epoch < 0 or not 0 <= position < len(self):
            raise ValueError(
                f"Batches.state: expected epoch >= 0 and 0 <= position < {len(self)}, "
                f"got epoch {epoch!r}, position {position!r}"
            )
        self._epoch, self._position = epoch, position

    def _identity(self) -> dict[str, Any]:
        return {
            "seed": self.rng.state["seed"],
            "images": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": bool(self.shuffle),
            "drop_last": bool(self.drop_last),
        }
