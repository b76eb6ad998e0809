"""A run whose batches are cut into replicas: the same step in each of them, on whichever rank it is.

Every replica has an experiment of its own. Their weights are the same before and after each update, because each moves
along the mean of the gradients of all (``Updates`` in ``minigen/algorithms/updates.py``). What else a step changes -
running statistics of batch norm, the balance of a BEGAN - is brought together after it, and so are the terms.

Random numbers are those of the replica: its generators have streams of their own. So sample i of a batch draws the same
noise on any rank.

Imports: distributed, nn, checkpoint, prepare. Read next: ``session.py``.
"""

from __future__ import annotations

import functools
import math
import shlex
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minigen
from minigen import nn
from minigen.algorithms.experiment import Experiment, Step, Terms
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor, note_change
from minigen.data import Batch, Batches, Dataset
from minigen.distributed import Communicator, Replica, Team
from minigen.distributed.operation import total_over_replicas
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import Checkpoint, checksum, restore
from minigen.training.nonfinite import Explained, explain
from minigen.training.prepare import Prepared, build
from minigen.training.run_folder import RunFolder

OWN = ("device", "threads", "workers", "data_dir", "stream")  # settings that a rank may have otherwise
SAMPLE = 64  # images that ranks compare
Stepped = tuple[bool, dict[str, float], dict[str, str]]  # whether to stop, terms of all, why its own are not finite


class RanksDiffer(RuntimeError):  # noqa: N818 - the name says what happened
    """What has to be the same on all ranks is not."""


