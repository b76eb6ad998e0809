"""``minigen gradcheck``: check the gradients of a layer of the user's; with ``--all`` those of everything that ships.

Exit codes: 0 the gradients are right; 1 they are not; 2 nothing could be checked (usage, a file, a layer that raises).

Imports: gradcheck, inventory. Read next: ``target.py``, ``inputs.py``, ``gradcheck_all.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from minigen import nn
from minigen.algorithms.options import ConfigError
from minigen.algorithms.user_code import UserCodeError, comes_from_user
from minigen.cli.console import echo
from minigen.cli.gradcheck_all import check_all
from minigen.cli.input_spec import parse_input
from minigen.cli.inputs import Inputs, TargetRunner, find_inputs
from minigen.cli.output import PDF, PNG, SVG, Output, force_option
from minigen.cli.points import check_other_points
from minigen.cli.target import Target, open_target
from minigen.device import cuda_status
from minigen.gradcheck import Report, gradcheck

WRONG, NOT_CHECKED = 1, 2


@click.command("gradcheck", short_help="Check the gradients of a layer that you wrote.")
@click.argument("target", required=False, metavar="MODULE:NAME")
@click.option("--all", "everything", is_flag=True, help="check every operation, layer and loss that ships")
@click.option("--input-shape", "--input", "inputs", multiple=True, metavar="2,3,8,8",
              help="shape of an input, once for each; int:0,6:2,3 for whole numbers from 0 to 5, float:0,1:2,3 for "
                   "numbers between 0 and 1")  # fmt: skip
@click.option("--kwargs", metavar="JSON", help="arguments of the constructor, of a Function or of a function")
@click.option("--derivative-of", metavar="MODULE:NAME",
              help="the function whose gradient it shall have (straight-through)")  # fmt: skip
@click.option("--order", type=click.IntRange(1, 4), default=1, show_default=True, help="up to which derivative")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default=None, help="[default: cpu]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print the report as one JSON object")
@click.option("--plot", metavar="FILE.png", help="heat maps of both sides, and the error against the step")
@force_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="of inputs, weights and cotangents")
@click.option("--self-test/--no-self-test", default=True, help="plant errors, which have to be noticed  [default: on]")
@click.pass_context
def check_gradients(
    ctx: click.Context,
    /,
    target: str | None,
    everything: bool,
    inputs: tuple[str, ...],
    kwargs: str | None,
    derivative_of: str | None,
    order: int,
    device: str | None,
    dtype: str,
    as_json: bool,
    plot: str | None,
    force: bool,
    seed: int,
    self_test: bool,
) -> None:
    """Check the gradients of a layer of yours against the function itself.

    MODULE:NAME is my_module:MyLayer, imported from the current folder, or path/to/file.py:MyLayer. NAME is a Module
    (its class or an object), a Function, or a function of Tensors. Or it is the path of a network, model.onnx. The
    inputs are random numbers of the shapes that you give; or what example_inputs() of the class returns; or of a shape
    that is found by trying. What passes there is also checked at numbers of other scales and seeds, at zeros, in
    batches of other lengths, and in float32.

    \b
    minigen gradcheck my_module:MyLayer --input-shape 2,3,8,8 --kwargs '{"features": 4}'
    minigen gradcheck my_module:my_function --input-shape 3,4 --input-shape 4 --order 2
    minigen gradcheck my_module:MyEmbedding --input int:0,6:2,3 --input 6,4
    minigen gradcheck my_module:MyRound --derivative-of my_module:identity
    minigen gradcheck model.onnx
    minigen gradcheck --all --order 2

    Exit code: 0 right, 1 wrong, 2 nothing could be checked.
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    console = Console(highlight=False)
    if everything:
        if target is not None or inputs or kwargs is not None or derivative_of is not None or plot is not None:
            raise ConfigError(
                "--all checks what ships: leave MODULE:NAME, --input-shape, --kwargs, --derivative-of and --plot out"
            )
        ok = check_all(console, order, device, as_json, seed=seed, dtype=dtype, self_test=self_test)
        ctx.exit(0 if ok else WRONG)
    if target is None:
        raise ConfigError("what is to be checked? minigen gradcheck my_module:MyLayer, or --all for all that ships")
    plot_output = None if plot is None else _plot_output(plot, target, force)
    try:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():  # what the layer prints
            opened = open_target(target, _parse_kwargs(kwargs), seed)
            options = dict(order=order, seed=seed, dtype=dtype, self_test=self_test)
            if derivative_of is not None:
                options["derivative_of"] = open_target(derivative_of, {}, seed).call
            report, origin = _check(opened, inputs, device or "cpu", options)
    except UserCodeError as error:
        echo(f"minigen: error: {error}", err=True)
        ctx.exit(WRONG if error.in_backward else NOT_CHECKED)
    if plot_output is not None:
        plot_output.check()
        report.plot(plot_output.path)
    _print(console, report, origin, plot, as_json)
    ctx.exit(0 if report.ok else WRONG)


