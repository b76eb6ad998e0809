"""A drawn graph: the SVG file, written by hand, and the object that shows it.

The file is one picture for light and dark: it has a background of its own, and follows the reader's colour scheme. Its
text can be selected, each box says more when the pointer rests on it, and a screen reader gets the table.

Imports: shapes, atomic, display, boxes, layout, table, words; rich. Read next: ``table.py``.
"""

from __future__ import annotations

import functools
import hashlib
import html
import os
from collections.abc import Sequence

from rich.cells import cell_len

from minigen.atomic import write_atomically
from minigen.display.blocks import safely
from minigen.drawing.boxes import Arrow, Box
from minigen.drawing.layout import Point, layout
from minigen.drawing.table import headline, table
from minigen.drawing.words import shown_letters
from minigen.shapes import file_path

TITLE, LINE = 13, 11  # pixels of the letters
LETTER = 0.61  # of a letter's height is its width, in the fonts for code
MARGIN, INSIDE = 16, 10
FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

STYLE = (
    """\
.mg-graph{--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#57606a;--none:#8c959f;font-family:FONT;
max-width:100%;height:auto;background:var(--paper)}
.mg-graph .paper{fill:var(--paper)}
.mg-graph text{fill:var(--ink);font-size:LINEpx;text-anchor:middle;white-space:pre}
.mg-graph .title{font-size:TITLEpx;font-weight:600}
.mg-graph .rest,.mg-graph .argument{fill:var(--soft)}
.mg-graph .argument{font-size:9px;text-anchor:start;stroke:var(--paper);stroke-width:3px;paint-order:stroke}
.mg-graph .legend{text-anchor:start}
.mg-graph rect{stroke-width:1.2}
.mg-graph .arrow{fill:none;stroke:var(--line);stroke-width:1.3}
.mg-graph .tip{fill:var(--line)}
.mg-graph .still.arrow{stroke:var(--none);stroke-dasharray:3 3;stroke-width:1}
.mg-graph .still.tip{fill:var(--none)}
.mg-graph .box.result rect{stroke-width:3}
.mg-graph .module rect{stroke-width:1.8}
.mg-graph .mark rect{fill:var(--paper);stroke:var(--line)}
.mg-graph .constant rect{fill:var(--paper);stroke:var(--none);stroke-dasharray:4 3}
.mg-graph .parameter rect{fill:#fff8c5;stroke:#9a6700}
.mg-graph .leaf rect{fill:#dafbe1;stroke:#1a7f37}
.mg-graph .first0 rect{fill:#ddf4ff;stroke:#0969da}
.mg-graph .first1 rect{fill:#fff1e5;stroke:#bc4c00}
.mg-graph .first2 rect{fill:#fbefff;stroke:#8250df}
.mg-graph .first3 rect{fill:#ffeff7;stroke:#bf3989}
@media (prefers-color-scheme:dark){
.mg-graph{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#9198a1;--none:#656c76}
.mg-graph .parameter rect{fill:#341a00;stroke:#d29922}
.mg-graph .leaf rect{fill:#04260f;stroke:#3fb950}
.mg-graph .first0 rect{fill:#051d4d;stroke:#4493f8}
.mg-graph .first1 rect{fill:#3d1300;stroke:#f0883e}
.mg-graph .first2 rect{fill:#271052;stroke:#ab7df8}
.mg-graph .first3 rect{fill:#42062a;stroke:#f778ba}
}
""".replace("FONT", FONT)
    .replace("LINE", str(LINE))
    .replace("TITLE", str(TITLE))
)

COLOURS = 4


class Drawing:
    """A graph that was drawn: `print` shows a table, a notebook the picture; `save` writes an SVG file."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = boxes

    @functools.cached_property
    def svg(self) -> str:
        """The picture, as the text of an SVG file."""
        return picture(self._boxes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file whose name ends in .svg: whole, or not at all."""
        write_atomically(svg_path(path, "Drawing.save"), self.svg.encode())

    def __str__(self) -> str:
        return table(self._boxes)

    def __repr__(self) -> str:
        return f"<Drawing of {headline(self._boxes)}>"

    def _repr_html_(self) -> str:
        return safely(lambda drawing: f'<div style="overflow-x:auto">{drawing.svg}</div>', self)


def svg_path(path: str | os.PathLike[str], name: str = "draw") -> str:
    """A path that ends in .svg; else ValueError."""
    path = file_path(name, path)
    if not path.lower().endswith(".svg"):
        raise ValueError(f"{name}: an SVG file is written, and its name ends in .svg, which {path!r} does not")
    return path


