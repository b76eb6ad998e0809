"""``minigen export``: a part of a trained model as an ONNX file, for other runtimes.

Imports: runs. Read next: ``opening.py``, ``minigen/runs/parts.py``.
"""

from __future__ import annotations

import click

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import opens_run
from minigen.cli.output import ONNX, WEIGHTS, Output
from minigen.runs import Run
from minigen.runs.networks import part_of
from minigen.runs.parts import PARTS
from minigen.weights import SUFFIXES, write
from minigen.weights.exchange import input_shape_of


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    help="a .onnx file, or weights: .safetensors, .pt, .keras, .weights.h5",
)
@click.option(
    "--part",
    metavar="PART",
    help=f"{', '.join(PARTS)}; of weights a network  [default: what makes images; all weights]",
)
@click.option("--opset", type=click.IntRange(17, 22), help="version of the operations  [default: 20]")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="of the ONNX file  [default: float32]")
@click.option("--fold", is_flag=True, help="multiply batch norm into the weights of the layer before it")
@opens_run({".onnx": ONNX, **dict.fromkeys(SUFFIXES, WEIGHTS)})
def export(run: Run, target: Output, part: str | None, opset: int | None, dtype: str | None, fold: bool) -> None:
    """Write a part of a trained model as an ONNX file, or its weights for PyTorch or Keras.

    RUN is the folder of a run. An ONNX file takes any number of samples. It is checked, and where onnxruntime is
    installed, run and compared with minigen before it is written: a difference is an error. Inputs and outputs of
    each part, and what the file says about the model, are in docs/onnx.md; names of weights in docs/weights.md.
    """
    target.check()
    if target.kind is WEIGHTS:
        if opset or dtype or fold:
            raise ConfigError(
                f"--opset, --dtype and --fold are for a .onnx file; {target.name} holds the weights as they are"
            )
        module = part_of(run.experiment.modules, part)
        write(module, target.path, input_shape_of(module, target.path, run.image_shape))
        echo(f"{target.name}: weights of {part or run.recipe.name}, by {run.checkpoint_path}")
        return
    made = run.export(target.path, part, opset=opset or 20, dtype=dtype or "float32", fold=fold)
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
