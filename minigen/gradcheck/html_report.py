"""A report as HTML for a notebook: self-contained, without scripts, readable on a light and on a dark background.

Colours are set only where they carry meaning, and then half transparent, over the notebook's own colours.

Imports: text, figure. Read next: ``figure.py``.
"""

from __future__ import annotations

from html import escape

import numpy as np

from minigen.gradcheck.figure import tiled
from minigen.gradcheck.text import HEAD, Data, array, cells, diagnosis, evidence, footer, headline

COLORS = {
    "OK": "46,160,67", "WRONG": "218,54,51", "KINK": "163,113,247", "PRECISION": "210,153,34", "VACUOUS": "210,153,34",
}  # fmt: skip
CELL = "padding:1px 8px;text-align:left;white-space:nowrap"
MOST = 64  # rows and columns of a map that is drawn


def to_html(report: Data) -> str:
    """A report as HTML."""
    failure, verdict = report["failure"], report["verdict"]
    style = f"background:rgba({COLORS[verdict]},.25);border-radius:4px;padding:1px 6px"
    rest = escape(headline(report).removeprefix(verdict))
    parts = [f'<div style="font-weight:600"><span style="{style}">{escape(verdict)}</span>{rest}</div>']
    if failure is not None:
        pairs = [*diagnosis(failure), *evidence(failure)]
        lines = "".join(
            f'<tr><td style="{CELL};vertical-align:top;font-weight:600">{escape(label)}</td>'
            f'<td style="padding:1px 8px;text-align:left;white-space:pre-wrap">{escape(text)}</td></tr>'
            for label, text in pairs
        )
        parts.append(f"<table>{lines}</table>")
        if failure["maps"] is not None:
            parts.append(_maps(failure["maps"]))
    parts.append(_table(report))
    parts += [f'<div style="opacity:.75">{escape(line)}</div>' for line in footer(report)]
    return f'<div style="font-size:90%;line-height:1.5">{"".join(parts)}</div>'


def _table(report: Data) -> str:
    if not report["rows"]:
        return ""
    head = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in HEAD)
    rows = []
    for row in map(cells, report["rows"]):
        plain = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in row[:-1])
        verdict = f'<td style="{CELL};background:rgba({COLORS[row[-1]]},.25)">{escape(row[-1])}</td>'
        rows.append(f"<tr>{plain}{verdict}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


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
    return (
        f'<table style="border-collapse:collapse;margin:4px 8px">{rows}</table>'
        f'<div style="opacity:.75;margin:0 8px">{escape(caption)}</div>'
    )


def _cell(part: float, value: float, gap: bool) -> str:
    if gap:
        return '<td style="padding:2px;border:none"></td>'
    color = 1.0 if not np.isfinite(part) else float(part)
    style = f"padding:6px;border:1px solid rgba(128,128,128,.4);background:rgba({COLORS['WRONG']},{color:.2f})"
    return f'<td title="{value:.4g}" style="{style}"></td>'
