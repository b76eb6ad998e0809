"""Mini-batches: each ``for`` loop is one epoch, shuffled; a state that resumes in the middle of an epoch.

The order of epoch k depends only on (seed, k). So the state is two numbers, epoch and position. Images that lie in
files are read in the same order, ahead of time, by threads that an epoch begins and ends.

Imports: NumPy, ``minigen.random``, ``dataset.py``, ``ahead.py``. Read next: ``sources.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.ahead import WORKERS, read_ahead
from minigen.data.dataset import Dataset
from minigen.data.shown import batch_html
from minigen.data.stored import StoredImages
from minigen.display.blocks import safely
from minigen.random import Generator
from minigen.shapes import flag, shown, whole_number


@dataclass(frozen=True, slots=True)
class Batch:
    """Images ``x`` (B, C, H, W) in float32, ``labels`` (B,) int64 or None, and ``index`` (B,) in the data set."""

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

    def _repr_html_(self) -> str:
        return safely(batch_html, self)


PART = 1000  # images that `over_batches` takes at a time: a multiple of what networks are applied to at once


class Batches:
    """Iterate over `dataset` in batches; each ``for`` loop runs to the end of the current epoch.

    `drop_last` omits the last batch of an epoch if it is smaller. The default is the value of `shuffle`: True for
    training, so that all batches have the same size (the next shuffle gives the omitted images their turn), and False
    for evaluation, so that every image counts once.

    After a ``break`` the next loop continues with the next batch. `state` can be written as JSON. If it is set on a new
    object over the same data, that continues with exactly the same batches.

    `workers` threads read images that lie in files; 0: they are read when their turn comes. The batches are the same.

    `shard` (i, n): of each batch only part i of n equal ones, counted from 0, for n processes that share the work. The
    parts of all processes are the batch that one process would have, and the state is the same.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool | None = None,
        workers: int = WORKERS,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        """TypeError for a batch size that is no whole number, ValueError for one below 1 or too large for a batch.

        Also for one that does not make equal shards.
        """
        if not isinstance(dataset, Dataset):
            raise TypeError(f"Batches: dataset is a Dataset, as minigen.data.load gives it, got {shown(dataset)}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"Batches: batch_size must be a whole number, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"Batches: batch_size must be at least 1, got {batch_size}")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.rng = Generator(whole_number("Batches", "seed", seed, 0))
        self.workers = whole_number("Batches", "workers", workers, 0)
        self.shuffle = flag("Batches", "shuffle", shuffle)
        self.drop_last = self.shuffle if drop_last is None else flag("Batches", "drop_last", drop_last)
        if self.drop_last and self.batch_size > len(dataset):
            raise ValueError(
                f"Batches: batch_size {batch_size} is larger than the data set {dataset.name!r} ({dataset.split}), "
                f"which has {len(dataset)} images; take at most {len(dataset)}"
            )
        self.shard = _shard(shard, self.batch_size, self.drop_last)
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
        """The epoch of the next batch, from 0."""
        return self._epoch

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The indices (N,) of the images, in the order of an epoch."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        order: NDArray[np.int64] = self.rng.spawn(f"batches/{epoch}").permutation(len(self.dataset))
        return order

    def __iter__(self) -> Iterator[Batch]:
        epoch, order, expected = self._epoch, self.order(self._epoch), -1
        while self._epoch == epoch:
            if self._position != expected:  # at first, and after the state was set
                expected = self._position
                coming = self._read(order, expected)
            batch = next(coming)
            # The state is updated before the batch is yielded: if saved during a step, it gives the next batch.
            self._position = expected = expected + 1
            if self._position == len(self):
                self._epoch, self._position = epoch + 1, 0
            yield batch

    def _read(self, order: NDArray[np.int64], first: int) -> Iterator[Batch]:
        """The batches of an epoch from number `first` on."""
        starts = range(first * self.batch_size, len(self) * self.batch_size, self.batch_size)
        stored = isinstance(self.dataset.images, StoredImages)
        i, n = self.shard
        part = self.batch_size // n
        parts = (order[k + i * part : k + (i + 1) * part] for k in starts)
        return read_ahead(self._batch, parts, self.workers if stored else 0)

    def at(self, position: int, epoch: int = 0) -> Batch:
        """Batch number `position` of an epoch, whole; the place of the iteration stays."""
        if not 0 <= whole_number("Batches.at", "position", position, 0) < len(self):
            raise ValueError(f"Batches.at: position lies between 0 and {len(self) - 1}, got {position}")
        start = position * self.batch_size
        return self._batch(self.order(whole_number("Batches.at", "epoch", epoch, 0))[start : start + self.batch_size])

    def _batch(self, index: NDArray[np.int64]) -> Batch:
        labels = self.dataset.labels
        return Batch(self.dataset.images_float(index), None if labels is None else labels[index], index)

    @property
    def state(self) -> dict[str, Any]:
        """Epoch and position of the next batch, and the settings that must be the same when it is loaded."""
        return {"epoch": self._epoch, "position": self._position, **self._identity()}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        """ValueError, and no change, if the state is of other data or settings."""
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


def _shard(shard: Any, batch_size: int, drop_last: bool) -> tuple[int, int]:
    """A part and the number of parts. TypeError, ValueError if it is none, or the parts are not equal."""
    if not isinstance(shard, tuple | list) or len(shard) != 2:
        raise TypeError(f"Batches: shard is a pair (part, number of parts), got {shown(shard)}")
    i, n = (whole_number("Batches", "shard", k, least) for k, least in zip(shard, (0, 1)))
    if i >= n:
        raise ValueError(f"Batches: shard {i} of {n} does not exist; they are counted from 0")
    if batch_size % n:
        raise ValueError(
            f"Batches: a batch of {batch_size} does not make {n} equal shards; take {batch_size + -batch_size % n}"
        )
    if n > 1 and not drop_last:
        raise ValueError("Batches: with shards all batches have one size; leave drop_last out, or True")
    return i, n


def over_batches(function: Callable[[Batch], NDArray[Any]], dataset: Dataset) -> NDArray[Any]:
    """What `function` makes of all images, in order, a thousand at a time, joined: so they need not fit into memory."""
    return np.concatenate([function(batch) for batch in Batches(dataset, PART, shuffle=False)])
