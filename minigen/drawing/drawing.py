"""`draw`: the operations that a result was made by, as a picture and as a table.

    mg.draw(loss, path="graph.svg", names={"x": x, "w": w})

What the engine remembers for the backward pass is all there is to draw: each Tensor has the Function that made it, and
this has its inputs. ``graph.py`` follows these links, ``modules.py`` finds which Modules ran, ``boxes.py`` decides what
becomes a box, ``layout.py`` where it stands, and ``picture.py`` and ``table.py`` write it down.

Imports: shapes, autograd, nn, graph, modules, boxes, picture. Read next: ``graph.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from minigen.autograd import Tensor
from minigen.drawing.boxes import boxes_of
from minigen.drawing.graph import Part, nodes_of
from minigen.drawing.modules import by_parameters, watching
from minigen.drawing.picture import Drawing, svg_path
from minigen.drawing.words import short
from minigen.nn import Module, Parameter
from minigen.shapes import flag, shown

Result = Tensor | Sequence[Tensor]


def draw(
    y: Result | Callable[[], Result],
    path: str | PathLike[str] | None = None,
    *,
    names: Module | Mapping[str, Tensor | Module] | None = None,
    values: bool = False,
    collapse: bool | None = None,
) -> Drawing:
    """The graph of a result, or of several: all operations that they were made by, with data above and results below.

    `y`: a Tensor; a list of them, where a gradient made with `create_graph` may be one, and the boxes are coloured by
    the first result that needs them; or a function without arguments that returns these. The function is called once,
    and while it runs it is seen which Module makes each operation.
    `path`: an SVG file to write. `names`: a Module, whose parameters get their names, or Tensors and Modules by name.
    `values`: also show the numbers, or their range and mean, and those of each `.grad` that there is.
    `collapse`: one box for all operations of a Module; by default only where there are more than 60 boxes without. Of
    Tensors that are already there, Modules are known by their parameters, so `names` has to hold them.

    The result shows itself in a notebook, is a table as text (`print`), and has the file's text as `svg`.

    ValueError: a result has no history. OSError: the file cannot be written.
    """
    values = flag("draw", "values", values)
    collapse = None if collapse is None else flag("draw", "collapse", collapse)
    path = None if path is None else svg_path(path)
    tensors, modules, buffers = _named(names)
    labels: dict[int, tuple[Part, ...]] = {}
    given: set[int] = set()
    if isinstance(y, Module):
        raise TypeError(
            f"draw: {type(y).__name__} is a Module; draw what it returns: draw(lambda: network(x), names=network)"
        )
    if callable(y):
        with watching(labels, given, modules):
            y = y()
        results = _results(y, "the function returned ")
    else:
        results = _results(y)
    if len(results) > 1:
        for i, t in enumerate(results):
            tensors.setdefault(id(t), f"result {i}")
    nodes = nodes_of(results, tensors)
    watched = any(labels.values())
    parts = labels if watched else by_parameters(nodes, modules)
    for node in nodes:
        node.parts = parts.get(id(node.function), ()) if node.function is not None else ()
        own = node.tensor.size == 1 or (watched and id(node.tensor) not in given)
        node.is_inner = node.kind == "parameter" or (
            node.kind == "constant" and (id(node.tensor) in buffers or (not node.name and own))
        )
    if collapse and not any(node.parts for node in nodes):
        raise ValueError(
            "draw: collapse=True needs to know the Modules, and none is known to have made an operation here: give "
            "names=network, or a function that makes the result, draw(lambda: loss(network(x)))"
        )
    drawing = Drawing(boxes_of(nodes, results, values=values, collapse=collapse))
    if path is not None:
        drawing.save(path)
    return drawing


def _results(y: Any, came: str = "") -> list[Tensor]:
    """The results, each of which has a history; errors say what came instead."""
    results = list(y) if isinstance(y, (list, tuple)) else [y]
    if not results or not all(isinstance(t, Tensor) for t in results):
        other = next((t for t in results if not isinstance(t, Tensor)), y)
        raise TypeError(
            f"draw: expected a Tensor, several, or a function that returns them; {came or 'got '}{shown(other)}"
        )
    for i, t in enumerate(results):
        if t.node is None:
            which = f"result {i}, {t!r}," if len(results) > 1 else repr(t)
            raise ValueError(
                f"draw: {which} has no history: nothing that it was made from requires a gradient, or it was made in "
                "no_grad or by a compiled step, or it is a gradient that was made without create_graph"
            )
    return results


def _named(names: Any) -> tuple[dict[int, str], dict[str, Module], set[int]]:
    """What `names` says: names of Tensors by their identity, Modules by name, and which Tensors are buffers."""
    if names is None:
        return {}, {}, set()
    given = {"": names} if isinstance(names, Module) else names
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise TypeError(f"draw: names is a Module, or Tensors and Modules by name, got {shown(names)}")
    tensors: dict[int, str] = {}
    modules: dict[str, Module] = {}
    buffers: set[int] = set()
    for key, one in given.items():
        name = short(key)
        if isinstance(one, Module):
            modules[name] = one
            for inner, t in one._named_tensors():
                tensors.setdefault(id(t), f"{name}.{inner}" if name else inner)
                if not isinstance(t, Parameter):
                    buffers.add(id(t))
        elif isinstance(one, Tensor):
            tensors[id(one)] = name
        else:
            raise TypeError(f"draw: names has a Tensor or a Module under each name, but under {key!r} {shown(one)}")
    return tensors, modules, buffers
