"""A Tensor as HTML for a notebook: its numbers or images, and where it stands in the graph.

Imports: display. Read next: ``minigen/display/arrays.py``.
"""

from __future__ import annotations

from typing import Any

from minigen.display.arrays import array_html, statistics
from minigen.display.blocks import facts, frame


def tensor_html(t: Any) -> str:
    """What kind of Tensor it is, which Function made it, the range of its gradient, and what it holds."""
    title = f"{type(t).__name__} {t.shape}, {t.dtype}, {t.device}"
    return frame(title, facts(graph_facts(t)), array_html(t.data))


def graph_facts(t: Any) -> list[tuple[str, str]]:
    """What the engine knows of a Tensor: nothing to say of a constant."""
    if not t.requires_grad:
        return [("gradient", "none: it is a constant")]
    if t.node is not None:
        return [("made by", described_call(t.node))]
    if t.grad is None:
        return [("gradient", "a leaf, without a gradient so far")]
    found = statistics(t.grad.data)
    bad = "".join(f", {count:,} {name}" for count, name in ((found.nan, "NaN"), (found.infinite, "infinite")) if count)
    span = f"from {found.low:.4g} to {found.high:.4g}" if found.finite else "nothing finite"
    return [("gradient", f"a leaf; its gradient: {span}{bad}")]


def described_call(node: Any) -> str:
    """A Function with the shapes of its inputs, as in "MatMul of (64, 784) and Parameter (784, 128)"."""
    words = [f"{name}{x.shape}" if hasattr(x, "shape") else f"{x:g}" for x in node.inputs for name in [_kind(x)]]
    return f"{type(node).__name__} of {' and '.join(words)}" if words else type(node).__name__


def _kind(x: Any) -> str:
    return "" if type(x).__name__ in ("Tensor", "float", "int") else f"{type(x).__name__} "
