"""Draw the pictures of the page on the gradient checker.

    python docs/make/gradcheck_plot.py

``docs/images/gradcheck-steps.png``: the error of a central difference against its step, for five functions.
``docs/images/gradcheck-failure.png``: what `report.plot()` shows of a broken layer of the museum.

Imports: minigen.gradcheck, and the museum in tests. Read next: ``gradcheck.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np

from minigen.gradcheck import gradcheck
from minigen.gradcheck.numeric import FLOAT64_STEPS

DOCS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(DOCS.parent / "tests"))

from museum.gradients.exhibits import room  # noqa: E402

Number = Callable[[float], float]

# Each with its derivative, at x = 1; the kink is 3e-5 away.
CURVES: dict[str, tuple[Number, float]] = {
    "sin(x)": (np.sin, np.cos(1.0)),
    "sin(x) in float32": (lambda x: float(np.sin(np.float32(x))), np.cos(1.0)),
    "sin(x) + 1e6": (lambda x: np.sin(x) + 1e6, np.cos(1.0)),
    "sin(1000 x)": (lambda x: np.sin(1000 * x), 1000 * np.cos(1000.0)),
    "relu(x - 0.99997)": (lambda x: max(x - 0.99997, 0.0), 1.0),
}


def errors(f: Number, slope: float, steps: np.ndarray) -> np.ndarray:
    """How far the central difference at 1 is off, relative to the slope."""
    values = np.array([(f(1 + h) - f(1 - h)) / (2 * h) for h in steps])
    return np.maximum(np.abs(values - slope) / abs(slope), 1e-16)


def draw_steps(path: Path) -> None:
    """Error against step."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = np.logspace(-11, 0, 400)
    figure, axes = pyplot.subplots(figsize=(8, 4.8), dpi=110)
    for name, (f, slope) in CURVES.items():
        # The middle of each tenth of a decade and its neighbours: rounding is noise, of which the size is of interest.
        e = errors(f, slope, steps)
        smooth = np.exp(np.convolve(np.log(e), np.ones(9) / 9, "same"))
        axes.loglog(steps[4:-4], smooth[4:-4], label=name)
    for h in (FLOAT64_STEPS.first, FLOAT64_STEPS.second, *FLOAT64_STEPS.others):
        axes.axvline(h, color="0.85", zorder=0, linewidth=1 if h in FLOAT64_STEPS.others else 3)
    axes.text(2e-2, 1.2e-9, "truncation\n$h^2$", ha="center", color="0.35")
    axes.text(6e-11, 1.2e-9, "rounding\n$1/h$", ha="center", color="0.35")
    axes.set(xlabel="step h", ylabel="relative error of (f(1+h) - f(1-h)) / 2h", ylim=(1e-13, 10), xlim=(1e-11, 1))
    axes.legend(loc="lower right", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)


def draw_failure(path: Path) -> None:
    """A report as a figure."""
    (exhibit,) = (e for e in room("wrong") if e.name == "average_pool_last_window")
    fn, inputs = exhibit.draw(1)
    gradcheck(fn, *inputs, raise_on_failure=False).plot(path)


if __name__ == "__main__":
    draw_steps(DOCS / "images" / "gradcheck-steps.png")
    draw_failure(DOCS / "images" / "gradcheck-failure.png")
