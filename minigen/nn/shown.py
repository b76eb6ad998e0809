"""A Module as HTML for a notebook: its layers with their settings, the shapes of their parameters, and totals.

Imports: autograd, display. Read next: ``module.py``.
"""

from __future__ import annotations

from typing import Any

from minigen.autograd import Tensor
from minigen.display.blocks import facts, frame, note, table

ROWS = 100  # layers that are listed


def module_html(module: Any) -> str:
    """What there is in a Module. Output shapes need an input: ``module.summary(shape)`` has them."""
    parameters = module.parameters()
    total, frozen = (sum(p.size for p in some) for some in (parameters, [p for p in parameters if not p.requires_grad]))
    size = sum(p.data.nbytes for p in parameters)
    kinds = ", ".join(dict.fromkeys(f"{p.dtype} on {p.device}" for p in parameters))
    rows = [_row(path, layer) for path, layer in module._named_layers()]
    more = note(f"... and {len(rows) - ROWS:,} more") if len(rows) > ROWS else ""
    numbers = f"{total:,} ({size / 1e6:,.2f} MB, {kinds}{f'; {frozen:,} of them frozen' if frozen else ''})"
    about = [("parameters", numbers if total else "none"), ("mode", "training" if module.training else "evaluation")]
    listed = table(("name", "layer", "holds", "parameters"), rows[:ROWS], numbers=1) + more if rows else ""
    return frame(type(module).__name__, facts(about), listed)


def _row(path: str, layer: Any) -> tuple[str, str, str, str]:
    if isinstance(layer, Tensor):
        return path, type(layer).__name__ if layer.requires_grad else "buffer", str(layer.shape), f"{layer.size:,}"
    if not hasattr(layer, "parameters"):
        return path, layer.__name__, "", ""
    tensors = [(name, value) for name, value in layer._named_layers() if isinstance(value, Tensor)]
    count = sum(p.size for p in layer.parameters())
    return path, repr(layer), ", ".join(f"{name} {t.shape}" for name, t in tensors), f"{count:,}" if count else ""
