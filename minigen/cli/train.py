"""``minigen train``: a new run, or the continuation of one.

Imports: training. Read next: ``settings.py``, then ``minigen/training/run.py``.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from rich.text import Text

import minigen
from minigen import nn
from minigen.algorithms.catalog import find_recipe, is_place
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.ledger import Entry, entries
from minigen.algorithms.options import ConfigError
from minigen.cli.donors import adopt_donors, begin_from_donors
from minigen.cli.output import check_new_folder
from minigen.cli.rescue import checkpoint_of
from minigen.cli.settings import SettingsCommand, absolute_paths, all_settings, command_line, new_config, read_run
from minigen.cli.words import Audience, echo, letters_help
from minigen.data import Dataset
from minigen.nn.module import ShapeError
from minigen.training.changes import edited, moved_end, tied_to_end
from minigen.training.config import check_change
from minigen.training.prepare import prepare
from minigen.training.printable import printable
from minigen.training.progress import Progress, duration
from minigen.training.run import Interrupted, Run, go_on, start
from minigen.training.run_folder import RunFolder, choose_path

INTERRUPTED = 130


@click.command(cls=SettingsCommand, params=all_settings())
@click.argument("model", required=False)
@click.option("--config", metavar="FILE.toml", help="settings from a file; flags go before it")
@click.option("--out", metavar="DIR", help="folder of the run  [default: runs/<model>-<dataset>-<time>]")
@click.option("--resume", metavar="RUN", help="continue the run in this folder, bit for bit")
@click.option("--checkpoint", type=click.Choice(["last", "best"]), help="--resume: from which one  [default: last]")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object at the end, and nothing else on stdout")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    model: str | None,
    config: str | None,
    out: str | None,
    resume: str | None,
    checkpoint: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train a model, or continue a run.

    MODEL is one of minigen list; minigen train MODEL --help shows its options. Everything is kept in a run folder.

    \b
    minigen train ae
    minigen train conv-ae --dataset mnist --epochs 3 --seed 1
    minigen train --resume runs/ae-glyphs-2026-11-20_17-30-09 --epochs 20
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    given = absolute_paths({name: value for name, value in flags.items() if value is not None})
    console = Audience(stderr=as_json, highlight=False)
    for name, value in {"--config": config, "--out": out, "--resume": resume}.items():
        if value == "":
            raise ConfigError(f"{name} must not be empty; give a path, or leave it out")
    with np.errstate(all="ignore"), Stop() as stop, contextlib.ExitStack() as stack:
        if resume is None:
            if checkpoint is not None:
                raise ConfigError("--checkpoint says where --resume goes on; without --resume leave it out")
            run = _begin(console, model, config, out, given, stop)
            stack.enter_context(run.folder.lock())
        else:
            if config is not None or out is not None:
                raise ConfigError(
                    "--resume goes on with the settings and folder of the run: leave --config and --out out"
                )
            folder = RunFolder(resume)
            settings = read_run(folder)
            stack.enter_context(folder.lock())
            run = _resume(console, folder, *settings, model, checkpoint or "last", given, stop)
        _print_header(console, run)
        code = _train(console, run, stop)
    if as_json:
        echo(json.dumps(_summary(run, "finished" if code == 0 else "interrupted")))
    ctx.exit(code)


def _begin(
    console: Audience, model: str | None, config: str | None, out: str | None, given: dict[str, Any], stop: Stop
) -> Run:
    """A new run: everything is loaded and built before a folder is made."""
    recipe, settings = new_config(model, config, given)
    path = choose_path(out, recipe.name, settings["dataset"])
    check_new_folder(path, settings)
    settings, donors = adopt_donors(recipe, settings, given)
    prepared = prepare(recipe, settings)
    for line in begin_from_donors(prepared, donors):
        console.say(line)
    stop.wait_for_step()
    return start(prepared, path, rename=out is None)


def _resume(
    console: Audience,
    folder: RunFolder,
    recipe: Recipe,
    stored: dict[str, Any],
    model: str | None,
    name: str,
    given: dict[str, Any],
    stop: Stop,
) -> Run:
    """An existing run, at the checkpoint of that name."""
    if model not in (None, recipe.name) and not (is_place(str(model)) and find_recipe(model).place == recipe.place):
        raise ConfigError(f"the run in {folder.path} is of model {recipe.name!r}, not of {model!r}: leave MODEL out")
    checkpoint = checkpoint_of(folder, name)
    notes = edited(recipe, stored, checkpoint, folder.config)
    settings = check_change(stored, {name: value for name, value in given.items() if (name, value) != AUTO})
    prepared = prepare(recipe, settings)
    stop.wait_for_step()
    run = go_on(prepared, folder, checkpoint)
    for line in [*notes, *run.take_notes(), *moved_end(recipe, settings, checkpoint)]:
        console.say(f"note: {line}")
    return run


AUTO = ("device", "auto")  # fits every run


def _train(console: Audience, run: Run, stop: Stop) -> int:
    """Train to the end; return the exit code."""
    config, path = run.prepared.config, run.folder.path
    if run.finished:
        longer = command_line("train", "--resume", path, *_twice_as_long(run))
        console.say(f"this run is finished; to train it longer: {longer}")
        for line in tied_to_end(config):
            text = (
                f"note: {line} is planned for the length of a run; one that was as long from the start is another one"
            )
            console.say(text)
        return 0
    steps = {"epochs": config["epochs"], "max_steps": config["max_steps"]}
    try:
        with Progress(console, **steps, steps_per_epoch=len(run.prepared.batches)) as progress:
            run.train(progress, stop.requested)
    except ShapeError as error:
        if error.kind != nn.BatchNorm.__name__ or config["batch_size"] > 1:
            raise
        name = run.prepared.recipe.name
        few = run.prepared.facts["batches_per_epoch"] < 2  # the only image that there is to train on
        raise ConfigError(
            f"--batch-size 1: {name} has batch norm, which tells nothing of a batch of one; "
            + ("give more images" if few else "take --batch-size 2 or more")
        ) from error
    except KeyboardInterrupt:  # the second one: the step that was going on is lost
        if run.folder.last.exists():
            text = f"stopped; step {run.saved} is saved. To go on: {command_line('train', '--resume', path)}"
            console.say(text)
        raise
    except Interrupted:
        again = command_line("train", "--resume", path)
        console.say(f"interrupted after step {run.state.step}; saved. To go on: {again}")
        return INTERRUPTED
    best = "" if run.best is None else f"; best validation loss {run.best.loss:.5g} after epoch {run.best.epoch}"
    console.say(f"finished {run.state.step} steps in {duration(run.seconds)}{best}")
    for words in _next_commands(run):
        console.say(f"next: {command_line(*words)}")
    return 0


def _twice_as_long(run: Run) -> list[object]:
    """The options that let a finished run go on: each end that it has reached, twice as far."""
    epochs, max_steps = run.prepared.config["epochs"], run.prepared.config["max_steps"]
    options: list[object] = []
    if run.state.epoch >= epochs:
        options += ["--epochs", epochs * 2]
    if max_steps is not None and run.state.step >= max_steps:
        options += ["--max-steps", max_steps * 2]
    return options


def _next_commands(run: Run) -> list[tuple[object, ...]]:
    """What can be done with a trained model of this kind."""
    experiment, path = run.prepared.experiment, run.folder.path
    commands: list[tuple[object, ...]] = []
    if experiment.latent is not None and experiment.latent.draw is not None:
        commands.append(("sample", path, "-o", "samples.png"))
    if experiment.reconstruct is not None or experiment.conditioned_on is not None:
        commands.append(("reconstruct", path, "-o", "reconstructions.png"))
    if commands or experiment.log_likelihood is not None or experiment.latent is not None:
        commands.append(("evaluate", path))
    return commands


def _print_header(console: Audience, run: Run) -> None:
    prepared, config = run.prepared, run.prepared.config
    train, held = prepared.train, prepared.validation
    shape = "x".join(map(str, train.image_shape))
    low, high = train.value_range
    data = f"{config['dataset']}: {len(train):,} training"
    data += f" and {len(held):,} validation images" if held is not None else " images"
    rows = {
        "minigen": f"{minigen.__version__}, {prepared.recipe.name}: {prepared.recipe.summary}",
        "networks": _networks(run),
        "device": f"{prepared.device_line}; {_dtype(run)}; threads: {config['threads']}",
        "data": f"{data} of {shape}, values {low:g} to {high:g}{_classes(train)}",
        "parameters": f"{_count(run):,}",
        "seed": str(config["seed"]),
        "folder": str(run.folder.path) + (f", from step {run.state.step}" if run.state.step else ""),
    }
    for name, value in rows.items():
        console.print(Text.assemble((f"{name:<11}", "bold"), printable(value)), soft_wrap=True)
    if any("\ud800" <= letter <= "\udfff" for letter in str(run.folder.path)):  # bytes that are no text here
        console.say(f"note: the name of the folder cannot be shown: {letters_help()}")
    for note in prepared.notes:
        console.print(Text.assemble((f"{'note':<11}", "bold"), printable(note)), soft_wrap=True)


def _classes(train: Dataset, most: int = 10) -> str:
    """The classes of labelled images, by name."""
    if train.labels is None:
        return ""
    names = train.classes or tuple(map(str, range(train.class_count or 0)))
    listed = ", ".join(names[:most]) + (", ..." if len(names) > most else "")
    return f", {len(names)} class{'' if len(names) == 1 else 'es'} ({listed})"


def _networks(run: Run) -> str:
    """Each network with the widths (channels) of its layers: "model: Dense 784-64-784"."""
    networks = []
    for name, module in run.prepared.experiment.modules.items():
        chains: list[list[Any]] = []  # [kind of layer, width, width, ...], as long as one layer takes what one gives
        for _, layer in module.named_modules():
            kind = type(layer).__name__
            if isinstance(layer, nn.Dense):
                ends = layer.in_features, layer.out_features
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                ends = layer.in_channels, layer.out_channels
            else:
                continue
            if chains and (chains[-1][0], chains[-1][-1]) == (kind, ends[0]):
                chains[-1].append(ends[1])
            else:
                chains.append([kind, *ends])
        if chains:
            networks.append(f"{name}: " + ", ".join(f"{kind} {'-'.join(map(str, w))}" for kind, *w in chains))
    return "; ".join(networks) or "none with layers that ship"


def _summary(run: Run, status: str) -> dict[str, Any]:
    """What ``--json`` prints."""
    config = run.prepared.config
    return {
        "status": status,
        "run": str(run.folder.path),
        "model": run.prepared.recipe.name,
        "dataset": config["dataset"],
        "device": config["device"],
        "seed": config["seed"],
        "parameters": _count(run),
        "epochs": run.state.epoch,
        "steps": run.state.step,
        "seconds": round(run.seconds, 3),
        "train": run.last_terms.get("train"),
        "validation": run.last_terms.get("validation"),
        "best": None if run.best is None else asdict(run.best),
        "ledger": {entry.name: _ledger_row(entry) for entry in entries(run.prepared.experiment, _terms(run))},
        "doctor": None if run.doctor is None else asdict(run.doctor.checkup),
        "checkpoint": str(run.folder.last),
    }


def _terms(run: Run) -> dict[str, float]:
    """The newest means, those of training before those of validation."""
    return {**run.last_terms.get("validation", {}), **run.last_terms.get("train", {})}


def _ledger_row(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in asdict(entry).items() if key not in ("name", "value")}


def _count(run: Run) -> int:
    return sum(p.size for p in run.parameters.values())


def _dtype(run: Run) -> str:
    return " and ".join(sorted({str(p.dtype) for p in run.parameters.values()}))


class Stop:
    """What Ctrl-C and SIGTERM do inside a ``with`` block: while a run is prepared, they end it at once.

    After `wait_for_step` the first only makes `requested` true, and training saves and ends after its step; a second
    Ctrl-C ends at once.
    """

    def __init__(self) -> None:
        self._waiting, self._requested = False, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():  # only that one can be told of signals
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
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