class Replicas:
    """The replicas of a run that are on this rank; called with their part of a batch, it makes one update."""

    def __init__(self, prepared: Prepared, team: Team) -> None:
        first, config = prepared.experiment, prepared.config
        self.team, self.world = team, team.communicator
        self.experiments = [first]
        for _ in team.replicas[1:]:
            other = build(prepared.recipe, config, prepared.facts, prepared.device, prepared.networks)
            for name, module in other.modules.items():
                module.load_state_dict(first.modules[name].state_dict())
            self.experiments.append(other)
        for experiment, replica in zip(self.experiments, team.replicas):
            experiment.updates.replica = replica
            for generator in experiment.generators.values():
                stream = generator.spawn(f"replica {replica.number}").state["stream"]
                generator.state = {**generator.state, "stream": stream}
        if config["batch_norm"] == "global":
            for experiment, replica in zip(self.experiments, team.replicas):
                self._share_statistics(experiment, replica)
        self.stepping = False  # is there an update going on, which all replicas make?
        self.asked: Callable[[], bool] = lambda: False  # is this rank asked to stop?
        self.stopping = False  # is any?
        check_alike(self.world, describe(prepared))
        self.world.connect(self.world.gather(prepared.device))

    def __call__(self, batch: Batch) -> Terms:
        """One update; the terms are those of the whole batch."""
        asked = self.asked()
        each = zip(self.experiments, self.team.replicas, _parts(batch, self.team.size))
        self.stepping = True
        try:
            found = self.team.run([functools.partial(self._step, e, replica, part, asked) for e, replica, part in each])
        finally:
            self.stepping = False
        self.stopping, terms, _ = found[0]
        if all(map(math.isfinite, terms.values())):
            return terms
        return self._explained(terms, [why for *_, why in found])

    def _step(self, experiment: Experiment, replica: Replica, batch: Batch, asked: bool) -> Stepped:
        terms = experiment.step(batch)
        buffers = list(_buffers(experiment))
        record = np.array([float(asked), *map(float, terms.values())])
        *states, together = replica.agreed([*(t.data for t in buffers), record])
        for t, state in zip(buffers, states):
            t.data = state
            note_change(t)
        stop, *values = together.tolist()
        why = {name: explain(t, experiment.parameters) for name, t in terms.items() if not math.isfinite(float(t))}
        return stop > 0, dict(zip(terms, values)), why

    def _explained(self, terms: dict[str, float], own: list[dict[str, str]]) -> Terms:
        """Terms of which some are not finite, with the first replica that has it so, and why (`own`: of this rank)."""
        every = [why for part in self.world.gather(own) for why in part]
        explained = dict(terms)
        for name, value in terms.items():
            number = next((r for r, why in enumerate(every) if name in why), None)
            if number is not None:
                where = f" in replica {number} of {self.team.count}, on rank {number // self.team.size}"
                explained[name] = Explained(value, where + every[number][name])
        return explained

    @property
    def launcher(self) -> str:
        """What stands before a command to run it on as many ranks."""
        return f"mpiexec -n {self.world.size} " if self.world.size > 1 else ""

    def describe(self, batch: int) -> str:
        """How many ranks and replicas there are, and what a replica computes, in words."""
        ranks = f"{self.world.size} ({self.world.describe()}), " if self.world.size > 1 else "1, "
        several = "s" * (self.team.count > 1)
        return f"{ranks}{self.team.count} replica{several} of {batch // self.team.count} images an update"

    def report(self) -> dict[str, Any]:
        """For ``--json``: what went between the ranks, bytes that this one sent, seconds until it had answers."""
        world = self.world
        return {
            "ranks": world.size,
            "replicas": self.team.count,
            "sums": world.calls,
            "bytes": world.bytes,
            "seconds": round(world.seconds, 3),
            "waited": round(world.waited, 3),
        }

    def _share_statistics(self, experiment: Experiment, replica: Replica) -> None:
        """Let the batch norm of a replica use the statistics of all, while all make an update."""

        def total(x: Tensor) -> Tensor:
            return total_over_replicas(x, replica)

        def across() -> tuple[Callable[[Tensor], Tensor], int] | None:
            return (total, replica.count) if self.stepping else None

        norms = [m for e in experiment.modules.values() for _, m in e.named_modules() if isinstance(m, nn.BatchNorm)]
        for norm in norms:
            norm.across = across

    def begin(self, stop: Callable[[], bool], folder: RunFolder) -> Callable[[], bool]:
        """Say whether this rank is asked to `stop`; what comes back says whether any is, to all after the same update.

        If a rank dies, it is said how to go on from the last checkpoint.
        """
        resume = f"To go on: {self.launcher}minigen train --resume {shlex.quote(str(folder.path))}"
        if not folder.in_memory or self.world.rank:
            self.world.on_death(resume)
        self.asked = stop
        return lambda: self.stopping

    def schedule(self, k: int) -> None:
        """What is set before update k, in every replica."""
        for experiment in self.experiments:
            experiment.schedule(k)

    def evaluate(self, batches: Batches) -> list[tuple[int, dict[str, float]]]:
        """The terms of each batch, with its size, in their order; replica i takes every R-th one."""
        mine: dict[int, tuple[int, dict[str, float]]] = {}
        for experiment, replica in zip(self.experiments, self.team.replicas):
            evaluate: Step | None = experiment.evaluate
            assert evaluate is not None
            for k in range(replica.number, len(batches), replica.count):
                batch = batches.at(k)
                mine[k] = len(batch), {name: float(value) for name, value in evaluate(batch).items()}
        found = {k: terms for part in self.world.gather(mine) for k, terms in part.items()}
        return [found[k] for k in range(len(batches))]

    def generators(self) -> list[dict[str, Any]]:
        """The states of the generators of all replicas. RanksDiffer if the weights of two ranks are not the same."""
        states = [{name: g.state for name, g in e.generators.items()} for e in self.experiments]
        sums = [_checksum(e) for e in self.experiments]
        found = self.world.gather((sums, states))
        for rank, (others, _) in enumerate(found):
            if {*others} != {found[0][0][0]}:
                raise RanksDiffer(
                    f"the weights on rank {rank} are not those on rank 0, bit for bit: are the machines of one kind, "
                    "with the same libraries?"
                )
        return [state for _, part in found for state in part]

    def restore(self, checkpoint: Checkpoint) -> None:
        """Bring all replicas of this rank to the point of a checkpoint. CheckpointError if it does not fit.

        RanksDiffer: it is not that of the other ranks.
        """
        facts = {
            "the step of the checkpoint": checkpoint.facts["state"]["step"],
            "the checksum of the checkpoint": zlib.crc32(
                repr([(name, checksum(array)) for name, array in checkpoint.arrays.items()]).encode()
            ),
        }
        check_alike(self.world, facts)
        states = checkpoint.facts.get("replicas")
        if not isinstance(states, list) or len(states) != self.team.count:
            raise CheckpointError(f"{checkpoint.path} does not hold the generators of {self.team.count} replicas")
        for experiment, replica in zip(self.experiments, self.team.replicas):
            own = {**checkpoint.facts, "generators": states[replica.number]}
            restore(experiment, Checkpoint(checkpoint.path, checkpoint.arrays, own))


