"""What a run prints while it trains: a live line on a terminal, a table and a bar in a notebook; elsewhere a line an
epoch, and every half minute.

Imports: training.fit, live_table; rich. Read next: ``session.py``, which calls it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.live import Live
from rich.text import Text

from minigen.training.fit import Terms, TrainingState
from minigen.training.live_table import LiveTable
from minigen.training.printable import printable

REFRESH = 0.1  # seconds between two updates of the live line, or of the bar
QUIET = 30.0  # seconds without a line, where there is no live line: a log, a pipe
BAR, SHORTEST = 20, 5  # its bar's length in characters; in a narrow terminal it is shorter, or left out


class Progress:
    """Prints to `console`. `epochs`, `max_steps` and `steps_per_epoch` give the end of the run.

    `images`: how many an update takes; where they are given, lines have the images a second.
    """

    def __init__(
        self, console: Console, *, epochs: int, max_steps: int | None, steps_per_epoch: int, images: int | None = None
    ) -> None:
        self.console, self.epochs, self.steps_per_epoch, self.images = console, epochs, steps_per_epoch, images
        self.total = min(epochs * steps_per_epoch, max_steps or epochs * steps_per_epoch)
        self._live: Live | None = None
        self._table: LiveTable | None = None
        if console.is_jupyter and not console.quiet:
            self._table = LiveTable(f"Training, {self.total:,} steps")
        elif console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
        self._validation: list[str] = []
        self._first: float | None = None  # seconds of the first update; it compiles kernels, and is no part of the rate
        self._spent, self._counted = 0.0, 0  # time in the other updates of this epoch that were watched
        self._before: float | None = None
        self._shown, self._printed = 0.0, 0.0  # when the live line was last drawn, and a line printed

    def __enter__(self) -> Progress:
        for view in (self._live, self._table):
            if view is not None:
                view.start()
        self._before = self._printed = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        for view in (self._live, self._table):
            if view is not None:
                view.stop()

    @property
    def milliseconds(self) -> float:
        """Mean time of an update in this epoch, in ms, without that of the first, unless there is no other."""
        return 1000 * (self._spent / self._counted if self._counted else self._first or 0.0)

    @property
    def speed(self) -> dict[str, str]:
        """The same by its unit, with images a second."""
        ms = self.milliseconds
        rate = {"images/s": f"{1000 * self.images / ms:,.0f}"} if self.images and ms else {}
        return {"ms/step": f"{ms:.2f}", **rate}

    def step(self, state: TrainingState, terms: Terms) -> None:
        """After every update."""
        now = time.perf_counter()
        if self._before is not None and self._first is None:
            self._first = now - self._before
        elif self._before is not None:
            self._spent, self._counted = self._spent + now - self._before, self._counted + 1
        self._before = now
        if self._live is not None and now - self._shown >= REFRESH:
            self._shown = now
            self._live.update(self._line(state, terms), refresh=True)
        if self._table is not None and now - self._shown >= REFRESH:
            self._shown = now
            self._table.update(state.batch / self.steps_per_epoch, "  ".join(self._words(state, terms)))
        if self._live is None and self._table is None and now - self._printed >= QUIET:
            self._printed = now
            self.console.print(self._line(state, terms), soft_wrap=True)

    def epoch(
        self, state: TrainingState, train: Mapping[str, float], validation: Mapping[str, float] | None, best: bool
    ) -> None:
        """After every epoch, and at the end. `best`: the validation loss is the lowest so far."""
        begun = f" ({state.batch} of {self.steps_per_epoch} steps)" if state.batch else ""  # the last step was reached
        cells = {"epoch": f"{state.epoch + bool(begun)}/{self.epochs}{begun}", "step": f"{state.step}", **self.speed}
        cells |= {name: f"{value:.5g}" for name, value in train.items()}
        if validation is not None:
            self._validation = [f"validation {validation['loss']:.5g}"]
            cells["validation"] = f"{validation['loss']:.5g}{' (best)' if best else ''}"
        if self._table is not None:
            self._table.add(cells)
        else:
            parts = [f"{cell} {name}" if name in self.speed else f"{name} {cell}" for name, cell in cells.items()]
            self.console.print(Text("  ".join(parts)), soft_wrap=True)
        self._first, self._spent, self._counted = 0.0, 0.0, 0
        self._before = self._printed = time.perf_counter()

    def say(self, lines: Iterable[str]) -> None:
        """What else there is to say, a line each."""
        if self._table is not None:
            self._table.say(map(printable, lines))
            return
        for line in lines:
            self.console.print(Text(printable(line)), soft_wrap=True)

    def _words(self, state: TrainingState, terms: Terms) -> tuple[str, str, str]:
        """Where training is; what matters most, with the speed; all other terms."""
        rest = max(0, self.total - state.step) * self.milliseconds / 1000
        place = f"epoch {state.epoch + 1}/{self.epochs}  {state.batch}/{self.steps_per_epoch}"
        parts = [f"{name} {float(value):.5g}" for name, value in terms.items()]
        parts = [*parts[:1], *self._validation, *parts[1:]]
        speed = [*(f"{cell} {name}" for name, cell in self.speed.items()), f"ETA {duration(rest)}"]
        if not self._counted:
            speed = [f"first step {self.milliseconds / 1000:.1f} s"]
        return place, "  ".join([*parts[:2], *speed]), "  ".join(parts[2:])

    def _line(self, state: TrainingState, terms: Terms) -> Text:
        place, first, last = self._words(state, terms)
        length = max(0, min(BAR, self.console.width - len(place) - len(first) - 5))
        filled = int(length * state.batch / self.steps_per_epoch)
        unicode = self.console.encoding.startswith("utf")
        dash = "━" if unicode else "-"
        drawn = self._live is not None and length >= SHORTEST
        bar = [("  " + dash * filled, "green"), (dash * (length - filled), "dim")] if drawn else []
        line = Text.assemble(place, *bar, "  ", first, "  ", last)
        line.no_wrap, line.overflow = True, "ellipsis" if unicode else "crop"
        return line


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours if there are any: 0:41, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
