"""``minigen train``: a new run, or the continuation of one.

Imports: runs, training. Read next: ``settings.py``, then ``minigen/runs/sessions.py``.
"""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from rich.text import Text

import minigen
from minigen import distributed
from minigen.algorithms.catalog import find_recipe, is_place
from minigen.algorithms.ledger import entries
from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_model, complete_run
from minigen.cli.console import ClosableConsole, echo, encoding_help, say_note
from minigen.cli.settings import SettingsCommand, all_settings
from minigen.data import Dataset
from minigen.data.toys import TOYS
from minigen.models.summary import Summary, advice, summarize
from minigen.runs.sessions import Stop, begin_session, doubled_length, resume_session, train_to_end
from minigen.runs.settings import Note, command_line, new_config, plain_options, read_run
from minigen.training.changes import schedule_settings
from minigen.training.printable import printable
from minigen.training.progress import duration
from minigen.training.run_folder import RunFolder, choose_path
from minigen.training.session import Interrupted, TrainingSession

INTERRUPTED = 130  # 128 + SIGINT, as shells count


@click.command(cls=SettingsCommand, params=all_settings())
@click.argument("model", required=False, shell_complete=complete_model)
@click.option("--config", metavar="FILE.toml", help="settings from a file; flags go before it")
@click.option("--out", metavar="DIR", help="folder of the run  [default: runs/<model>-<dataset>-<time>]")
@click.option(
    "--resume", metavar="RUN", help="continue the run in this folder, bit for bit", shell_complete=complete_run
)
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
    given = plain_options(flags)
    world = distributed.init()
    first = world.rank == 0  # the others show nothing
    console = ClosableConsole(stderr=as_json, highlight=False, quiet=not first)
    note: Note = say_note if first else lambda text: None
    for name, value in {"--config": config, "--out": out, "--resume": resume}.items():
        if value == "":
            raise ConfigError(f"{name} must not be empty; give a path, or leave it out")
    with np.errstate(all="ignore"), Stop(signal.SIGTERM) as stop, contextlib.ExitStack() as stack:
        if resume is None:
            if checkpoint is not None:
                raise ConfigError("--checkpoint says where --resume goes on; without --resume leave it out")
            recipe, settings = new_config(model, config, given)
            path = choose_path(out, recipe.name, settings["dataset"])
            session, lines = begin_session(
                recipe, settings, given, path, rename=out is None, ready=stop.wait_for_step, note=note
            )
            stack.enter_context(session.folder.lock())
        else:
            if config is not None or out is not None:
                raise ConfigError(
                    "--resume goes on with the settings and folder of the run: leave --config and --out out"
                )
            folder = RunFolder(resume)
            recipe, settings = read_run(folder, note=note)
            if first:
                stack.enter_context(folder.lock())
            other = model not in (None, recipe.name)
            if other and not (is_place(str(model)) and find_recipe(model).place == recipe.place):
                raise ConfigError(f"the run in {resume} is of model {recipe.name!r}, not of {model!r}: leave MODEL out")
            session, notes = resume_session(
                folder, recipe, settings, given, checkpoint=checkpoint or "last", ready=stop.wait_for_step
            )
            lines = [f"note: {note}" for note in notes]
        for line in lines:
            console.say(line)
        _print_header(console, session)
        code = _train(console, session, stop)
    if as_json and first:
        echo(json.dumps(_summary(session, "finished" if code == 0 else "interrupted")))
    ctx.exit(code)


def _train(console: ClosableConsole, session: TrainingSession, stop: Stop) -> int:
    """Train to the end; return the exit code."""
    again = ("train", "--resume", session.folder.path)
    launcher = "" if session.replicas is None else session.replicas.launcher
    if session.finished:
        ends = doubled_length(session).items()
        options = [word for name, steps in ends for word in (f"--{name.replace('_', '-')}", steps)]
        console.say(f"this run is finished; to train it longer: {launcher}{command_line(*again, *options)}")
        for line in schedule_settings(session.prepared.config):
            console.say(
                f"note: {line} is planned for the length of a run; one that was as long from the start is another one"
            )
        return 0
    try:
        train_to_end(session, console, stop.requested)
    except KeyboardInterrupt:  # the second one: the step that was going on is lost
        if session.folder.has(session.folder.last):
            console.say(f"stopped; step {session.saved} is saved. To go on: {launcher}{command_line(*again)}")
        raise
    except Interrupted:
        console.say(f"interrupted after step {session.state.step}; saved. To go on: {launcher}{command_line(*again)}")
        return INTERRUPTED
    best = session.best
    lowest = "" if best is None else f"; best validation loss {best.loss:.5g} after epoch {best.epoch}"
    console.say(f"finished {session.state.step} steps in {duration(session.seconds)}{lowest}")
    for words in _next_commands(session):
        console.say(f"next: {command_line(*words)}")
    return 0


