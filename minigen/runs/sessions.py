"""From settings to a training session: a new one, or one that goes on; training it to the end, or until Ctrl-C.

Imports: training, algorithms.transfer, trained, settings. Read next: ``run.py``, ``minigen/training/session.py``.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from minigen import distributed, nn, tuning
from minigen.algorithms.donor_files import adopt_file, check_named, describe_file, is_file
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError
from minigen.algorithms.transfer import SETTINGS, Donor, adopt, give_decoder, give_encoder
from minigen.data.idx import find_idx
from minigen.device import cuda_status
from minigen.nn.module import ShapeError
from minigen.runs.settings import Note, read_run
from minigen.runs.trained import Trained, checkpoint_to_resume
from minigen.training import session
from minigen.training.changes import check_edits, check_images, device_notes, schedule_notes
from minigen.training.config import check_change
from minigen.training.facts import check_facts
from minigen.training.in_memory import InMemoryData
from minigen.training.prepare import prepare
from minigen.training.printable import printable
from minigen.training.progress import Progress
from minigen.training.replicas import make_team
from minigen.training.run_folder import RunFolder, RunFolderError, RunMemory
from minigen.training.session import Interrupted, TrainingSession
from minigen.training.watch import check_log
from minigen.watching import Logger


def begin_session(
    recipe: Recipe,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    path: Path | None,
    *,
    rename: bool = False,
    memory_data: InMemoryData | None = None,
    ready: Callable[[], None] = lambda: None,
    note: Note = warnings.warn,
) -> tuple[TrainingSession, list[str]]:
    """A new run in the folder `path`, or in memory, and what its user should know.

    `options` are those of the config that were asked for. Everything is loaded and built, and `ready` called, before
    the folder is made.
    """
    check_log(config, path is None)
    if path is not None:
        _check_new_folder(path, config)
    config, donors, networks = _adopt_donors(recipe, config, options, note)
    world = distributed.init()
    tuning.start()
    tuning.use(world.broadcast(tuning.in_use()) if world.size > 1 else tuning.in_use())
    prepared = prepare(recipe, config, memory_data, networks, team=make_team(config, world))
    notes = [describe_file(str(path), prepared.experiment.modules[part]) for part, path in networks.items()]
    if "generator" in donors:
        notes.append(give_decoder(donors["generator"], prepared.experiment, prepared.train))
    if "discriminator" in donors:
        notes.append(give_encoder(donors["discriminator"], prepared.experiment, prepared.train.image_shape))
    ready()
    return session.start(prepared, path, rename=rename), notes


def resume_session(
    folder: RunFolder,
    recipe: Recipe,
    stored: Mapping[str, Any],
    options: Mapping[str, Any],
    checkpoint: str = "last",
    memory_data: InMemoryData | None = None,
    *,
    ready: Callable[[], None] = lambda: None,
) -> tuple[TrainingSession, list[str]]:
    """An existing run at one of its checkpoints, with a few settings changed by `options`, and notes.

    `stored` are its settings so far.
    """
    found = checkpoint_to_resume(folder, checkpoint)
    if not folder.in_memory:
        tuning.use(folder.costs_of_convolutions())
    notes = check_edits(recipe, stored, found, folder.config) if not folder.in_memory else []
    config = check_change(stored, options)
    check_log(config, folder.in_memory and distributed.init().rank == 0)
    usable = dict(config) if "device" in options else {**config, "device": _usable(config["device"])}
    check_facts(found, recipe)
    check = partial(check_images, then=found.facts["data"], dataset=config["dataset"])
    team = make_team(usable, distributed.init())
    prepared = prepare(recipe, usable, memory_data, folder.networks(usable), check, team)
    prepared = replace(prepared, config={**prepared.config, "device": config["device"]})
    ready()
    resumed = session.resume(prepared, folder, found)
    notes += [*resumed.pop_notes(), *schedule_notes(recipe, config, found), *device_notes(found, prepared)]
    return resumed, notes


def _usable(device: str) -> str:
    """The device of a run, or "auto" where it is of a GPU and there is none now: the run goes on on the CPU."""
    return device if device != "cuda" or cuda_status()[0] else "auto"


def train_to_end(
    training: TrainingSession, console: Console, stop: Callable[[], bool], loggers: Sequence[Logger] = ()
) -> None:
    """Train until all epochs or steps are done; `console` shows how far it is. When `stop()` is true: Interrupted."""
    config, prepared = training.prepared.config, training.prepared
    steps = {"epochs": config["epochs"], "max_steps": config["max_steps"]}
    try:
        images = None if prepared.team is None else prepared.batches.batch_size
        with Progress(console, **steps, steps_per_epoch=len(prepared.batches), images=images) as progress:
            training.train(progress, stop, loggers)
    except ShapeError as error:
        size, replicas = config["batch_size"], config["replicas"]
        if error.kind != nn.BatchNorm.__name__ or size > replicas:
            raise
        if replicas > 1:
            raise ConfigError(
                f"--batch-size {size}: {prepared.recipe.name} has batch norm, which tells nothing of a batch of one, "
                f"as each of {replicas} replicas would have; take --batch-size {2 * replicas} or more"
            ) from error
        few = prepared.facts["batches_per_epoch"] < 2  # the only image that there is to train on
        raise ConfigError(
            f"--batch-size 1: {prepared.recipe.name} has batch norm, which tells nothing of a batch of one; "
            + ("give more images" if few else "take --batch-size 2 or more")
        ) from error


def kept(training: TrainingSession) -> RunFolder:
    """What is left of a run: its folder; on every other rank the same in memory, when rank 0 has written all of it."""
    folder, replicas = training.folder, training.replicas
    if replicas is None or replicas.world.size == 1:
        return folder
    found: Any = None
    if training.leads:
        there = [path for path in (folder.last, folder.best) if folder.has(path)]
        found = (
            folder.path,
            {path: folder.read_checkpoint(path) for path in there},
            training.metrics.read() or [training.metrics.columns],
        )
    path, checkpoints, (header, *rows) = replicas.world.broadcast(found)
    if training.leads:
        return folder
    memory = RunMemory(training.prepared.networks, path)
    memory.checkpoints |= checkpoints
    memory.table.fill(header, rows)
    return memory


def doubled_length(training: TrainingSession) -> dict[str, int]:
    """The settings that let a finished run go on: each end that it has reached, twice as far."""
    config, state = training.prepared.config, training.state
    done = {"epochs": state.epoch, "max_steps": state.step}
    return {name: 2 * config[name] for name in done if config[name] is not None and done[name] >= config[name]}


def _adopt_donors(
    recipe: Recipe, settings: Mapping[str, Any], given: Mapping[str, Any], note: Note = warnings.warn
) -> tuple[dict[str, Any], dict[str, Donor], dict[str, Path]]:
    """The settings with the layers of the runs that they name, and these runs, "generator" and "discriminator".

    Or with the network of an ONNX file; these files, too.
    """
    adopted, donors, networks = dict(settings), dict[str, Donor](), dict[str, Path]()
    for part, setting in SETTINGS.items():
        path = settings[setting]
        if is_file(path):
            adopted, networks[part] = adopt_file(recipe, adopted, given, part, path), Path(path)
        elif path is not None:
            folder = RunFolder(path)
            run = Trained.load(folder, *read_run(folder, note=note), None, "cpu", note=note)
            donors[part] = Donor(path, run.recipe, run.config, run.experiment, run.facts)
            adopted = adopt(recipe, adopted, given, part, donors[part])
    check_named(adopted, networks)
    return adopted, donors, networks


def _check_new_folder(path: Path, config: Mapping[str, Any]) -> None:
    """RunFolderError if the new run would lie among the pictures of its data set, which it would change by that."""
    data = Path(config["dataset"]).expanduser()
    if not data.is_dir() or find_idx(data.iterdir()) or any(data.glob("*.amat*")):
        return
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(data)):
        raise RunFolderError(
            f"the run folder {path} would lie in the data set {data}, and its pictures be taken for images of it; "
            "choose another --out"
        )


def finish(session: TrainingSession, notes: list[str], progress: bool, stop: Stop, loggers: Sequence[Logger]) -> None:
    """Train to the end, or as far as Ctrl-C lets it come; with `progress` print what there is to say of it."""
    console = Console(quiet=not progress, highlight=False)
    for note in notes:
        console.print(printable(note), soft_wrap=True, markup=False)
    if session.finished:
        longer = ", ".join(f"{name}={value}" for name, value in doubled_length(session).items())
        console.print(f"this run is finished; to train it longer: run.resume({longer})")
        return
    try:
        train_to_end(session, console, stop.requested, loggers)
    except Interrupted:
        text = f"interrupted after step {session.state.step}; saved. To go on: run.resume()"
        warnings.warn(text, RuntimeWarning, stacklevel=3)


class Stop:
    """What Ctrl-C (and the other `signals`) do inside a ``with`` block: while a run is prepared, they end it at once.

    After `wait_for_step` the first only makes `requested` true, and training saves and ends after its step; a second
    Ctrl-C ends at once.
    """

    def __init__(self, *signals: int) -> None:
        self._signals = (signal.SIGINT, *signals)
        self._waiting, self._requested = False, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # only this one can set signal handlers
            self._before = {number: signal.signal(number, self._ask) for number in self._signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait_for_step(self) -> None:
        """From now on there is a run: let it finish its step."""
        self._waiting = True

    def requested(self) -> bool:
        """Was training asked to stop?"""
        return self._requested

    def _ask(self, *_: object) -> None:
        if not self._waiting:
            raise KeyboardInterrupt
        self._requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
