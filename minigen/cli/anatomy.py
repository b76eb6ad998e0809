"""``minigen anatomy MODEL``: one training step of a model, operation by operation.

Imports: anatomy, runs. Read next: ``minigen/anatomy/explain.py``, ``docs/anatomy.md``.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.anatomy import explain_step
from minigen.anatomy.machine import forget
from minigen.cli.completion import complete_model
from minigen.cli.console import echo, say_note
from minigen.cli.output import Kind, Output, force_option
from minigen.cli.settings import SettingsCommand, all_settings
from minigen.runs.sessions import begin_session
from minigen.runs.settings import new_config, plain_options


def _is_anatomy(path: Path) -> bool:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return "flops_rate" in json.loads(path.read_text(encoding="utf-8"))
    return False


ANATOMY = Kind("anatomy of a step", _is_anatomy)


@click.command(cls=SettingsCommand, params=all_settings())
@click.argument("model", shell_complete=complete_model)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="rows of the table")
@click.option("--steps", type=click.IntRange(1), default=7, show_default=True, help="to take the median of")
@click.option("--json", "json_file", metavar="FILE", help="write all rows to this file, too")
@click.option("--measure", is_flag=True, help="measure anew what this machine can do; else that is done once")
@force_option
@click.pass_context
def anatomy(
    ctx: click.Context,
    /,
    model: str,
    top: int,
    steps: int,
    json_file: str | None,
    measure: bool,
    force: bool,
    **flags: Any,
) -> None:
    """Take one training step of a model apart: operations, kernels, FLOPs, bytes, milliseconds.

    MODEL is one of minigen list, untrained; minigen train MODEL --help shows its options, which may be given here, too.
    "floor" is how near a row comes to what this machine can do at best, and "bound" says what that is: arithmetic,
    memory, or the call of the kernel itself. Nothing is trained or kept. How to read it: docs/anatomy.md.

    \b
    minigen anatomy conv-ae
    minigen anatomy wgan-gp --batch-size 32 --top 10 --json step.json
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    given = plain_options(flags)
    output = None if json_file is None else Output(json_file, {"": ANATOMY}, force=force, option="--json")
    recipe, config = new_config(model, None, given)
    for name in ("compile", "capture"):
        if config[name]:
            raise ConfigError(f"--{name} makes steps that cannot be taken apart: leave it out")
    if (config["replicas"] or 1) > 1:
        raise ConfigError("--replicas: taken apart is the step of one replica: leave it out, and give its --batch-size")
    with np.errstate(all="ignore"):
        session, _ = begin_session(recipe, config, given, None, note=say_note)
        prepared = session.prepared
        prepared.experiment.schedule(0)
        batch = next(iter(prepared.batches))
        if measure:
            forget()
        taken = explain_step(prepared.experiment.step, batch, steps=steps)
    echo(f"{recipe.name}: {recipe.summary}; {prepared.config['dataset']}, {batch}")
    echo(taken.table(top))
    if output is not None:
        facts = {"model": recipe.name, "settings": prepared.config}
        output.write((json.dumps({**facts, **taken.as_dict()}, indent=1) + "\n").encode())
