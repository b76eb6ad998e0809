"""``minigen evaluate``: numbers for a trained model on the test images.

Imports: metrics, training. Read next: ``minigen/metrics/evaluation.py``.
"""

from __future__ import annotations

import json

import click
import numpy as np

from minigen.cli.trained import checkpoint_option, data_dir_option, device_option, open_run
from minigen.metrics import UNITS, evaluate_autoencoder
from minigen.training.config import ConfigError


@click.command()
@click.argument("run")
@checkpoint_option
@data_dir_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def evaluate(run: str, checkpoint: str | None, data_dir: str | None, device: str, as_json: bool) -> None:
    """Measure a trained model on the test images.

    RUN is the folder of a run. Reconstructions are measured (a denoising model is given corrupted images, and its
    answers are held to the clean ones) and, where there are labels, what the codes know of them.
    """
    trained = open_run(run, checkpoint, data_dir, device)
    if trained.experiment.encode is None:
        raise ConfigError(f"{trained.recipe.name} has no encoder, and reconstructions are what is measured")
    train, test = trained.images("train"), trained.images("test")
    with np.errstate(all="ignore"):
        values = evaluate_autoencoder(
            lambda images: trained.experiment.pictures(images)[-1], trained.experiment.encode, train, test
        )
    corrupted = "corruption" in trained.config
    if as_json:
        facts = {"run": run, "checkpoint": str(trained.checkpoint), "split": "test", "images": len(test)}
        facts["corrupted"] = corrupted
        click.echo(json.dumps({**facts, "metrics": values, "units": {name: UNITS[name] for name in values}}))
        return
    how = ", seen corrupted" if corrupted else ""
    click.echo(f"{trained.checkpoint} on {len(test):,} test images of {trained.config['dataset']}{how}")
    for name, value in values.items():
        click.echo(f"  {name:<27}{value:>10.5f}  {UNITS[name]}")
