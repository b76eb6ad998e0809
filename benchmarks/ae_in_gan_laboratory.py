"""Do autoencoders help GANs? Six ways to put one inside, on one backbone, at an equal number of updates.

    MINIGEN_DATA=FOLDER python benchmarks/ae_in_gan_laboratory.py                       # 70 cells, resumable
    MINIGEN_DATA=FOLDER python benchmarks/ae_in_gan_laboratory.py --steps 20000 --seeds 10

A cell is one way, one data set (MNIST, Fashion-MNIST), one seed. All have dense networks of 2 x 256 units, codes of 20
numbers, batches of 64 images, Adam with the rates 5e-4 (generator) and 2e-4 (discriminator), an average of the
generator that samples come from, and no normalisation in the discriminator. What else a model has is as it is by
default. The ways:

* gan: no autoencoder. What the others are compared with.
* mdgan, dfm, vae-gan, began: see ``minigen/algorithms/hybrid``. Began has its own rates, 1e-3: an autoencoder that
  hardly reconstructs cannot judge.
* scratch: gan, with the layers of a VAE's decoder as generator (no batch norm in it).
* transfer: the same, begun with the weights of a VAE. Its VAE's updates, a quarter of all, are taken from its budget.

Measured on samples against the test images, by the features of a classifier that is trained here on the training images
(``minigen/metrics``): Frechet distance (less is better; "ideal" is that of training images) and coverage (share of test
images with a sample nearby). Means over seeds, with 95 % intervals by Student's t; an effect is the mean difference to
gan of the same seed. The result file is written after every cell, and a run that was stopped goes on from there.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import math
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen import data
from minigen.algorithms import transfer
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.atomic import write_atomically
from minigen.metrics import frechet
from minigen.metrics.classifier import Features, trained_features
from minigen.metrics.neighbours import prdc
from minigen.runs import sampling

BATCH, DONOR_SHARE, COMPARED = 64, 0.25, 5000  # COMPARED: samples, and test images, for the coverage
BACKBONE: dict[str, Any] = {"latent": 20, "hidden": 256, "layers": 2}
RATES = {"lr_generator": 5e-4, "lr_discriminator": 2e-4}
DENSE = {"network": "dense", "norm": "none"}
DECODER = {"generator": "vae hidden=256 layers=2"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", {}),
    "mdgan": ("mdgan", DENSE),
    "dfm": ("dfm", DENSE),
    "vae-gan": ("vae-gan", DENSE),
    "began": ("began", {**DENSE, "lr_generator": 1e-3, "lr_discriminator": 1e-3}),
    "scratch": ("gan", DECODER),
    "transfer": ("gan", DECODER),
}
DATASETS = ("mnist", "fashion-mnist")
#: Quantiles 0.975 of Student's t with 1, 2, ... degrees of freedom.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


def build(model: str, options: dict[str, Any], train: data.Dataset, steps: int, seed: int) -> Experiment:
    """The model with its first weights."""
    recipe = MODELS[model]
    common = {k: v for k, v in {**BACKBONE, **RATES}.items() if k in recipe.options}
    chosen = {**recipe.options, **common, **options}
    setup = Setup(
        options=chosen, image_shape=train.image_shape, value_range=train.value_range, mean=train.mean(), classes=None,
        steps=steps, batches_per_epoch=len(train) // BATCH, seed=seed, device="cpu",
    )  # fmt: skip
    return recipe.build(setup)


def train_for(experiment: Experiment, train: data.Dataset, steps: int, seed: int) -> None:
    """Make `steps` updates (of each player)."""
    batches, k = data.Batches(train, BATCH, seed=seed), 0
    while k < steps:
        for batch in batches:
            experiment.schedule(k)
            experiment.step(batch)
            k += 1
            if k == steps:
                break


def trained(way: str, train: data.Dataset, steps: int, seed: int) -> Experiment:
    """The model of that way after `steps` updates, those of its VAE among them. `train` has values from 0 to 1."""
    model, options = WAYS[way]
    images = train.in_range((-1.0, 1.0))
    experiment = build(model, options, images, steps, seed)
    if way == "transfer":
        first = round(DONOR_SHARE * steps)
        vae = build("vae", {}, train, first, seed)
        train_for(vae, train, first, seed)
        facts = {"image_shape": train.image_shape, "value_range": train.value_range}
        config = {**MODELS["vae"].options, **BACKBONE}
        transfer.give_decoder(transfer.Donor("vae", MODELS["vae"], config, vae, facts), experiment, images)
        steps -= first
    train_for(experiment, images, steps, seed + 1000)
    return experiment


def measure(
    experiment: Experiment, test: data.Dataset, features: Features, samples: int, seed: int
) -> dict[str, float]:
    """Frechet distance and coverage of samples."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    drawn = (sampling.decode(latent, sampling.draw_codes(latent.draw, samples, seed)) + 1) / 2
    return compare(drawn.astype(np.float32), test, features)


