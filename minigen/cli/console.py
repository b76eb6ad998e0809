"""What the command prints on stdout and stderr, also where the reader has closed them.

Imports: training.printable. Read next: ``app.py``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys

import click
from rich.console import Console

from minigen.training.printable import printable


def echo(text: str, *, err: bool = False) -> None:
    """Print a line, or several, on stdout or stderr."""
    click.echo(printable(text), err=err)


def say_note(text: str) -> None:
    """Print on stderr what a user should know."""
    echo(f"minigen: note: {text}", err=True)


class ClosableConsole(Console):
    """A console whose reader may leave, as ``| head -1`` does: then nothing more is printed, and work goes on."""

    def say(self, line: str) -> None:
        """Print a line as it stands, however wide the terminal is."""
        self.print(printable(line), soft_wrap=True, markup=False)

    def on_broken_pipe(self) -> None:
        """What rich calls when nobody reads any more; it would end the process."""
        self.quiet = True
        redirect_to_devnull(self.file.fileno())


def redirect_to_devnull(descriptor: int) -> None:
    """Send what is written to this descriptor of a closed pipe nowhere, so that it is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def escape_unencodable() -> None:
    """Where stdout or stderr cannot hold a letter (``LC_ALL=C``), its number is written: that is no error either."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def encoding_help() -> str:
    """What helps where a name from the system is no text."""
    if sys.getfilesystemencoding() == "utf-8":
        return "the name is no UTF-8 text; rename the file or folder"
    return f"in this locale names are {sys.getfilesystemencoding()}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8"


class Line(logging.Handler):
    """Prints each message of the kernels - they are being compiled, or cannot be kept - as one line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:  # it is None if whoever called has closed it
            with contextlib.suppress(OSError):  # the reader has closed it: no reason to stop computing
                print(f"minigen: {record.getMessage()}", file=sys.stderr, flush=True)


LINE = Line()


def show_compile_notices() -> None:
    """Print what the rooms of kernels log; a program that imports minigen is left alone unless something is wrong."""
    logger = logging.getLogger("minigen_kernels")
    logger.setLevel(logging.INFO)
    logger.addHandler(LINE)  # a second time changes nothing
