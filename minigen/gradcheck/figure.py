"""A report as a figure. Of a failure: both gradients and their difference as heat maps, and the error against the step.

The error of a right gradient falls with the step (truncation, along t^2) until rounding makes it rise (along 1/t). That
of a wrong one is the same at every step.

Imports: text; matplotlib, when there is something to draw. Read next: ``check.py``.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from minigen.gradcheck.text import Data, array, diagnosis, headline
from minigen_kernels import Array


def to_figure(report: Data) -> Any:
    """A report as a matplotlib Figure."""
    from matplotlib.figure import Figure

    failure = report["failure"]
    maps = None if failure is None else failure["maps"]
    if maps is not None and not array(maps["analytic"]).size:
        maps = None
    if failure is None or (maps is None and not failure["ladder"]):
        return _overview(Figure, report)
    fig = Figure(figsize=(10, 6.4 if maps else 4), layout="constrained")
    # The first line of an explanation: the small map below it says less than the pictures.
    words = [headline(report), *(f"{label}: {text}".split("\n")[0] for label, text in diagnosis(failure)[:1])]
    fig.suptitle("\n".join(textwrap.fill(line, 110) for line in words), fontsize=10, ha="left", x=0.01)
    rows = [part for part in ("maps" if maps else "", "ladder" if failure["ladder"] else "") if part]
    parts = dict(zip(rows, fig.subfigures(len(rows), 1, squeeze=False)[:, 0], strict=True))
    if maps:
        _maps(parts["maps"], maps, failure["index"])
    if failure["ladder"]:
        _ladder(parts["ladder"], failure)
    return fig


def _maps(fig: Any, maps: Data, index: Any) -> None:
    """The analytic and numeric gradient on one colour scale, their difference on its own."""
    analytic, numeric = array(maps["analytic"]), array(maps["numeric"])
    with np.errstate(all="ignore"):
        difference = analytic - numeric
    common = _largest(analytic, numeric)
    panels = (("analytic", analytic, common), ("numeric", numeric, common),
              ("analytic - numeric", difference, _largest(difference)))  # fmt: skip
    axes = fig.subplots(1, 3)
    for ax, (name, values, limit) in zip(axes, panels, strict=True):
        picture, reading = tiled(values)
        image = ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
        ax.set_facecolor("0.6")  # gaps between blocks, and NaN
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=7)
        for axis, is_index in ((ax.xaxis, values.ndim in (1, 2)), (ax.yaxis, values.ndim == 2)):
            if is_index:
                axis.get_major_locator().set_params(integer=True)
            else:
                axis.set_ticks([])
        if name.startswith("analytic -") and index is not None:
            mark = np.zeros(values.shape)
            mark[tuple(index)] = 1
            down, across = np.argwhere(np.nan_to_num(tiled(mark)[0]) == 1)[0]
            ax.plot(across, down, "s", ms=9, mfc="none", mec="black")
        bar = fig.colorbar(image, ax=ax, fraction=0.05)
        bar.ax.tick_params(labelsize=7)
    fig.supxlabel(f"shape {analytic.shape}: {reading}; the square marks the worst element", fontsize=8)


def _largest(*values: Array) -> float:
    """The largest finite absolute value, for a colour scale around 0."""
    sizes = np.concatenate([np.abs(v).ravel() for v in values])
    largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))
    return largest or 1.0


def _ladder(fig: Any, failure: Data) -> None:
    """|analytic - numeric| at each step, and the distance of the numeric derivative from its own best value."""
    step, numeric, difference = array(failure["ladder"]).T
    own = np.abs(numeric - float(failure["numeric"]))
    ax = fig.subplots()
    shown = False
    for label, values, style in (
        ("|analytic - numeric|", difference, "o-C3"),
        ("numeric: distance from its best value", own, "s--C0"),
    ):
        drawn = np.isfinite(values) & (values > 0)
        shown = shown or bool(drawn.any())
        ax.plot(step[drawn], values[drawn], style, label=label, ms=4, lw=1.2)
    if shown:
        ax.set_xscale("log")
        ax.set_yscale("log")
    ax.set_xlabel("step, relative to the size of the number that is moved", fontsize=9)
    ax.set_ylabel("error", fontsize=9)
    place = "" if failure["index"] is None else f" at index {tuple(failure['index'])}"
    ax.set_title(f"{failure['tensor']}{place}: error against step", fontsize=10)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)


def _overview(figure_class: Any, report: Data) -> Any:
    """For each gradient its relative error, and the smallest error that would have been noticed."""
    rows = [row for row in report["rows"] if row["verdict"] != "VACUOUS"]
    fig = figure_class(figsize=(8, 1.5 + 0.28 * max(len(rows), 1)), layout="constrained")
    ax = fig.subplots()
    ax.set_title(textwrap.fill(headline(report), 90), fontsize=10)
    if not rows:
        ax.text(0.5, 0.5, "nothing to draw: no gradient but zero was compared", ha="center", transform=ax.transAxes)
        ax.set_axis_off()
        return fig
    places = np.arange(len(rows))[::-1]
    noticed = array([row["resolution"] for row in rows])
    error = np.maximum(array([row["max_rel_error"] for row in rows]), 1e-17)
    ax.hlines(places, error, noticed, color="0.7", lw=1)
    ax.plot(error, places, "oC0", label="relative error found")
    ax.plot(noticed, places, "|C3", ms=12, mew=2, label="smallest that would be noticed")
    ax.set_xscale("log")
    ax.set_xlim(1e-17, 10)
    ax.set_yticks(places, [f"order {row['order']}: {row['tensor']}" for row in rows], fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", alpha=0.3)
    fig.legend(fontsize=8, loc="outside lower center", ncols=2)
    return fig


def tiled(a: Array) -> tuple[Array, str]:
    """A tensor of any rank as a matrix of tiles with NaN in the gaps between them; and a caption that explains it.

    A number is one cell, a vector a row, a matrix itself. Of (C, H, W) the C images stand in a row; of (N, C, H, W) the
    rows are n and the columns c; with more axes, the first ones together count as N.
    """
    if not a.size:
        return np.zeros((0, 0)), "no elements"
    if a.ndim < 2:
        return a.reshape(1, -1), "axis 0 across" if a.ndim else "one number"
    if a.ndim == 2:
        return a, "axis 0 down, axis 1 across"
    tiles = a.reshape(-1, *a.shape[-3:])
    down, across, height, width = tiles.shape
    picture = np.full((down * (height + 1), across * (width + 1)), np.nan)
    for i in range(down):
        for j in range(across):
            top, left = i * (height + 1), j * (width + 1)
            picture[top : top + height, left : left + width] = tiles[i, j]
    last = a.ndim - 1
    order = f"axis {last - 1} down and axis {last} across in each block, axis {last - 2} from block to block"
    rows = "" if a.ndim == 3 else ", axis 0 from row to row" if a.ndim == 4 else ", the axes before from row to row"
    return picture[:-1, :-1], order + rows
