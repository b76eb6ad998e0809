"""``minigen info``: versions, devices, threads and folders, for oneself and for bug reports; or what is in a run.

Imports: training. Read next: ``minigen/training/environment.py``.
"""

from __future__ import annotations

import json
from typing import Any

import click

from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.training.environment import describe_environment
from minigen.training.facts import check_facts
from minigen.training.run_folder import RunFolder


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def info(run: str | None, as_json: bool) -> None:
    """Show versions, devices, threads and folders; or what is in a run.

    Devices: with the reason if there is no GPU. Folders: where data and compiled kernels are
    cached. Of the folder RUN: model, data set, its checkpoints, and where weights came from
    that were imported.
    """
    facts = describe_environment() if run is None else describe_run(RunFolder(run))
    if as_json:
        echo(json.dumps(facts))
        return
    _print(facts, "")


def _print(facts: dict[str, Any], indent: str) -> None:
    for name, value in facts.items():
        if isinstance(value, dict):
            echo(f"{indent}{name}")
            _print(value, indent + "  ")
        else:
            echo(f"{indent}{name:<17}{'-' if value is None else value}")


def describe_run(folder: RunFolder) -> dict[str, Any]:
    """What a run folder says of itself: nothing is built, and no code of a user's run."""
    config = folder.read_config()
    facts: dict[str, Any] = {"run": str(folder.path), "model": config.get("model"), "dataset": config.get("dataset")}
    for path in filter(folder.has, (folder.best, folder.last)):
        checkpoint = folder.read_checkpoint(path)
        check_facts(checkpoint)
        known = checkpoint.facts
        facts[f"{path.stem} checkpoint"] = {
            "step": known["state"]["step"],
            "epoch": known["state"]["epoch"],
            "seconds": round(known["seconds"], 1),
            "device": known.get("device"),
            **{f"import {i}": _import_line(one) for i, one in enumerate(known.get("imports", []), 1)},
        }
    return facts


def _import_line(one: dict[str, Any]) -> str:
    part = f" into {one['part']}" if one["part"] else ""
    return f"{one['entries']} entries of {one['file']}{part}, at step {one['step']}, {one['time']}"