def picture(boxes: Sequence[Box]) -> str:
    """The text of an SVG file of these boxes and their arrows."""
    sizes = [size(box) for box in boxes]
    arrows = [(arrow, (arrow.source, i)) for i, box in enumerate(boxes) for arrow in box.inputs]
    found = layout(sizes, [ends for _, ends in arrows])
    flows = {source: arrow.flows for arrow, (source, _) in arrows}
    body = [_line(way, flows[source]) for source, way in found.trunks.items()]
    body += [_arrow(arrow, way, boxes[b]) for (arrow, (_, b)), way in zip(arrows, found.ways)]
    body += [_argument(arrow, way[-1]) for (arrow, (_, b)), way in zip(arrows, found.ways) if len(boxes[b].inputs) > 1]
    body += [_box(box, sizes[i], found.centres[i]) for i, box in enumerate(boxes)]
    legend, legend_size = _legend(boxes, found.height + 24)
    width = round(max(found.width, legend_size[0]) + 2 * MARGIN)
    height = round(found.height + 24 + legend_size[1] + 2 * MARGIN)
    shift = (width - 2 * MARGIN - found.width) / 2
    words = [headline(boxes), table(boxes)]
    text = "\n".join([*words, *body]).encode("utf-8", "backslashreplace")
    key = hashlib.sha256(text).hexdigest()[:8]  # ids that are the page's only ones
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mg-graph" role="img" aria-labelledby="t{key} d{key}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<title id="t{key}">{_escape(words[0])}</title>',
        f'<desc id="d{key}">{_escape(words[1])}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        f'<g transform="translate({round(MARGIN + shift)} {MARGIN})">',
        *body,
        "</g>",
        f'<g transform="translate({MARGIN} {MARGIN})">',
        *legend,
        "</g>",
        "</svg>",
        "",
    ])  # fmt: skip


def size(box: Box) -> Point:
    """Width and height of a box, so that its words have room."""
    title, lines = box.title, box.words
    widest = max(cell_len(title) * TITLE, *(cell_len(line) * LINE for line in lines)) * LETTER
    return max(48.0, widest + 2 * INSIDE), 2 * 7 + TITLE + len(lines) * (LINE + 4)


def _box(box: Box, of: Point, centre: Point) -> str:
    (width, height), (x, y) = of, centre
    top = y - height / 2
    kind = f"first{box.first % COLOURS} {box.kind}" if box.kind in ("operation", "module") else box.kind
    corner = 4 if box.kind in ("operation", "module") else LINE
    texts = [f'<text class="title" x="{x:.0f}" y="{top + 7 + TITLE - 2:.0f}">{_escape(box.title)}</text>']
    for i, line in enumerate(box.words):
        y = top + 7 + TITLE + (i + 1) * (LINE + 4) - 3
        texts.append(f'<text class="rest" x="{x:.0f}" y="{y:.0f}">{_escape(line)}</text>')
    return (
        f'<g class="box {kind}{" result" * bool(box.results)}"><title>{_escape(box.tooltip)}</title>'
        f'<rect x="{x - width / 2:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="{corner}"/>'
        f"{''.join(texts)}</g>"
    )


def _arrow(arrow: Arrow, way: Sequence[Point], to: Box) -> str:
    """An arrow and its tip."""
    x, y = way[-1]
    flows = "a gradient flows back" if arrow.flows else "no gradient flows back"
    title = f"{arrow.argument or 'input'} of {to.title}: {arrow.shape}, {flows}"
    tip = f'<path class="{"still " * (not arrow.flows)}tip" d="M{x:.0f} {y:.0f}l-3.5 -7h7z"/>'
    return f"<g><title>{_escape(title)}</title>{_line(way, arrow.flows)}{tip}</g>"


def _line(way: Sequence[Point], flows: bool) -> str:
    """A line: straight within a layer, a curve between two."""
    words = [f"M{way[0][0]:.0f} {way[0][1]:.0f}"]
    for i, ((x0, y0), (x1, y1)) in enumerate(zip(way, way[1:])):
        bend = (y1 - y0) / 2
        curve = f"C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}"
        words.append(curve if i % 2 else f"V{y1:.0f}")
    return f'<path class="{"still " * (not flows)}arrow" d="{"".join(words)}"/>'


def _argument(arrow: Arrow, tip: Point) -> str:
    """The name of the argument, if it is short, beside the tip of its arrow."""
    name = arrow.argument if len(arrow.argument) <= 6 else ""
    return f'<text class="argument" x="{tip[0] + 5:.0f}" y="{tip[1] - 3:.0f}">{_escape(name)}</text>' * bool(name)


def _legend(boxes: Sequence[Box], top: float) -> tuple[list[str], Point]:
    """What the colours and lines mean, as far as they occur; and its size."""
    kinds = {box.kind for box in boxes}
    several = len({box.first for box in boxes}) > 1
    items: list[tuple[str, str]] = [
        (f"box {kind}", kind) for kind in ("leaf", "parameter", "constant") if kind in kinds
    ]
    for first in sorted({box.first for box in boxes if box.kind in ("operation", "module")}):
        result = [box.label for box in boxes if first in box.results]
        words = f"made for {result[0]}" if several and result else "operation"
        items.append((f"box first{first % COLOURS}", words))
    items.append(("box mark result", "result"))
    if any(not arrow.flows for box in boxes for arrow in box.inputs):
        items.append(("still", "no gradient flows back"))
    parts, x = [], 0.0
    for style, words in items:
        mark = f'<rect x="{x:.0f}" y="{top:.0f}" width="14" height="10" rx="3"/>'
        if style == "still":
            mark = f'<path class="still arrow" d="M{x:.0f} {top + 5:.0f}h16"/>'
        text = f'<text class="legend rest" x="{x + 20:.0f}" y="{top + 9:.0f}">{_escape(words)}</text>'
        parts.append(f'<g class="{style}">{mark}{text}</g>')
        x += 20 + cell_len(words) * LINE * LETTER + 18
    return parts, (x - 18, 12.0)


def _escape(text: str) -> str:
    """Text as XML, without the characters that XML forbids."""
    return html.escape("\n".join(map(shown_letters, text.split("\n"))))
