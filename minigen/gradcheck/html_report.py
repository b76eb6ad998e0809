"""A report as HTML for a notebook, made of the blocks of ``minigen/display/``, with a colour for each verdict.

Imports: display, text, figure. Read next: ``figure.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.display.blocks import Mark, facts, frame, note, table
from minigen.gradcheck.figure import tiled
from minigen.gradcheck.text import HEAD, Data, array, cells, diagnosis, evidence, footer, headline

COLORS = {
    "OK": "46,160,67", "WRONG": "218,54,51", "KINK": "163,113,247", "PRECISION": "210,153,34", "VACUOUS": "210,153,34",
}  # fmt: skip
MOST = 64  # rows and columns of a map that is drawn


def to_html(report: Data) -> str:
    """A report as HTML."""
    failure, verdict = report["failure"], report["verdict"]
    parts = []
    if failure is not None:
        parts.append(facts([*diagnosis(failure), *evidence(failure)]))
        if failure["maps"] is not None:
            parts.append(_maps(failure["maps"]))
    rows = [[*row[:-1], Mark(row[-1], COLORS[row[-1]])] for row in map(cells, report["rows"])]
    parts += [table(HEAD, rows)] if rows else []
    badge = Mark(verdict, COLORS[verdict])
    return frame(headline(report).removeprefix(verdict), *parts, *map(note, footer(report)), badge=badge)


def _maps(maps: Data) -> str:
    """The difference of both gradients: a cell for each element, the redder the larger; its tooltip is the number."""
    analytic, numeric = array(maps["analytic"]), array(maps["numeric"])
    with np.errstate(all="ignore"):
        picture, reading = tiled(np.abs(analytic - numeric))
    if not picture.size or max(picture.shape) > MOST:
        return ""
    finite = picture[np.isfinite(picture)]
    largest = float(finite.max(initial=0.0)) or 1.0
    gap = np.isnan(tiled(np.zeros(analytic.shape))[0])
    rows = "".join(f"<tr>{''.join(map(_cell, line / largest, line, no))}</tr>" for line, no in zip(picture, gap))
    caption = f"|analytic - numeric|, up to {largest:.3g}; {reading}"
    return f'<table style="border-collapse:collapse;margin:4px 8px">{rows}</table>{note(caption)}'


def _cell(part: float, value: float, gap: bool) -> str:
    if gap:
        return '<td style="padding:2px;border:none"></td>'
    color = 1.0 if not np.isfinite(part) else float(part)
    style = f"padding:6px;border:1px solid rgba(128,128,128,.4);background:rgba({COLORS['WRONG']},{color:.2f})"
    return f'<td title="{value:.4g}" style="{style}"></td>'
