"""`fit`: the training loop. It calls a step on batches until the epochs are done, and knows no model.

A step is a function from a batch to loss terms by name, "loss" first; it has updated the parameters when it returns.
What should happen between steps - logging, checkpoints, a progress line - is a function that the caller gives.

Imports: data, autograd, kernels. Read next: ``nonfinite.py``, ``checkpoint.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import array_module, device_of
from minigen.training.nonfinite import NonFiniteLoss, explain, first_not_finite
from minigen_kernels import for_array

Terms = Mapping[str, Tensor | float]
READ_EVERY = 50  # steps between two looks at losses on the GPU: a look waits for the device


class BatchSource(Protocol):
    """What gives batches: `minigen.data.Batches`. Each ``for`` runs to the end of the epoch that was begun."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int: ...


@dataclass
class Means:
    """Running means of the terms of an epoch. A term counts in the steps that return it."""

    totals: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, terms: Terms, weight: int = 1) -> None:
        """Take in the terms of a step (or of a batch of `weight` images). What is on the GPU stays there."""
        on_gpu: dict[Any, list[tuple[Any, Any]]] = {}  # totals and terms by dtype: one launch for each
        for name, value in terms.items():
            total = self.totals.get(name, 0.0)
            if isinstance(value, Tensor) and value.device == "cuda":
                term = value.data if value.dtype.kind == "f" else value.data.astype("f8")
                if isinstance(total, float) or device_of(total) == "cpu":
                    total = array_module(term).full(term.shape, float(total), "f8")
                on_gpu.setdefault(term.dtype, []).append((total, term))
            else:
                number = value.data.astype("f8") if isinstance(value, Tensor) else float(value)
                total = total + number * weight
            self.totals[name] = total
            self.counts[name] = self.counts.get(name, 0) + weight
        for pairs in on_gpu.values():
            totals, numbers = map(list, zip(*pairs))
            for_array(numbers[0]).total_update(totals, numbers, weight)

    def values(self) -> dict[str, float]:
        """The means so far."""
        return {name: float(total) / self.counts[name] for name, total in self.totals.items()}


@dataclass
class TrainingState:
    """How far training has come. All of it goes into a checkpoint."""

    step: int = 0  # updates made
    epoch: int = 0  # epochs finished, with all that follows an epoch
    batch: int = 0  # updates made in the epoch that has begun
    means: Means = field(default_factory=Means)  # of that epoch


def fit(
    step: Callable[[Batch], Terms],
    batches: BatchSource,
    *,
    epochs: int,
    max_steps: int | None = None,
    schedule: Callable[[int], None] | None = None,
    parameters: Mapping[str, Tensor] | None = None,
    state: TrainingState | None = None,
    after_step: Callable[[TrainingState, Terms], None] | None = None,
    after_epoch: Callable[[TrainingState, dict[str, float]], None] | None = None,
) -> TrainingState:
    """Call `step` on every batch until `epochs` epochs or `max_steps` steps are done; return how far it came.

    * `schedule(k)` runs before update k, counted from 0.
    * `parameters`, by name, are looked at after every update: NaN is then found in the step that made it.
    * `state` goes on from a point reached before; `batches` must stand at the same point.
    * `after_step(state, terms)` runs after every update; what it raises ends training with a state that can be saved.
    * `after_epoch(state, means)` runs after every full epoch, with the mean of each term over the epoch's steps.

    NonFiniteLoss: a term or a parameter is NaN or infinite. Losses on the GPU are looked at every 50 steps only.
    ValueError: `epochs` or `max_steps` is below 1, or a step returns no "loss".
    """
    if epochs < 1 or (max_steps is not None and max_steps < 1):
        raise ValueError(f"fit: epochs and max_steps must be at least 1, got {epochs} and {max_steps}")
    state = state or TrainingState()
    parameters = parameters or {}
    while state.epoch < epochs:
        coming = iter(batches)
        while state.batch < len(batches):
            if state.step == max_steps:
                return state
            if schedule is not None:
                schedule(state.step)
            terms = step(next(coming))
            state.step, state.batch = state.step + 1, state.batch + 1
            if "loss" not in terms:
                raise ValueError(f"fit: step must return terms with 'loss' among them, got {sorted(terms)}")
            on_gpu = any(isinstance(value, Tensor) and value.device == "cuda" for value in terms.values())
            if not on_gpu or state.step % READ_EVERY == 0:
                check_finite(terms, parameters, f"step {state.step}")
            state.means.add(terms)
            if after_step is not None:
                after_step(state, terms)
            del terms  # with it goes the graph of this step: two of them would not fit where one does
        means = state.means.values()
        state.epoch, state.batch, state.means = state.epoch + 1, 0, Means()
        if after_epoch is not None:
            after_epoch(state, means)
    return state


def check_finite(terms: Terms, parameters: Mapping[str, Tensor], when: str) -> None:
    """Raise NonFiniteLoss if a term or, after the update, a parameter is NaN or infinite. `when`: "step 12"."""
    for name, value in terms.items():
        number = float(value)
        if not math.isfinite(number):
            raise NonFiniteLoss(f"{when}: {name} is {number}{explain(value, parameters)}. {ADVICE}")
    spoilt = first_not_finite(parameters)
    if spoilt is not None:
        raise NonFiniteLoss(
            f"{when}: the loss is finite, but the update left NaN or infinity in parameter '{spoilt}'. {ADVICE}"
        )


ADVICE = "Try a smaller learning rate, or a limit on the norm of the gradient"
