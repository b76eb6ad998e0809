"""``minigen bench``: how fast is minigen on this machine, beside the libraries that are installed here?

Imports: minigen_bench. Read next: ``minigen_bench/session.py``, ``docs/performance.md``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from minigen import tuning
from minigen.algorithms.options import ConfigError
from minigen.cli.console import ClosableConsole, echo
from minigen.cli.output import Kind, Output, force_option
from minigen_bench import harness, session, tables
from minigen_bench.steps import STEPS


def _is_result(path: Path) -> bool:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return "models" in json.loads(path.read_text(encoding="utf-8"))
    return False


RESULT = Kind("result of minigen bench", _is_result)
NOT_QUICK = "torch-compile"  # compiling takes longer than a quick look may


@click.command()
@click.option("--models", metavar="NAMES", help="steps with commas between, or all, training, quick; --list names them")
@click.option("--peers", metavar="NAMES", help=f"of {', '.join(harness.PEERS)}, with commas; none: minigen alone "
              "[default: those that are installed]")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--rounds", type=click.IntRange(1), help="how often the libraries take turns [default: 10, quick: 4]")
@click.option("--quick", is_flag=True, help="a few steps, in less than two minutes")
@click.option(
    "--tune", is_flag=True, help="measure what convolutions cost here, for runs that start later; nothing else"
)
@click.option("--list", "only_list", is_flag=True, help="name the steps, and measure nothing")
@click.option("-o", "output", metavar="FILE", help="write all numbers as JSON, too")
@force_option
def bench(
    models: str | None,
    peers: str | None,
    threads: int,
    device: str,
    rounds: int | None,
    quick: bool,
    tune: bool,
    only_list: bool,
    output: str | None,
    force: bool,
) -> None:
    """Measure training steps on this machine, beside PyTorch and JAX.

    Each library runs in a process of its own, and they take turns. A number is the shortest time of a step in
    milliseconds; "ratio" is minigen's to that of the best peer, below 1 minigen is ahead. "floor" is what the
    arithmetic alone would take. Ctrl-C leaves the rows that are done.
    """
    if tune:
        echo(f"kept in {tuning.measure()}: new runs choose by it, resumed ones by what they began with")
        return
    if only_list:
        for name, step in STEPS.items():
            echo(f"{name:<18}{step.title}, batch {step.batch}")
        return
    try:
        names = session.chosen("--models", models or ("quick" if quick else "all"), list(STEPS), session.GROUPS)
        asked = [] if peers == "none" else session.chosen("--peers", peers or "", list(harness.PEERS), {})
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if threads > harness.cores():
        raise ConfigError(f"--threads {threads}: this process has {harness.cores()} cores")
    if device == "cuda" and (reason := harness.without_gpu("minigen")):
        raise ConfigError(f"--device cuda: {reason}")
    file = None if output is None else Output(output, {"": RESULT}, force=force).path
    if peers is None:
        asked = [peer for peer in harness.DEFAULT_PEERS[device] if not (quick and peer == NOT_QUICK)]
    settings = harness.Settings(
        threads=threads, rounds=rounds or (4 if quick else 10), seconds=0.15 if quick else 0.3, device=device
    )
    result = session.empty_result(settings, asked)
    lines = Lines([peer for peer in asked if peer not in result["left_out"]])
    for peer, why in result["left_out"].items():
        lines.console.say(f"without {tables.NAMES[peer]}: {why}")
    lines.head(result)
    try:
        session.run(result, names, asked, settings, file=file, say=lines.status, show=lines.show)
    except (harness.WorkerEndedError, harness.DisagreementError) as error:
        raise RuntimeError(str(error)) from error
    finally:
        lines.end(result)


class Lines:
    """Prints a line for each step when it is done."""

    def __init__(self, peers: list[str]) -> None:
        self.console, self.peers = ClosableConsole(highlight=False), peers

    def status(self, text: str) -> None:
        """What is running now, in one line of a terminal."""
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def head(self, result: dict[str, Any]) -> None:
        """Where it is measured, and the heading."""
        threads = result["run"]["threads"]
        self.console.say(f"{tables.place(result['machine'])}, {threads} thread{'s' if threads > 1 else ''}\n")
        names = ["minigen", *(tables.NAMES[peer] for peer in self.peers)]
        heads = [*names, *(["ratio"] if self.peers else []), "floor"]
        self.console.say(f"{'one step, ms':<18}" + "".join(f"{head:>17}" for head in heads))

    def show(self, result: dict[str, Any], name: str) -> None:
        """The line of a step that is done."""
        self.status("")
        cells = tables.row(result, name, ["minigen", *self.peers])
        shortest = [cell.partition(" ")[0] for cell in cells[1 : 2 + len(self.peers)]]
        numbers = [*shortest, *([cells[2 + len(self.peers)]] if self.peers else []), cells[-2]]
        self.console.say(f"{name:<18}" + "".join(f"{number:>17}" for number in numbers))

    def end(self, result: dict[str, Any]) -> None:
        """What is missing, and the mean of the ratios."""
        self.status("")
        for gap in tables.gaps(result):
            self.console.say(f"without {gap}")
        if ratios := tables.ratios(result).values():
            above = sum(ratio > tables.TARGET for ratio in ratios)
            mean = tables.geometric_mean(ratios)
            self.console.say(f"\nratio: geometric mean {mean:.2f}; {above} of {len(ratios)} above {tables.TARGET}")
