"""The networks of a run as programs that a page computes, and the JavaScript that computes them.

Imports: onnx, runs. Read next: ``minigen/onnx/program.py``, ``minigen/pages/static/forward.js``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigen.onnx.program import program
from minigen.runs.parts import examples, networks_of, part_of
from minigen.runs.trained import Trained

STATIC = Path(__file__).parent.parent / "pages" / "static"


def program_of(trained: Trained, part: str | None = None) -> dict[str, Any]:
    """A part of a run as a program (see ``minigen/runs/parts.py``); None: that which makes images.

    ConfigError: the model has no such part. ExportError: a page has no operation for it.
    """
    _, chosen = part_of(trained, part)
    return program(
        chosen.function, examples(trained, chosen), input_names=chosen.inputs, output_names=chosen.outputs,
        modules=networks_of(trained),
    )  # fmt: skip


def forward_source() -> str:
    """The text of all scripts that compute programs, for a worker: ``forward.js`` and the operations."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("forward*.js")))
