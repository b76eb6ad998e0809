"""``minigen evaluate``: numbers for a trained model on the test images.

Imports: metrics, training. Read next: ``measure.py``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from textwrap import fill
from typing import Any

import click
import numpy as np

from minigen.cli.drawing import density_option, seed_option
from minigen.cli.measure import Findings, Plan, k_option, measure, samples_option
from minigen.cli.trained import Trained, checkpoint_option, data_dir_option, device_option, open_run
from minigen.cli.words import echo


@click.command()
@click.argument("run")
@samples_option
@k_option
@density_option("its samples are not measured")
@seed_option("of the samples")
@checkpoint_option
@data_dir_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def evaluate(
    run: str,
    samples: int | None,
    k: int,
    density: str | None,
    seed: int,
    checkpoint: str | None,
    data_dir: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure a trained model on the test images.

    RUN is the folder of a run. Measured is what the model can: reconstructions (a denoising model is given corrupted
    images, and its answers are held to the clean ones), its likelihood, what its codes know of classes and factors,
    and the images that it draws, by the features of a classifier that is trained once for each data set and kept.
    Last the doctor looks at it, as during training, but with test images and that classifier.
    """
    trained = open_run(run, checkpoint, data_dir, device)
    with np.errstate(all="ignore"):
        found = measure(trained, Plan(samples, k, density, seed), lambda text: echo(text, err=True))
    if as_json:
        echo(json.dumps(facts_of(run, trained, found)))
        return
    seen = ", seen corrupted" if found.settings.get("corrupted") else ""
    seen += ", the encoder told their classes" if found.settings["labels_given"] else ""
    count = found.settings["test_images"]
    echo(f"{trained.checkpoint} on {count:,} test images of {trained.config['dataset']}{seen}")
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


def facts_of(run: str, trained: Trained, found: Findings) -> dict[str, Any]:
    """What ``--json`` prints of a run."""
    report = found.report
    return {
        "run": run,
        "model": trained.recipe.name,
        "checkpoint": str(trained.checkpoint),
        "dataset": trained.config["dataset"],
        "split": "test",
        "images": found.settings["test_images"],
        "corrupted": found.settings.get("corrupted", False),
        "metrics": {name: m.value for name, m in report.items()},
        "standard_errors": {name: m.error for name, m in report.items() if m.error is not None},
        "units": {name: m.unit for name, m in report.items()},
        "settings": found.settings,
        "kl_per_dimension": found.kl_per_dimension,
        "left_out": found.left_out,
        "doctor": asdict(found.checkup),
        "seconds": found.seconds,
    }
