"""A line on the terminal that says how far a long check has come; nothing in a file, a pipe or a short check.

Imports: nothing. Read next: ``check.py``.
"""

from __future__ import annotations

import sys
import time

DELAY = 2.0  # seconds before the first line
INTERVAL = 0.2  # seconds between two lines


class Progress:
    """Counts evaluations, and shows them on stderr if that is a terminal and `DELAY` seconds have passed."""

    def __init__(self, target: str) -> None:
        self.target, self.what, self.count = target, "", 0
        self.start = self.last = time.perf_counter()
        self.terminal, self.width = sys.stderr.isatty(), 0

    def tick(self) -> None:
        """One evaluation more."""
        self.count += 1
        if self.terminal and self.count % 16 == 0:
            now = time.perf_counter()
            if now - self.start > DELAY and now - self.last > INTERVAL:
                self.last = now
                self._show(f"gradcheck {self.target}: {self.what}, {self.count} evaluations, {now - self.start:.0f} s")

    def close(self) -> None:
        """Wipe the line away."""
        if self.width:
            self._show("")
            sys.stderr.write("\r")
            sys.stderr.flush()

    def _show(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self.width))
        sys.stderr.flush()
        self.width = len(line)