def replicate(prepared: Prepared) -> Replicas | None:
    """The replicas of a run on this rank; None if a batch is not cut into any."""
    return None if prepared.team is None else Replicas(prepared, prepared.team)


def make_team(config: dict[str, Any], world: Communicator) -> Team | None:
    """The replicas that these settings want, shared by these ranks; None for one. ConfigError: they cannot be."""
    count = config.get("replicas") or world.size
    config["replicas"] = count
    if count == world.size == 1:
        return None
    try:
        return Team(world, count)
    except ValueError as error:
        raise ConfigError(f"--replicas {count}: {error}") from error


def describe(prepared: Prepared) -> dict[str, Any]:
    """What has to be the same on all ranks."""
    return {
        "the version of minigen": minigen.__version__,
        "the version of NumPy": np.__version__,
        **{f"the setting {name}": value for name, value in prepared.config.items() if name not in OWN},
        "the number of images": len(prepared.train),
        "the checksum of some images": _sample(prepared.train),
        "the checksum of the first weights": _checksum(prepared.experiment),
    }


def _sample(dataset: Dataset) -> int:
    """A checksum of some images and of all labels: that of all images would have every rank read them."""
    labels = b"" if dataset.labels is None else np.ascontiguousarray(dataset.labels).tobytes()
    some = np.unique(np.linspace(0, len(dataset) - 1, SAMPLE).astype(np.int64))
    return zlib.crc32(dataset.images_float(some).tobytes(), zlib.crc32(labels))


def check_alike(world: Communicator, facts: dict[str, Any]) -> None:
    """RanksDiffer, which names the first rank and fact that is not as on rank 0."""
    first, *others = world.gather(facts)
    for rank, found in enumerate(others, 1):
        for name in {**first, **found}:
            here, there = first.get(name), found.get(name)
            if here != there:
                raise RanksDiffer(f"{name} is {there!r} on rank {rank}, and {here!r} on rank 0; it has to be the same")


def _parts(batch: Batch, n: int) -> Iterator[Batch]:
    """A batch in n equal parts."""
    size = len(batch) // n
    for i in range(n):
        part = slice(i * size, (i + 1) * size)
        yield Batch(batch.x[part], None if batch.labels is None else batch.labels[part], batch.index[part])


def _buffers(experiment: Experiment) -> Iterator[Tensor]:
    """What a step may change besides parameters, and besides the weights of moving averages, which follow them."""
    seen: set[int] = set()
    for module in experiment.modules.values():
        follows = {f"network.{name}" for name in module.weights} if isinstance(module, nn.MovingAverage) else set()
        for name, t in module._named_tensors():
            if not isinstance(t, nn.Parameter) and name not in follows and id(t) not in seen:
                seen.add(id(t))
                yield t


def _checksum(experiment: Experiment) -> int:
    """Of all parameters and buffers."""
    total = 0
    for module in experiment.modules.values():
        for name, array in module.state_dict().items():
            total = zlib.crc32(f"{name} {checksum(array)}".encode(), total)
    return total