def compare(images: Any, test: data.Dataset, features: Features) -> dict[str, float]:
    """Images (N, C, H, W) from 0 to 1 against the test images."""
    x, y = features.extract(images), features.extract(test.images_float())
    near = prdc(y[:COMPARED], x[:COMPARED])
    return {"frechet_distance": frechet.frechet_distance(x, y), "coverage": float(near.coverage.mean())}


def interval(values: list[float]) -> dict[str, Any]:
    """Mean, half the width of its 95 % interval (None of a single value), and how many values."""
    n = len(values)
    half = T[min(n - 1, len(T)) - 1] * float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else None
    return {"mean": float(np.mean(values)), "half_width": half, "seeds": n}


def summary(cells: dict[str, dict[str, float]]) -> dict[str, Any]:
    """For each data set and way: distance, coverage, and their differences to gan of the same seed."""
    table: dict[str, Any] = {}
    for name in cells:
        dataset, way, _ = name.split("/")
        seeds = [key.split("/")[2] for key in cells if key.startswith(f"{dataset}/{way}/")]
        row: dict[str, Any] = {}
        for metric in ("frechet_distance", "coverage"):
            row[metric] = interval([cells[f"{dataset}/{way}/{seed}"][metric] for seed in seeds])
            pairs = [(f"{dataset}/{way}/{seed}", f"{dataset}/gan/{seed}") for seed in seeds]
            differences = [cells[a][metric] - cells[b][metric] for a, b in pairs if b in cells]
            if way != "gan" and differences:
                row[f"{metric}_less_gan"] = interval(differences)
        table.setdefault(dataset, {})[way] = row
    return table


def show(table: dict[str, Any]) -> None:
    """Print the summary."""
    for dataset, ways in table.items():
        print(f"\n{dataset:14} seeds  Frechet distance  less gan         coverage")
        for way, row in ways.items():
            values = [row["frechet_distance"], row.get("frechet_distance_less_gan"), row["coverage"]]
            texts = ["" if v is None else f"{v['mean']:.3g} +- {v['half_width'] or math.nan:.2g}" for v in values]
            print(f"  {way:12} {values[0]['seeds']:5}  {texts[0]:16}  {texts[1]:16} {texts[2]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000, help="updates of each player, in every cell")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--limit", type=int, help="use this many training images")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ae-in-gan-laboratory.json")
    arguments = parser.parse_args()
    mg.set_num_threads(1)
    setting = {
        "steps": arguments.steps, "batch_size": BATCH, "samples": arguments.samples, "limit": arguments.limit,
        **BACKBONE, **RATES, "donor_share": DONOR_SHARE, "ways": {w: {"model": m, **o} for w, (m, o) in WAYS.items()},
    }  # fmt: skip
    result = open_result(arguments.out, setting)
    result["planned_seeds"] = arguments.seeds
    loaded: dict[str, tuple[data.Dataset, data.Dataset, Features]] = {}
    for seed in range(arguments.seeds):  # the outermost loop: what is there when it is stopped is balanced
        for dataset in arguments.datasets.split(","):
            if dataset not in loaded:
                train, test = (data.load(dataset, split=split) for split in ("train", "test"))
                features = trained_features(train, test, log=print)
                loaded[dataset] = train.subset(slice(arguments.limit)), test, features
                result["ideal"][dataset] = compare(train.images_float(slice(arguments.samples)), test, features)
                result["features"][dataset] = features.facts
            for way in arguments.ways.split(","):
                cell = f"{dataset}/{way}/{seed}"
                if cell not in result["cells"]:
                    result["cells"][cell] = found = run_cell(way, *loaded[dataset], arguments, seed)
                    result["summary"] = summary(result["cells"])
                    write_atomically(arguments.out, (json.dumps(result, indent=2) + "\n").encode())
                    print(f"{cell:28} " + "  ".join(f"{k} {v:.4g}" for k, v in found.items()), flush=True)
    show(result.get("summary", {}))


def run_cell(
    way: str, train: data.Dataset, test: data.Dataset, features: Features, arguments: argparse.Namespace, seed: int
) -> dict[str, float]:
    """Train one model and measure it."""
    start = time.perf_counter()
    experiment = trained(way, train, arguments.steps, seed)
    seconds = time.perf_counter() - start
    return {**measure(experiment, test, features, arguments.samples, seed), "training_seconds": round(seconds, 1)}


def open_result(path: Path, setting: dict[str, Any]) -> dict[str, Any]:
    """The result so far, or an empty one. SystemExit if the file is of another setting."""
    if not path.exists():
        return {
            "what": "autoencoders inside GANs: Frechet distance by classifier features, and coverage, of samples",
            "machine": {"cpu": platform.machine(), "python": platform.python_version(), "numpy": np.__version__},
            "setting": setting, "cells": {}, "ideal": {}, "features": {},
        }  # fmt: skip
    result: dict[str, Any] = json.loads(path.read_text())
    if result["setting"] != setting:
        raise SystemExit(f"{path} has cells of another setting; choose another --out, or delete it")
    return result


if __name__ == "__main__":
    main()
