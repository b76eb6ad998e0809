"""What the kernels have to tell - that they are being compiled, or cannot be kept - as lines on stderr.

The room of kernels only logs it: a program that imports minigen is left alone unless something is wrong. The command
shows it, since compiling takes seconds in which nothing else happens.

Imports: nothing of the project. Read next: ``app.py``.
"""

from __future__ import annotations

import contextlib
import logging
import sys


class Line(logging.Handler):
    """Prints each message as one line."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:  # it is None if whoever called has closed it
            with contextlib.suppress(OSError):  # who read it has left: no reason to stop computing
                print(f"minigen: {record.getMessage()}", file=sys.stderr, flush=True)


LINE = Line()


def show_kernel_news() -> None:
    """From now on, print what is logged by the rooms of kernels."""
    logger = logging.getLogger("minigen_kernels")
    logger.setLevel(logging.INFO)
    logger.addHandler(LINE)  # a second time changes nothing
