"""``minigen kernel``: a kernel of the library, read and seen at work, thread by thread, without a GPU.

Imports: kernel_view. Read next: ``minigen/kernel_view/looking.py``.
"""

from __future__ import annotations

import io

import click

from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.cli.completion import complete_choice
from minigen.cli.console import echo
from minigen.cli.output import PDF, PNG, SVG, Output, force_option
from minigen.kernel_view.calls import CALLS
from minigen.kernel_view.looking import NoCompilerError, look
from minigen.kernel_view.picture import figure
from minigen.kernel_view.sources import cpu_text, plain_text, reference_text
from minigen.kernel_view.text import lines


@click.command()
@click.argument("name", metavar="NAME", shell_complete=complete_choice(CALLS))
@click.option("--room", type=click.Choice(["reference", "plain", "cpu", "cuda"]), default="cuda", show_default=True,
              help="the NumPy definition, plain loops, the Numba source, or the CUDA source at work")  # fmt: skip
@click.option("--shape", "shapes", multiple=True, metavar="1,1,8,8",
              help="shape of an array, once for each, in their order; what is left out follows")  # fmt: skip
@click.option(
    "--thread", default="0,0", show_default=True, metavar="B,T", help="block and thread to watch, each from 0"
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--rows", type=click.IntRange(0), default=40, show_default=True, help="of each table; 0 for all")
@click.option("--plot", metavar="FILE.png", help="a picture of the warp's threads over the arrays")
@force_option
def kernel(
    name: str, room: str, shapes: tuple[str, ...], thread: str, dtype: str, rows: int, plot: str | None, force: bool
) -> None:
    """Show what a kernel does, down to the threads of a warp.

    NAME is a kernel of docs/kernels.md. With --room cuda, g++ compiles its CUDA source for this machine's processor,
    and each access to memory is counted: which cells, in what order, coalesced or not, bank conflicts, bytes moved.
    --room plain shows six kernels as short loops, written to be read, and their CUDA source at work in the same way.
    How to read it: docs/kernel_view.md.

    \b
    minigen kernel conv2d --plot conv2d.png
    minigen kernel conv2d --shape 2,4,16,16 --shape 8,4,3,3 --thread 0,33
    minigen kernel conv2d --room plain
    minigen kernel conv2d --room reference
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    if name not in CALLS:
        raise ConfigError(f"there is no kernel {name!r}{did_you_mean(name, CALLS)} docs/kernels.md lists them")
    if room not in ("cuda", "plain") and plot is not None:
        raise ConfigError("--plot draws threads: it goes with --room cuda or plain")
    if room not in ("cuda", "plain") and thread != "0,0":
        raise ConfigError("--thread is one of a GPU: it goes with --room cuda or plain")
    if room == "reference" and shapes:
        raise ConfigError(
            "--shape is of a call: it goes with --room cpu, plain or cuda; the definition is for all shapes"
        )
    output = None if plot is None else _output(plot, force)
    sizes = [_numbers("--shape", shape, "1,1,8,8", 1) for shape in shapes]
    block, of_block = _pair(thread)
    try:
        if room == "reference":
            for text in reference_text(name):
                echo(text)
            return
        if room == "cpu":
            for text in cpu_text(name, sizes, dtype):
                echo(text)
            return
        if room == "plain":
            for text in plain_text(name):
                echo(text)
        seen = look(name, sizes, block=block, thread=of_block, dtype=dtype, is_plain=room == "plain")
    except (ValueError, NoCompilerError) as error:
        raise ConfigError(str(error)) from error
    for line in lines(seen, rows):
        echo(line)
    if output is not None:
        file = io.BytesIO()
        figure(seen).savefig(file, format=output.path.suffix[1:].lower(), dpi=120)
        output.write(file.getvalue())
        echo(f"drawn: {plot}")


def _output(path: str, force: bool) -> Output:
    try:
        return Output(path, {".png": PNG, ".pdf": PDF, ".svg": SVG}, force=force, option="--plot")
    except OSError as error:
        raise ConfigError(f"--plot: {error}") from error


def _numbers(option: str, text: str, example: str, least: int) -> tuple[int, ...]:
    """The whole numbers of an option, with commas between them."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < least:
        raise ConfigError(f"{option}: expected whole numbers from {least} on, as in {example}; got {text!r}")
    return numbers


def _pair(text: str) -> tuple[int, int]:
    numbers = _numbers("--thread", text, "0,33", 0)
    if len(numbers) != 2 or numbers[1] >= 1024:
        raise ConfigError(f"--thread: expected block and thread (below 1024), as in 0,33; got {text!r}")
    return numbers[0], numbers[1]
