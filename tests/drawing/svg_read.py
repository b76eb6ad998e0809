"""A reader of drawn SVG files, which is strict: valid XML, each box with its words inside, each line where it may be.

Read next: ``test_draw.py``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

from minigen.autograd import Tensor

NS = "{http://www.w3.org/2000/svg}"
#: The width of a letter of monospaced fonts in parts of its size: DejaVu and Menlo 0.602, Courier 0.600, Consolas 0.55.
LETTER = 0.602


@dataclass
class DrawnBox:
    """A box: its classes, place and words."""

    kinds: list[str]
    left: float
    top: float
    right: float
    bottom: float
    words: list[str]
    tooltip: str


@dataclass
class Drawn:
    """An SVG file: its boxes, its lines as the points that they pass, and the tooltips of its arrows."""

    text: str
    boxes: list[DrawnBox] = field(default_factory=list)
    lines: list[list[tuple[float, float]]] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    still: int = 0  # arrows without a gradient

    def __post_init__(self) -> None:
        root = ET.fromstring(self.text)
        self.title, self.desc = (str(root.findtext(f"{NS}{name}")) for name in ("title", "desc"))
        assert root.get("role") == "img" and self.title and self.desc
        ids = [one.get("id") for one in root.iter() if one.get("id")]
        assert str(root.get("aria-labelledby")).split() == ids
        self.width, self.height = float(root.attrib["width"]), float(root.attrib["height"])
        assert root.attrib["viewBox"] == f"0 0 {self.width:.0f} {self.height:.0f}"
        body, legend = root.findall(f"{NS}g")
        assert not list(root.iter(f"{NS}script")) and "http" not in self.text.replace(NS[1:-1], "")
        self.legend = [str(one.text) for one in legend.iter(f"{NS}text")]
        for one in body:
            if (rect := one.find(f"{NS}rect")) is not None:
                self._box(one, rect)
            elif one.tag == f"{NS}g":
                self.arrows.append(str(one.findtext(f"{NS}title")))
                self.still += "still" in one.findall(f"{NS}path")[0].attrib["class"]
        for path in body.iter(f"{NS}path"):
            if "tip" not in path.attrib["class"]:
                self.lines.append(points(path.attrib["d"]))

    def _box(self, one: ET.Element, rect: ET.Element) -> None:
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        words = []
        for text in one.findall(f"{NS}text"):
            size = 13 if text.attrib["class"] == "title" else 11
            words.append(str(text.text))
            middle, base = float(text.attrib["x"]), float(text.attrib["y"])
            half = len(words[-1]) * size * LETTER / 2
            assert x + 2 <= middle - half and middle + half <= x + width - 2, words
            assert y + 2 <= base - 0.8 * size and base + 0.25 * size <= y + height, words
        assert 0 <= x and x + width <= self.width and 0 <= y and y + height <= self.height
        tooltip = str(one.findtext(f"{NS}title"))
        self.boxes.append(DrawnBox(one.attrib["class"].split(), x, y, x + width, y + height, words, tooltip))

    def check_places(self) -> None:
        """No two boxes overlap, no line goes up, and none passes over a box."""
        for i, a in enumerate(self.boxes):
            for b in self.boxes[:i]:
                apart = a.right < b.left or b.right < a.left or a.bottom < b.top or b.bottom < a.top
                assert apart, (a.words, b.words)
        for line in self.lines:
            for (x0, y0), (x1, y1) in zip(line, line[1:]):
                assert y0 <= y1, line
                low, high = min(x0, x1), max(x0, x1)
                for box in self.boxes:  # a curve stays in the rectangle between its ends
                    over = low < box.right and box.left < high if low < high else box.left < low < box.right
                    assert not (over and y0 < box.bottom - 1 and box.top + 1 < y1), (line, box.words)


def points(d: str) -> list[tuple[float, float]]:
    """The ends of the parts of a path of M, V and C."""
    found: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([A-Z])([^A-Z]*)", d):
        values = [float(v) for v in numbers.split()]
        if command == "V":
            found.append((found[-1][0], values[0]))
        else:
            assert command in "MC" and len(values) == (2 if command == "M" else 6)
            found.append((values[-2], values[-1]))
    return found


def rows(table: str) -> list[tuple[str, list[int], str]]:
    """Title, inputs and the rest of each row of the table, without the lines of values."""
    _, head, *lines = table.splitlines()
    name, source, shape = head.index("made by"), head.index("from"), head.index("shape")
    found = []
    for line in lines:
        if line[: name - 2].strip():
            assert int(line[: name - 2]) == len(found)
            inputs = [int(n) for n in line[source : shape - 2].replace(",", " ").split()]
            found.append((line[name : source - 2].strip(), inputs, line[shape:].strip()))
    return found


def walked(tensors: list[Tensor]) -> tuple[list[Any], set[int]]:
    """All Functions that results were made by, in the order of time, and the ids of all leaves: found independently."""
    functions: dict[int, Any] = {}
    leaves: set[int] = set()

    def visit(t: Any) -> None:
        if isinstance(t, Tensor):
            if t.node is None:
                leaves.add(id(t))
            elif t.node.sequence not in functions:
                functions[t.node.sequence] = t.node
                for x in t.node.inputs:
                    visit(x)

    for t in tensors:
        visit(t)
    return [functions[k] for k in sorted(functions)], leaves
