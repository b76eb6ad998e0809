"""``minigen info``: versions, devices, threads and folders, for oneself and for bug reports.

Imports: training.environment. Read next: ``minigen/training/environment.py``.
"""

from __future__ import annotations

import json
from typing import Any

import click

from minigen.cli.console import echo
from minigen.training.environment import describe_environment


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def info(as_json: bool) -> None:
    """Show versions, devices, threads and folders.

    Devices: with the reason if there is no GPU. Folders: where data and compiled kernels are cached.
    """
    facts = describe_environment()
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
