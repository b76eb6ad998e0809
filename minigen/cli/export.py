"""``minigen export``: a part of a trained model as an ONNX file, for other runtimes.

Imports: runs. Read next: ``opening.py``, ``minigen/runs/parts.py``.
"""

from __future__ import annotations

import click

from minigen.cli.console import echo
from minigen.cli.opening import opens_run
from minigen.cli.output import ONNX, Output
from minigen.runs import Run
from minigen.runs.parts import PARTS


@click.command()
@click.argument("run")
@click.option("-o", "--output", metavar="FILE.onnx", required=True, help="the ONNX file; an old one is replaced")
@click.option("--part", type=click.Choice(PARTS), help="what of the model  [default: what makes images]")
@click.option("--opset", type=click.IntRange(17, 22), default=20, show_default=True, help="version of the operations")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--fold", is_flag=True, help="multiply batch norm into the weights of the layer before it")
@opens_run({".onnx": ONNX})
def export(run: Run, target: Output, part: str | None, opset: int, dtype: str, fold: bool) -> None:
    """Write a part of a trained model as an ONNX file.

    RUN is the folder of a run. The file takes any number of samples. It is checked, and where onnxruntime is
    installed, run and compared with minigen before it is written: a difference is an error. Inputs and outputs of
    each part, and what the file says about the model, are in docs/onnx.md.
    """
    target.check()
    made = run.export(target.path, part, opset=opset, dtype=dtype, fold=fold)
    proof = (
        "not run, as onnxruntime is not installed"
        if made.difference is None
        else f"onnxruntime differs from minigen by {made.difference:.1e}, on extreme inputs by {made.extreme:.1e}"
    )
    echo(
        f"{target.name}: {', '.join(made.inputs)} to {', '.join(made.outputs)}, {made.nodes} operations, "
        f"{made.size / 1000:,.0f} kB, by {run.checkpoint_path}"
    )
    echo(f"checked; {proof}")