def _next_commands(session: TrainingSession) -> list[tuple[object, ...]]:
    """What can be done with a trained model of this kind."""
    experiment, path = session.prepared.experiment, session.folder.path
    commands: list[tuple[object, ...]] = []
    if experiment.latent is not None and experiment.latent.draw is not None:
        commands.append(("sample", path, "-o", "samples.png"))
    if experiment.reconstruct is not None or experiment.conditioned_on is not None:
        commands.append(("reconstruct", path, "-o", "reconstructions.png"))
    if commands or experiment.log_likelihood is not None or experiment.latent is not None:
        commands.append(("evaluate", path))
    images = session.prepared.config["dataset"] not in TOYS
    if images and (experiment.latent is not None or experiment.reconstruct is not None):
        commands.append(("explore", path, "-o", "page.html"))
    return commands


def _print_header(console: ClosableConsole, session: TrainingSession) -> None:
    prepared, config = session.prepared, session.prepared.config
    train, held = prepared.train, prepared.validation
    shape = "x".join(map(str, train.image_shape))
    low, high = train.value_range
    data = f"{config['dataset']}: {len(train):,} training"
    data += f" and {len(held):,} validation images" if held is not None else " images"
    parameters = session.parameters.values()
    networks = _networks(session)
    layered = {name: network for name, network in networks.items() if network.chains}
    counts = ", ".join(f"{name} {network.parameters:,}" for name, network in networks.items() if network.parameters)
    dtypes = " and ".join(sorted({str(p.dtype) for p in parameters}))
    ranks = {} if session.replicas is None else {"ranks": session.replicas.describe(prepared.batches.batch_size)}
    rows = {
        "minigen": f"{minigen.__version__}, {prepared.recipe.name}: {prepared.recipe.summary}",
        "networks": "; ".join(f"{k}: {n}" for k, n in layered.items()) or "none with layers that ship",
        "device": f"{prepared.device_line}; {dtypes}; threads: {config['threads']}",
        **ranks,
        "data": f"{data} of {shape}, values {low:g} to {high:g}{_classes(train)}",
        "parameters": f"{sum(p.size for p in parameters):,}" + (f" ({counts})" if len(networks) > 1 else ""),
        "seed": str(config["seed"]),
        "folder": str(session.folder.path) + (f", from step {session.state.step}" if session.state.step else ""),
    }
    for name, value in rows.items():
        console.print(Text.assemble((f"{name:<11}", "bold"), printable(value)), soft_wrap=True)
    if any("\ud800" <= letter <= "\udfff" for letter in str(session.folder.path)):  # bytes that are no text here
        console.say(f"note: the name of the folder cannot be shown: {encoding_help()}")
    for note in (*prepared.notes, *advice(networks, train.image_shape, config.get("halvings"))):
        console.print(Text.assemble((f"{'note':<11}", "bold"), printable(note)), soft_wrap=True)


def _classes(train: Dataset, most: int = 10) -> str:
    """The classes of labelled images, by name."""
    if train.labels is None:
        return ""
    names = train.classes or tuple(map(str, range(train.class_count or 0)))
    listed = ", ".join(names[:most]) + (", ..." if len(names) > most else "")
    return f", {len(names)} class{'' if len(names) == 1 else 'es'} ({listed})"


def _networks(session: TrainingSession) -> dict[str, Summary]:
    """The networks by name; of a user's own the order of the layers is not known, and so no sizes."""
    prepared = session.prepared
    return summarize(prepared.experiment.modules, None if prepared.recipe.place else prepared.train.image_shape)


def _summary(session: TrainingSession, status: str) -> dict[str, Any]:
    """What ``--json`` prints."""
    config, terms = session.prepared.config, session.last_terms
    newest = {**terms.get("validation", {}), **terms.get("train", {})}  # those of training before those of validation
    ledger = {entry.name: asdict(entry) for entry in entries(session.prepared.experiment, newest)}
    for entry in ledger.values():
        del entry["name"], entry["value"]
    return {
        "status": status,
        "run": str(session.folder.path),
        "model": session.prepared.recipe.name,
        "dataset": config["dataset"],
        "device": session.prepared.device,
        "seed": config["seed"],
        "parameters": sum(p.size for p in session.parameters.values()),
        "networks": {name: {"layers": str(n), "parameters": n.parameters} for name, n in _networks(session).items()},
        "epochs": session.state.epoch,
        "steps": session.state.step,
        "seconds": round(session.seconds, 3),
        "train": terms.get("train"),
        "validation": terms.get("validation"),
        "best": None if session.best is None else asdict(session.best),
        "ledger": ledger,
        "doctor": None if session.doctor is None else asdict(session.doctor.checkup),
        "checkpoint": str(session.folder.last),
        **({} if session.replicas is None else {"distributed": session.replicas.report()}),
    }
