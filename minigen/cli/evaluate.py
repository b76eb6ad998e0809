"""``minigen evaluate``: numbers for a trained model on the test images.

Imports: runs. Read next: ``minigen/runs/evaluation.py``.
"""

from __future__ import annotations

import json
from textwrap import fill
from typing import Any

import click

from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import density_instead_of_prior, json_option, k_option, opens_run, samples_option, seed_option
from minigen.runs import Run


@click.command()
@click.argument("run", shell_complete=complete_run)
@samples_option
@k_option
@density_instead_of_prior("its samples are not measured")
@seed_option("of the samples")
@opens_run()
@json_option
@click.pass_context
def evaluate(ctx: click.Context, /, run: Run, as_json: bool, **options: Any) -> None:
    """Measure a trained model on the test images.

    RUN is the folder of a run. Measured is what the model can: reconstructions (a denoising model is given corrupted
    images, and its answers are held to the clean ones), its likelihood, what its codes know of classes and factors,
    and the images that it draws, by the features of a classifier that is trained once for each data set and kept.
    Last the doctor looks at it, as during training, but with test images and that classifier.
    """
    found = run.evaluate(**options)
    if as_json:
        echo(json.dumps({"run": ctx.params["run"], **found.as_dict()}))
        return
    seen = ", seen corrupted" if found.settings.get("corrupted") else ""
    seen += ", the encoder told their classes" if found.settings["labels_given"] else ""
    count = found.settings["test_images"]
    echo(f"{run.checkpoint_path} on {count:,} test images of {run.config['dataset']}{seen}")
    width = max(len(name) for name in found.report) if found.report else 0
    for name, m in found.report.items():
        error = "" if m.error is None else f"±{m.error:.2g}"
        echo(f"  {name:<{width}}  {m.value:>11.5f} {error:<9} {m.unit}")
    if found.kl_per_dimension:
        numbers = " ".join(f"{kl:.2f}" for kl in found.kl_per_dimension)
        echo(fill(f"kl of each dimension, nats: {numbers}", 110, initial_indent="  ", subsequent_indent="    "))
    for name, reason in found.left_out.items():
        echo(f"  {name}: left out: {reason}")
    features = found.settings.get("features")
    if features is not None:
        hashed = "weights" in features
        made = f"; weights {features['weights']}, {features['test_accuracy']:.2%} right" if hashed else ""
        echo(f"  features: {features['kind']}{made}")
    for line in found.checkup.lines():
        echo(f"  {line}")
    echo(f"  seconds: {', '.join(f'{name} {seconds:.1f}' for name, seconds in found.seconds.items())}")
