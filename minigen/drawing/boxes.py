"""What becomes a box: each operation and each leaf, or all operations of one call of a Module together.

Operations are joined only if they ran one after another. Then no way leads out of a box and back into it, and the boxes
are again a graph without circles.

Imports: autograd, graph, modules, words. Read next: ``layout.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minigen.autograd import Tensor
from minigen.drawing.graph import Node
from minigen.drawing.modules import common
from minigen.drawing.words import settings, shape_words, usual_dtype, value_lines

MOST = 60  # boxes that can be taken in; more are joined by Module


class Group(NamedTuple):
    """The nodes of a box; if they are joined, it is that of a Module, and holds the parameters, too."""

    nodes: list[Node]
    joined: bool = False


@dataclass(frozen=True)
class Arrow:
    """From the box of number `source`: the name of the argument, its shape, and whether a gradient flows back."""

    source: int
    argument: str
    shape: str
    flows: bool


@dataclass(eq=False)
class Box:
    """A box: words only, so that it keeps no Tensor alive."""

    kind: str  # "operation", "module", "parameter", "leaf", "constant"
    title: str
    shape: str
    first: int  # the number of the first result that needs it
    label: str = ""  # the name that was given, or else what it is
    operations: int = 0
    notes: list[str] = field(default_factory=list)  # what the table says of it, too
    facts: list[str] = field(default_factory=list)  # what only the tooltip says
    values: list[str] = field(default_factory=list)
    results: list[int] = field(default_factory=list)  # the numbers of those that are in it
    inputs: list[Arrow] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The lines below the title."""
        return [*(self.notes if self.kind == "module" else []), self.shape, *self.values]

    @property
    def tooltip(self) -> str:
        """All that is known of it."""
        return "\n".join([self.title, *self.notes, self.shape, *self.facts, *self.values])


def boxes_of(nodes: Sequence[Node], results: Sequence[Tensor], *, values: bool, collapse: bool | None) -> list[Box]:
    """The boxes, each after those that it has arrows from."""
    groups = _groups(nodes, collapse)
    usual = usual_dtype(nodes)
    numbers = {id(t): i for i, t in enumerate(results)}
    place = {node: i for i, group in enumerate(groups) for node in group.nodes}
    used = {x for node in place for _, x in node.inputs if place.get(x) != place[node]}
    boxes = []
    for i, (group, joined) in enumerate(groups):
        outer = [node for node in group if node in used or id(node.tensor) in numbers]
        box = _joined(group, outer, usual) if joined else _single(group[0], usual)
        box.results = [numbers[id(node.tensor)] for node in outer if id(node.tensor) in numbers]
        for node in outer if values else ():
            box.values += value_lines(node.tensor.data)
            box.values += [] if node.tensor.grad is None else value_lines(node.tensor.grad.data, "grad ")
        arrows = [
            Arrow(place[x], "" if joined else argument, shape_words(x.tensor, usual), x.tensor.requires_grad)
            for node in group
            for argument, x in node.inputs
            if place.get(x, i) != i
        ]
        box.inputs = list({arrow.source: arrow for arrow in arrows}.values()) if joined else arrows
        boxes.append(box)
    return boxes


def _groups(nodes: Sequence[Node], collapse: bool | None) -> list[Group]:
    """Nodes in their boxes: each alone; or joined, at the deepest level of Modules that leaves few enough.

    Where none does, what ran between Modules is joined, too.
    """
    alone = [Group([node]) for node in nodes]
    depth = max(len(node.parts) for node in nodes)
    if collapse is False or not depth or (collapse is None and len(alone) <= MOST):
        return alone
    ways = [_joined_at(nodes, level, between) for between in (False, True) for level in range(depth, 0, -1)]
    return next((way for way in ways if len(way) <= MOST), min(ways, key=len))


def _joined_at(nodes: Sequence[Node], level: int, between: bool) -> list[Group]:
    """Operations joined that ran one after another in the same call of a Module; and those in none, if asked for."""
    runs: list[list[Node]] = []
    before: object = None
    for node in nodes:
        if node.function is not None:
            key = (node.first, [part.key for part in node.parts[:level]])
            if key == before and (node.parts or between):
                runs[-1].append(node)
            else:
                runs.append([node])
            before = key
    users: dict[Node, list[Group]] = {}
    groups = [Group(run, len(run) > 1 or any(_is_inside(run[0], x) for _, x in run[0].inputs)) for run in runs]
    for group in groups:
        for x in dict.fromkeys(x for node in group.nodes for _, x in node.inputs):
            users.setdefault(x, []).append(group)
    ahead: dict[int, list[Group]] = {}  # of a group, the leaves that stand before it
    for leaf in nodes:
        if leaf.function is None and not all(
            group.joined and _is_inside(group.nodes[0], leaf) for group in users[leaf]
        ):
            ahead.setdefault(id(users[leaf][0]), []).append(Group([leaf]))
    return [one for group in groups for one in [*ahead.get(id(group), []), group]]


def _is_inside(user: Node, leaf: Node) -> bool:
    """Does a leaf belong to the Module that uses it?"""
    return leaf.function is None and bool(user.parts) and leaf.is_inner


def _single(node: Node, usual: np.dtype[Any]) -> Box:
    """The box of one node."""
    t = node.tensor
    box = Box(node.kind, "", shape_words(t, usual), node.first)
    if node.function is None:
        box.label = box.title = node.name or node.kind
        if node.kind == "constant" and not node.name and t.size == 1:
            box.title = value_lines(t.data)[0].strip()
        box.notes = [node.kind] if node.kind != box.title else []
    else:
        box.operations = 1
        box.label = node.name or type(node.function).__name__
        numbers = "".join(f", {name} = {value:g}" for name, value in node.numbers)
        box.title = f"{node.name} = " * bool(node.name) + type(node.function).__name__ + numbers
        box.facts = [settings(node.function)] if settings(node.function) else []
        box.notes = ["changed in place since: no gradient flows here"] if node.is_stale else []
        box.facts += [f"in {part.words}" for part in node.parts[-1:]]
    return box


def _joined(group: Sequence[Node], outer: Sequence[Node], usual: np.dtype[Any]) -> Box:
    """The box of several operations: what all of them are part of names it."""
    parts = group[0].parts
    for node in group:
        parts = common(parts, node.parts)
    operations = f"{len(group)} operations" if len(group) > 1 else type(group[0].function).__name__
    kinds = [part.kind for part in parts[-1:] if part.kind not in (part.path, operations)]
    shapes = list(dict.fromkeys(shape_words(node.tensor, usual) for node in outer))
    names = [node.name for node in outer if node.name]
    title = parts[-1].words if parts else "between Modules"
    label = ", ".join(names) or title
    parameters = {x for node in group for _, x in node.inputs if x.kind == "parameter"}
    return Box(
        "module",
        f"{label} = {title}" if names else title,
        ", ".join(shapes[:3]) + ", ..." * (len(shapes) > 3),
        group[0].first,
        label,
        len(group),
        [", ".join([*kinds, operations])],
        [
            ", ".join(type(node.function).__name__ for node in group),
            *[f"{sum(x.tensor.size for x in parameters):,} numbers in parameters"] * bool(parameters),
        ],
    )
