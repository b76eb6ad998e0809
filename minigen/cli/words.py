"""What the command prints on stdout and stderr, and how it lives without somebody who reads it.

Imports: training.printable. Read next: ``app.py``.
"""

from __future__ import annotations

import contextlib
import os
import sys

import click
from rich.console import Console

from minigen.training.printable import printable


def echo(text: str, *, err: bool = False) -> None:
    """Print a line, or several, on stdout or stderr."""
    click.echo(printable(text), err=err)


class Audience(Console):
    """A console whose reader may leave, as ``| head -1`` does: then nothing more is printed, and work goes on."""

    def say(self, line: str) -> None:
        """Print a line as it stands, however wide the terminal is."""
        self.print(printable(line), soft_wrap=True, markup=False)

    def on_broken_pipe(self) -> None:
        """What rich calls when nobody reads any more; it would end the process."""
        self.quiet = True
        speak_to_nobody(self.file.fileno())


def speak_to_nobody(descriptor: int) -> None:
    """Send what is written to this descriptor of a closed pipe nowhere, so that it is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def write_any_letter() -> None:
    """Where stdout or stderr cannot hold a letter (``LC_ALL=C``), its number is written: that is no error either."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def letters_help() -> str:
    """What helps where a name from the system is no text."""
    if sys.getfilesystemencoding() == "utf-8":
        return "the name is no UTF-8 text; rename the file or folder"
    return f"in this locale names are {sys.getfilesystemencoding()}; set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
