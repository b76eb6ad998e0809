"""The networks of a run as programs that a page computes, and the JavaScript that computes them.

Imports: onnx, runs. Read next: ``minigen/onnx/program.py``, ``minigen/pages/static/forward.js``.
"""

from __future__ import annotations

from typing import Any

from minigen.onnx.program import program
from minigen.runs.parts import examples, networks_of, part_of
from minigen.runs.trained import Trained

#: The scripts that compute programs, in ``minigen/pages/static/``: the interpreter, then its operations.
FORWARD = (
    "forward.js", "forward_elementwise.js", "forward_shape.js", "forward_reduce.js", "forward_images.js",
    "forward_kernel.js", "forward_matrices.js", "forward_linear.js",
)  # fmt: skip


def program_of(trained: Trained, part: str | None = None) -> dict[str, Any]:
    """A part of a run as a program (see ``minigen/runs/parts.py``); None: that which makes images.

    ConfigError: the model has no such part. ExportError: a page has no operation for it.
    """
    _, chosen = part_of(trained, part)
    return program(
        chosen.function, examples(trained, chosen), input_names=chosen.inputs, output_names=chosen.outputs,
        modules=networks_of(trained),
    )  # fmt: skip
