"""``minigen import``: weights of PyTorch, Keras or another run into a run.

Imports: runs. Read next: ``minigen/runs/importing.py``.
"""

from __future__ import annotations

import click

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo, say_note
from minigen.runs.importing import import_weights
from minigen.runs.settings import command_line, read_run
from minigen.training.run_folder import RunFolder


@click.command("import")
@click.argument("weights")
@click.option("--into", "run", metavar="RUN", required=True, help="the run that gets them", shell_complete=complete_run)
@click.option("--part", metavar="NAME", help="one network, or a part of one, such as decoder  [default: all]")
@click.option(
    "--map",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    help="names that begin with OLD begin with NEW instead; may be given several times",
)
@click.option("--by-order", is_flag=True, help="names say nothing: the first array is the first entry, and so on")
@click.option("--dry-run", is_flag=True, help="show what would become what, and change nothing")
def import_(weights: str, run: str, part: str | None, renames: tuple[str, ...], by_order: bool, dry_run: bool) -> None:
    """Give a run the weights of a file.

    WEIGHTS is a state dict of PyTorch (.safetensors, .pt), a .npz file of arrays, a
    checkpoint of another run, or of Keras 3 a model (.keras) or its weights (.weights.h5).
    Entries are matched by name, Keras' layers one after another; all of them fit, or
    nothing is changed. The run gets a new last checkpoint, and the former ones are kept.
    """
    pairs = dict(_pair(text) for text in renames)
    if by_order and pairs:
        raise ConfigError("--by-order takes no names, so --map has no meaning; give one of them")
    folder = RunFolder(run)
    recipe, config = read_run(folder, note=say_note)
    plan = import_weights(
        folder, recipe, config, weights, part, renames=pairs, by_order=by_order, dry_run=dry_run
    )  # fmt: skip
    if dry_run:
        if plan.moves:
            echo(plan.table())
        plan.check()
    for note in plan.notes:
        say_note(note)
    if dry_run:
        echo(f"{len(plan.moves)} entries fit; nothing was changed")
    else:
        echo(f"{folder.last}: {len(plan.moves)} entries from {weights}")
        echo(f"to train on: {command_line('train', '--resume', folder.path)}")


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not old:
        raise ConfigError(f"--map {text}: write OLD=NEW, as in --map module.=")
    return old, new
