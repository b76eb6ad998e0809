"""When code of the user raises: his own exception, at his own file and line, without the frames of minigen.

Imports: nothing. Read next: ``target.py``.
"""

from __future__ import annotations

import contextlib
import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import minigen
import minigen_kernels

#: Folders whose code is not the user's: this package, the standard library, what is installed beside it.
OURS = tuple(
    os.path.realpath(folder) + os.sep
    for folder in (
        os.path.dirname(minigen.__file__),
        os.path.dirname(minigen_kernels.__file__),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


class UserCodeError(Exception):
    """Code of the user raised. `str` is what to print: what was going on, the exception, his lines, and a hint.

    `in_backward`: his backward cannot be run, so the gradient is wrong; anywhere else nothing could be checked.
    """

    def __init__(self, doing: str, error: BaseException, hint: str = "", *, in_backward: bool = False) -> None:
        super().__init__(doing, error, hint)
        self.doing, self.error, self.hint, self.in_backward = doing, error, hint, in_backward

    def __str__(self) -> str:
        lines = [f"{self.doing} raises {type(self.error).__name__}: {self.error}".rstrip(": ")]
        lines += own_lines(self.error)
        return "\n".join([*lines, *([self.hint] if self.hint else [])])


@contextlib.contextmanager
def running(doing: str, hint: str = "") -> Iterator[None]:
    """Inside ``with``, code of the user runs: what it raises becomes a UserCodeError. It may also try to exit."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, UserCodeError):
        raise
    except (Exception, SystemExit) as error:
        raise UserCodeError(doing, error, hint) from error


def own_lines(error: BaseException) -> list[str]:
    """Where in the user's own files it happened: for each of his frames the file and line, and the line itself."""
    if isinstance(error, SyntaxError) and error.filename:
        line = [f"    {error.text.strip()}"] if error.text else []
        return [f"  {_short(error.filename)}, line {error.lineno}", *line]
    found: list[str] = []
    frames = list(traceback.extract_tb(error.__traceback__))
    cause = error.__cause__
    while cause is not None:  # a Function raises anew what its forward raises; the line is in the first one
        frames += traceback.extract_tb(cause.__traceback__)
        cause = cause.__cause__
    for frame in frames:
        if is_users(frame.filename):
            where = "" if frame.name == "<module>" else f", in {frame.name}"
            found.append(f"  {_short(frame.filename)}, line {frame.lineno}{where}")
            found += [f"    {frame.line}"] if frame.line else []
    return found[-8:]  # of a recursion the last few


def comes_from_user(trace: TracebackType | None) -> bool:
    """Is there a line of the user's on the way to the exception?"""
    return any(is_users(frame.filename) for frame in traceback.extract_tb(trace))


def is_users(filename: str) -> bool:
    """Is this a file of the user's, rather than of minigen, of Python, or of an installed package?"""
    return not filename.startswith("<") and not os.path.realpath(filename).startswith(OURS)


def _short(filename: str) -> str:
    """The name of a file as seen from the current folder."""
    path = Path(filename)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    return str(path)
