"""Ctrl-C while the command `minigen` is being loaded: one line and exit code 130, as everywhere else.

Loading takes longer than anything before it that could catch the signal, so the package does this first; but only in a
process that is the command. A program that imports minigen is left alone.

Imports: the standard library. Read next: ``cli/app.py``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

CODE = 130  # 128 + SIGINT, as shells count


def is_command() -> bool:
    """Is this process `minigen` or `python -m minigen`, rather than a program that imports the package?"""
    words = getattr(sys, "argv", [])[:1]
    if words == ["-m"]:  # while `python -m` looks for its module; it may be another one, in a package that imports us
        rest = sys.orig_argv[1:]
        return "-mminigen" in rest or ["-m", "minigen"] in [rest[i : i + 2] for i in range(len(rest))]
    return bool(words) and os.path.splitext(os.path.basename(words[0]))[0] == "minigen" and ".py" not in words[0]


def from_here() -> None:
    """Let Ctrl-C end the process with one line, if it would raise KeyboardInterrupt and this is the command."""
    if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def until_here() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again: whoever calls this catches it."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: Any) -> None:
    os.write(2, b"minigen: interrupted\n")
    os._exit(CODE)  # what is loaded has not begun anything


from_here()