KWARGS_EXAMPLE = """--kwargs '{"features": 4}'"""


def _plot_output(path: str, target: str, force: bool) -> Output:
    """The file of the picture, checked before any work. ConfigError if it cannot be written there."""
    try:
        output = Output(path, {".png": PNG, ".pdf": PDF, ".svg": SVG}, force=force, option="--plot")
        place = target.rpartition(":")[0]
        output.keep(Path(place), Path(place.replace(".", os.sep) + ".py"))
        return output
    except OSError as error:
        raise ConfigError(f"--plot: {error}") from error


def _parse_kwargs(kwargs: str | None) -> dict[str, Any]:
    """The arguments that --kwargs gives."""
    try:
        arguments = json.loads(kwargs) if kwargs is not None else {}
    except ValueError as error:
        raise ConfigError(f"--kwargs: {kwargs!r} is no JSON ({error}); write {KWARGS_EXAMPLE}") from error
    if not isinstance(arguments, dict):
        raise ConfigError(f"--kwargs: expected names and values, as in {KWARGS_EXAMPLE}; got {kwargs}")
    return arguments


def _check(target: Target, wanted: tuple[str, ...], device: str, options: dict[str, Any]) -> tuple[Report, str]:
    """The report on a target, at the first point at which it is wrong; and a line on the origin of its inputs."""
    if device == "cuda" and not cuda_status()[0]:
        raise ConfigError(f"--device cuda: {cuda_status()[1]}")
    if device == "cuda" and isinstance(target.call, nn.Module):
        target.call.to(device)
    inputs = find_inputs(target, [parse_input(text) for text in wanted], options["seed"], device, options["dtype"])
    report = _check_at(target, inputs, options)
    origin = inputs.origin
    if report.ok:
        runner = TargetRunner(target, options["seed"], device, options["dtype"])
        failed_point = check_other_points(target, inputs, runner, options)
        if isinstance(failed_point, tuple):
            report, point = failed_point
            origin = f"right at the first point, wrong with {point}; {origin}".removesuffix("; ")
        elif failed_point:
            also = f"also right at {failed_point} other points: other scales and seeds, zeros, batches, float32"
            origin = f"{also}\n{origin}" if origin else also
    report.target = target.name  # as the user calls it
    return report, origin


def _check_at(target: Target, inputs: Inputs, options: dict[str, Any]) -> Report:
    """The report at these inputs."""
    try:
        return gradcheck(target.call, *inputs.values, **options, raise_on_failure=False)
    except Exception as error:
        if isinstance(error, (TypeError, ValueError)) and str(error).startswith("gradcheck: "):
            text = str(error).removeprefix("gradcheck: ")
            hint = ". Let example_inputs() give other numbers" if "at the point itself" in text else ""
            raise ConfigError(f"{target.name}: {text}{hint}") from error
        if not comes_from_user(error.__traceback__):
            raise
        # Forward has run before: what raises now is backward, or forward at a point that was moved a little.
        moved = any("moved point" in note for note in getattr(error, "__notes__", []))
        doing = f"forward of {target.name}, near its inputs," if moved else f"backward of {target.name}"
        hint = f"The {inputs.origin}" if inputs.guessed else ""
        raise UserCodeError(doing, error, hint, in_backward=not moved) from error


def _print(console: Console, report: Report, origin: str, plot: str | None, as_json: bool) -> None:
    if as_json:
        echo(json.dumps({**report.to_dict(), "inputs": origin}, allow_nan=False, ensure_ascii=False))
        return
    if console.is_terminal:
        console.print(report)
    else:
        echo(str(report))
    for line in (origin, "" if plot is None else f"drawn: {plot}"):
        if line:
            echo(line)
