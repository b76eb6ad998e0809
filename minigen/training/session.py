"""A training in progress, with everything around it: metrics, checkpoints, pictures, validation, the doctor.

`start` begins a run in a new folder or in memory, `resume` continues one bit for bit. A checkpoint holds all that
decides what comes next; whatever a killed process wrote after its last checkpoint is cut off or written once more, with
the same bits.

Imports: the other files of this room. Read next: ``minigen/runs``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import minigen
from minigen.algorithms.ledger import describe, is_weighed
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor
from minigen.capture import CapturedStep, capture
from minigen.compiling import CompiledStep, compile
from minigen.data import Batches
from minigen.doctor import Doctor
from minigen.doctor.schedule import IMAGES
from minigen.pictures import POINT, sheet
from minigen.serialization import CheckpointError
from minigen.training.changes import check_images
from minigen.training.checkpoint import Checkpoint, restore, take_checkpoint
from minigen.training.facts import check_facts
from minigen.training.fit import Means, Terms, TrainingState, check_finite, fit
from minigen.training.nonfinite import NonFiniteLoss
from minigen.training.prepare import Prepared
from minigen.training.progress import Progress
from minigen.training.replicas import Replicas, replicate
from minigen.training.run_folder import RunFolder, RunMemory, new_run_folder
from minigen.training.watch import make_loggers, units, weights_and_gradients
from minigen.watching import Logger, Loggers

PICTURES, POINTS = 16, 2000  # images in the picture of an epoch; or points of the plane, if that is what they are
EVALUATION_BATCH = 500


class Interrupted(Exception):  # noqa: N818 - it is a request, not an error
    """Training was asked to stop; the checkpoint of that moment is saved."""


@dataclass(frozen=True)
class Best:
    """The lowest validation loss so far, and when it was reached."""

    loss: float
    epoch: int
    step: int


class TrainingSession:
    """A run while it is trained: model and data, the folder (or memory) that it is kept in, and how far it has come."""

    def __init__(self, prepared: Prepared, folder: RunFolder, replicas: Replicas | None = None) -> None:
        self.prepared, self.folder, self.replicas = prepared, folder, replicas
        self.leads = replicas is None or replicas.world.rank == 0  # the others keep all in memory, and show nothing
        self.state = TrainingState()
        self.best: Best | None = None
        self.validated = 0  # the step after which validation last ran
        self.saved = 0  # the step of the newest checkpoint
        self.last_terms: dict[str, dict[str, float]] = {}  # newest means by split, for the summary
        self.imports: list[dict[str, Any]] = []  # what `minigen import` put into it
        self.metrics, self.journal = folder.open_metrics(), folder.open_journal()
        self.loggers = Loggers()  # who else is told
        self.history: list[dict[str, float]] = []  # the mean terms of each epoch so far
        held, batch_size = prepared.validation, prepared.batches.batch_size
        examined = prepared.train if held is None or len(held) < IMAGES else held
        wanted = prepared.config["doctor"] and self.leads
        self.doctor = Doctor(prepared.experiment, examined, batch_size) if wanted else None
        self.captured = self._captured()
        self.unused = False  # a new folder in which no step was made yet: of no use to anybody if training fails
        self._told: str | None = None  # what was last said of the graph
        self._seconds, self._began = 0.0, time.perf_counter()

    def _captured(self) -> CapturedStep[..., Terms] | CompiledStep[..., Terms] | None:
        """The step as a CUDA graph, or as a list of calls, if the settings want one."""
        step, config = self.prepared.experiment.step, self.prepared.config
        return compile(step) if config["compile"] else capture(step) if config["capture"] else None

    @property
    def seconds(self) -> float:
        """Time in training, over all sessions."""
        return self._seconds + time.perf_counter() - self._began

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters by name."""
        return self.prepared.experiment.parameters

    @property
    def finished(self) -> bool:
        """Are all epochs or steps done, with the validation that follows?"""
        epochs, max_steps = self.prepared.config["epochs"], self.prepared.config["max_steps"]
        ended = self.state.epoch >= epochs or (max_steps is not None and self.state.step >= max_steps)
        return ended and self.validated == self.state.step

    # Beginning.

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the point of a checkpoint, in memory: no file is changed, so that a refusal leaves all as it was.

        CheckpointError: it is of another model or of other data, or its facts are damaged. ConfigError: it is beyond
        the end that the config sets.
        """
        facts, prepared = checkpoint.facts, self.prepared
        check_facts(checkpoint, prepared.recipe)
        check_images(prepared.facts, facts["data"], prepared.config["dataset"])
        if self.replicas is None:
            restore(prepared.experiment, checkpoint)
        else:
            self.replicas.restore(checkpoint)
        try:
            prepared.batches.state = facts["batches"]
        except ValueError as error:
            raise CheckpointError(f"{checkpoint.path} cannot be continued: {error}") from error
        state = {name: facts["state"][name] for name in ("step", "epoch", "batch")}
        self.state = TrainingState(**state, means=Means(facts["state"]["totals"], facts["state"]["counts"]))
        self.best = None if facts["best"] is None else Best(**facts["best"])
        self.validated, self.last_terms = facts["validated"], facts["last_terms"]
        self.saved, self.imports = self.state.step, facts.get("imports", [])
        self._seconds, self._began = float(facts["seconds"]), time.perf_counter()
        for name, done in (("epochs", self.state.epoch), ("max_steps", self.state.step)):
            if prepared.config[name] is not None and prepared.config[name] < done:
                raise ConfigError(f"{name} {prepared.config[name]}: the run has done {done} already")

    def rewind(self, checkpoint: Checkpoint) -> None:
        """Bring what is kept to the point of the checkpoint that was restored, so that training can go on."""
        self.folder.tidy(self.prepared.config)
        self.metrics.cut(checkpoint.facts["rows"])
        self.journal.cut(self.state.step)
        self.folder.cut_events(self.state.step, whole_epoch=self.validated == self.state.step)
        self.history = self.metrics.terms("train")
        if Path(checkpoint.path) != self.folder.last:
            self.save(self.folder.last)

    # Training.

    def train(self, progress: Progress, stop: Callable[[], bool], loggers: Sequence[Logger] = ()) -> None:
        """Train until all epochs or steps are done, and tell `loggers`. When `stop()` is true, save, raise Interrupted.

        NonFiniteLoss, or what the step raises: the last checkpoint stays; a new folder that saw no step is deleted.
        """
        config, experiment = self.prepared.config, self.prepared.experiment
        step, schedule = self.captured or experiment.step, experiment.schedule
        if self.replicas is not None:
            stop = self.replicas.begin(stop, self.folder)
            step, schedule = self.replicas, self.replicas.schedule

        def after_step(state: TrainingState, terms: Terms) -> None:
            self.unused = False
            progress.step(state, terms)
            if state.step == 1 and is_weighed(experiment, terms):
                progress.say(describe(experiment, terms).splitlines())
            if state.step % config["log_every"] == 0:
                self.log("batch", state.epoch + 1, {name: float(value) for name, value in terms.items()})
            stopping = stop()
            if stopping or state.step % config["checkpoint_every"] == 0:
                self.save(self.folder.last)
            if stopping:
                raise Interrupted

        def after_epoch(state: TrainingState, means: dict[str, float]) -> None:
            self.close_epoch(means, f"epoch_{state.epoch:03}", state.epoch, progress)
            if stop() and not self.finished:
                raise Interrupted

        try:
            self.loggers = make_loggers(config, self.folder, loggers) if self.leads else Loggers()
            told = self.loggers.running(config, units(experiment), self.state.step)
            with contextlib.closing(self.metrics), told:
                fit(
                    step,
                    self.prepared.batches,
                    epochs=config["epochs"],
                    max_steps=config["max_steps"],
                    schedule=schedule,
                    parameters=self.parameters,
                    state=self.state,
                    after_step=after_step,
                    after_epoch=after_epoch,
                )
                if not self.finished:  # the limit of steps came in the middle of an epoch
                    means, epoch = self.state.means.values(), self.state.epoch + 1
                    self.close_epoch(means, f"step_{self.state.step:06}", epoch, progress)
        except BaseException as error:
            if self.unused:
                self.folder.delete()
            elif isinstance(error, Exception) and not isinstance(error, Interrupted):
                with contextlib.suppress(OSError):  # there may be no place left on the disk: the error is that one
                    self.journal.stopped(self.state.step, self.state.epoch + 1, error)
            if isinstance(error, NonFiniteLoss) and not self.unused and not self.folder.in_memory:
                raise NonFiniteLoss(f"{error}. {self.folder.last} holds step {self.saved}") from error
            raise

    def close_epoch(self, means: dict[str, float], name: str, epoch: int, progress: Progress) -> None:
        """What follows an epoch: its rows, validation, a picture; then, with all of that in it, the checkpoint.

        Last the doctor examines the model; that changes nothing.
        """
        self.log("train", epoch, means)
        self.history.append(means)
        self.last_terms = {"train": means}
        validation = self.validate()
        if validation is not None:
            self.log("validation", epoch, validation)
            self.last_terms["validation"] = validation
        self.validated = self.state.step
        if self.leads:
            self.draw(self.folder.samples / f"{name}.png")
        if self.loggers.want_histograms:
            self.loggers.histograms(self.state.step, weights_and_gradients(self.parameters))
        better = validation is not None and (self.best is None or validation["loss"] < self.best.loss)
        if validation is not None and better:
            self.best = Best(validation["loss"], epoch, self.state.step)
            self.save(self.folder.best)
        self.save(self.folder.last)
        before = (epoch - 1) * len(self.prepared.batches)
        checkup = self.doctor and self.doctor.after_epoch(before, self.state.step, self.history, final=self.finished)
        progress.epoch(self.state, means, validation, better)
        progress.say([*self.pop_notes(), *(checkup.lines() if checkup else ())])
        if checkup:
            self.journal.checkup(self.state.step, epoch, checkup)
            self.loggers.text(self.state.step, {"doctor": "\n".join(checkup.lines())})

    def validate(self) -> dict[str, float] | None:
        """The mean of each term over the validation images; None without images or `evaluate`."""
        evaluate = self.prepared.experiment.evaluate
        if self.prepared.validation is None or evaluate is None:
            return None
        means = Means()
        size = min(EVALUATION_BATCH, len(self.prepared.validation))
        batches = Batches(self.prepared.validation, size, shuffle=False)
        found = ((len(b), evaluate(b)) for b in batches) if self.replicas is None else self.replicas.evaluate(batches)
        for weight, terms in found:
            means.add(terms, weight)
        values = means.values()
        check_finite(values, self.parameters, f"validation after step {self.state.step}")
        return values

    def draw(self, path: Path) -> None:
        """A picture of some validation (or training) images beside what the model makes of them, or of samples."""
        dataset = self.prepared.validation or self.prepared.train
        count = POINTS if dataset.image_shape == POINT else PICTURES
        first = self.prepared.config["data_rules"] == 1
        some = np.arange(min(count, len(dataset))) if first else dataset.random_indices(count)
        columns = self.prepared.experiment.pictures(dataset.images_float(some))
        picture = sheet(columns, value_range=dataset.value_range)
        self.folder.write_picture(path, picture)
        self.loggers.images(self.state.step, {"samples": picture})

    def pop_notes(self) -> list[str]:
        """What there is to say of the table of metrics and of the graph, once."""
        notes, self.metrics.notes = self.metrics.notes, []
        told = None if self.captured is None else self.captured.status()
        if told is not None and told != self._told:
            notes.append(f"--{'compile' if self.prepared.config['compile'] else 'capture'}: {told}")
        self._told = told
        return notes

    def log(self, split: str, epoch: int, terms: Mapping[str, float]) -> None:
        """A row of ``metrics.csv``."""
        self.metrics.append(self.state.step, epoch, split, self.seconds, terms)
        self.loggers.scalars(self.state.step, {f"{split}/{name}": value for name, value in terms.items()})

    def save(self, path: Path) -> None:
        """Keep a checkpoint of this moment."""
        generators = None if self.replicas is None else self.replicas.generators()
        self.metrics.sync()  # a checkpoint counts rows that are on the disk
        state = self.state
        facts = {
            "minigen": minigen.__version__,
            "model": self.prepared.recipe.name,
            "config": self.prepared.config,
            "device": self.prepared.device,
            "data": self.prepared.facts,
            "batches": self.prepared.batches.state,
            "state": {
                "step": state.step,
                "epoch": state.epoch,
                "batch": state.batch,
                "totals": {name: float(total) for name, total in state.means.totals.items()},
                "counts": state.means.counts,
            },
            "best": None if self.best is None else asdict(self.best),
            "validated": self.validated,
            "last_terms": self.last_terms,
            "rows": self.metrics.rows,
            "seconds": self.seconds,
            **({"imports": self.imports} if self.imports else {}),
            **({"replicas": generators} if generators else {}),
        }
        self.folder.write_checkpoint(path, take_checkpoint(self.prepared.experiment, facts, path))
        self.saved = state.step


def start(prepared: Prepared, path: Path | None, *, rename: bool = False) -> TrainingSession:
    """Begin a new run in the folder `path`, which is made; without one, in memory. RunFolderError if that cannot be.

    A new folder holds a checkpoint of step 0, which a killed run starts again from.
    """
    replicas = replicate(prepared)
    if path is None:
        return TrainingSession(prepared, RunMemory(prepared.networks), replicas)
    if replicas is not None and replicas.world.rank > 0:
        session = TrainingSession(prepared, RunMemory(prepared.networks, path), replicas)
        session.save(session.folder.last)
        session.folder.move_to(replicas.world.broadcast(None))
        return session
    with new_run_folder(path, rename=rename) as folder:
        folder.write_first_files(prepared.config, prepared.device_line)
        folder.write_networks(prepared.networks)
        TrainingSession(prepared, folder, replicas).save(folder.last)
    session = TrainingSession(prepared, folder, replicas)  # the folder has its final name only now
    if replicas is not None:
        replicas.world.broadcast(folder.path)
    session.unused = True
    return session


def resume(prepared: Prepared, folder: RunFolder, checkpoint: Checkpoint | None = None) -> TrainingSession:
    """Continue the run in `folder` from its last checkpoint, or from another one. CheckpointError if it does not fit.

    Until all of it has turned out to fit, no file is changed.
    """
    checkpoint = checkpoint or folder.read_checkpoint(folder.last)
    replicas = replicate(prepared)
    if replicas is not None and replicas.world.rank > 0:
        folder = RunMemory(prepared.networks, folder.path)
        folder.write_checkpoint(folder.last, checkpoint)
    session = TrainingSession(prepared, folder, replicas)
    session.restore(checkpoint)
    session.rewind(checkpoint)
    return session
