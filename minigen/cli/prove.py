"""``minigen prove``: does minigen compute right on this device? A table, a verdict, a file.

Imports: proof, proving. Read next: ``minigen/proving/procedure.py``.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from minigen.algorithms.options import ConfigError
from minigen.cli.console import ClosableConsole, echo
from minigen.cli.output import Kind, Output, force_option
from minigen.device import cuda_status
from minigen.gradcheck.text import counted
from minigen.proof import read_proof
from minigen.proving import Proof, Row
from minigen.proving import prove as run_procedure


def _is_proof(path: Path) -> bool:
    with contextlib.suppress(ValueError):
        return bool(read_proof(path))
    return False


PROOF = Kind("proof", _is_proof)
HEAD = f"{'part':<10} {'what':<18} {'checks':>6} {'seconds':>8}  verdict"


@click.command()
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
              help="what is to be proven; auto: the GPU, where one works")  # fmt: skip
@click.option("--json", "json_file", metavar="FILE", help="write the proof to this file, too")
@click.option(
    "--only", metavar="NAME", help="one part, kernel, operation, layer, loss or model: kernels, conv2d, ops.norm, vae"
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="draws shapes, numbers and images")
@force_option
def prove(device: str, json_file: str | None, only: str | None, seed: int, force: bool) -> int:
    """Prove that minigen computes right on this device.

    On a GPU: compiles all programs, then runs every kernel against the NumPy reference, every gradient to order 2,
    three training steps of six models against the CPU. A GPU that has passed is what --device auto takes. On the CPU
    the fast kernels are held to the reference.
    """
    if device == "cuda" and not cuda_status()[0]:
        raise ConfigError(f"--device cuda: {cuda_status()[1]}")
    file = None if json_file is None else Output(json_file, {"": PROOF}, force=force, option="--json").path
    table = Table()
    with table.status(Console(stderr=True, highlight=False)):
        try:
            proof = run_procedure(device, only=only, seed=seed, file=file, show=table.show)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    table.end(proof)
    return 0 if proof.passed else 1


class Table:
    """Prints a line for each group of rows when it is done, and one for each fault."""

    def __init__(self) -> None:
        self.console = ClosableConsole(highlight=False)
        self.rows: list[Row] = []
        self.live: Live | None = None
        self.count = itertools.count(1)

    @contextlib.contextmanager
    def status(self, console: Console) -> Iterator[None]:
        """Inside: what is running now stands in one line of a terminal."""
        if not console.is_terminal:
            yield
            return
        with Live(console=console, auto_refresh=False, transient=True) as self.live:
            yield

    def show(self, proof: Proof, row: Row | None) -> None:
        """Called by `prove` before each row, with None, and after it."""
        if row is None:
            if not proof.rows:
                self.head(proof)
            if self.live is not None:
                self.live.update(Text(f"{next(self.count)}  {proof.running}"), refresh=True)
            return
        if self.rows and self.rows[0].group != row.group:
            self.flush()
        self.rows.append(row)

    def head(self, proof: Proof) -> None:
        """What is proven, and the heading."""
        for key, value in proof.subject.items():
            self.console.say(f"{key:<20}{value}")
        if proof.settings["backend"] == "cpu":
            usable, text = cuda_status()
            self.console.say(f"{'GPU':<20}{f'{text}; --device cuda proves it' if usable else f'none: {text}'}")
        self.console.say(f"{'seed':<20}{proof.settings['seed']}")
        self.console.say(f"\n{HEAD}")

    def flush(self) -> None:
        """The line of a group that is done."""
        if not self.rows:
            return
        if self.live is not None:
            self.live.update(Text(), refresh=True)  # both may be one terminal: the line comes where the status was
        rows, self.rows = self.rows, []
        failed = [row for row in rows if row.fault is not None]
        verdict = "ok" if not failed else f"FAILED: {', '.join(row.what for row in failed)}"
        checks, seconds = sum(row.checks for row in rows), sum(row.seconds for row in rows)
        self.console.say(f"{rows[0].part:<10} {rows[0].group:<18} {checks:>6} {seconds:>8.1f}  {verdict}")

    def end(self, proof: Proof) -> None:
        """The faults, the verdict, where the proof is kept."""
        self.flush()
        for row in proof.faults:
            assert row.fault is not None
            echo(f"\n{row.part}: {row.what}\n{row.fault.text}")
            if path := proof.attachment(row):
                echo(f"inputs and results: {path}")
            if row.part not in ("programs", "memory", "device"):
                device, seed = proof.settings["backend"], proof.settings["seed"]
                echo(
                    f"to repeat it: minigen prove --device {device} --only {row.what!r} --seed {seed}".replace("'", '"')
                )
        right = "proven" if proof.settings["only"] is None else "right as far as this goes"
        said = right if proof.passed else f"NOT PROVEN: {counted(len(proof.faults), 'fault')}"
        echo(f"\n{proof.subject['device']}: {said}; {counted(proof.checks, 'check')} in {proof.seconds:.0f} s")
        if proof.trouble is not None:
            echo(f"the proof cannot be kept ({proof.trouble}); MINIGEN_CACHE can name another folder")
        elif proof.paths:
            what = "kept in" if proof.passed else "to attach to a report:"
            echo(f"{what} {proof.paths[0]}")
