"""The entry point: which commands there are, and how every failure ends - one line on stderr and an exit code.

Exit codes: 0 done; 2 the command line or config is wrong; 1 anything else that failed, of gradcheck: a wrong gradient;
130 interrupted.
``MINIGEN_DEBUG=1`` shows the traceback.

Imports: the commands. Read next: ``train.py``.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

import minigen
from minigen import distributed
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.cli.anatomy import anatomy
from minigen.cli.bench import bench
from minigen.cli.compare import compare
from minigen.cli.completion import completion
from minigen.cli.console import encoding_help, escape_unencodable, redirect_to_devnull, show_compile_notices
from minigen.cli.data import data
from minigen.cli.encode import encode
from minigen.cli.evaluate import evaluate
from minigen.cli.exercise import exercise
from minigen.cli.explore import explore
from minigen.cli.export import export
from minigen.cli.gradcheck import check_gradients
from minigen.cli.import_weights import import_
from minigen.cli.info import info
from minigen.cli.kernel import kernel
from minigen.cli.models import list_models
from minigen.cli.prove import prove
from minigen.cli.reconstruct import reconstruct
from minigen.cli.sample import sample
from minigen.cli.train import INTERRUPTED, train
from minigen.cli.watch import watch
from minigen.interrupt import until_here
from minigen.training.printable import printable


class Commands(click.Group):
    """A group that guesses what a mistyped command was meant to be."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            raise click.UsageError(
                f"unknown command {args[0]!r}{did_you_mean(args[0], known)} Commands are {', '.join(known)}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(minigen.__version__, "--version", prog_name="minigen")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Train generative models on images, with every gradient made from scratch.

    Begin with:  minigen train ae
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    started = distributed.launch()
    if started is not None and ctx.invoked_subcommand not in (None, "train"):
        raise click.UsageError(
            f"{started.launcher} started {started.size} processes, and each would do the same: only minigen train "
            f"shares its work among them. Run minigen {ctx.invoked_subcommand} by itself"
        )


for command in (
    train, watch, sample, reconstruct, evaluate, compare, encode, explore, export, import_, data, check_gradients,
    kernel, anatomy, exercise, prove, bench, list_models, info, completion,
):  # fmt: skip
    commands.add_command(command)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `args` (of the process by default) and exit."""
    show_compile_notices()
    try:
        until_here()
        escape_unencodable()
        code = commands.main(args=None if args is None else list(args), prog_name="minigen", standalone_mode=False)
        if sys.stdout is not None:  # it is None if whoever called has closed it
            sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        _fail(INTERRUPTED, "interrupted")
    except BrokenPipeError:  # the reader of the output has closed it: no message
        redirect_to_devnull(sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("MINIGEN_DEBUG"):
            traceback.print_exc()
        _fail(2 if isinstance(error, (click.UsageError, ConfigError)) else 1, f"error: {describe(error)}")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(code: int, text: str) -> NoReturn:
    """End with a line on stderr; of several ranks the first prints it, and all end."""
    started = distributed.launch()
    if started is None or started.rank == 0:
        _complain(text)
    distributed.leave(code, text)
    sys.exit(code)


def describe(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, click.NoSuchOption):
        known = error.ctx.command.get_params(error.ctx) if error.ctx is not None else []
        names = [name for option in known if isinstance(option, click.Option) for name in option.opts]
        text = f"unknown option {error.option_name!r}{did_you_mean(error.option_name, names)}"
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, UnicodeEncodeError):
        where = error.object[max(0, error.start - 40) : error.end + 20].splitlines()
        text = f"the letters in {max(where, key=len)!r} cannot be written: {encoding_help()}"
    elif isinstance(error, MemoryError):
        what = f" ({error})" if str(error) else ""
        text = f"not enough memory{what}: take a smaller --batch-size, --limit or --latent"
    elif isinstance(error, OSError) and error.strerror and type(error).__str__ is OSError.__str__:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, EXPECTED) and not isinstance(error, (RecursionError, NotImplementedError)):
        text = str(error)
    elif isinstance(error, ImportError) and isinstance(error.__cause__, ImportError):  # it says what to install
        text = str(error)
    else:
        text = f"this should not happen; please report it with the output of MINIGEN_DEBUG=1: {error!r}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text}{'' if text.endswith(('.', '?')) else '.'} See {error.ctx.command_path} --help"
    return printable(" ".join(text.split()))


EXPECTED = (ArithmeticError, OSError, RuntimeError, ValueError)  # what the rooms raise on purpose


def _complain(text: str) -> None:
    print(f"minigen: {text}", file=sys.stderr)
