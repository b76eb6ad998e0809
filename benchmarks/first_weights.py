"""Which first weights learn fastest? Each model from several, in short runs; the loss on held-out images after each.

    MINIGEN_DATA=FOLDER python benchmarks/first_weights.py                          # the models of MODELS, see below
    MINIGEN_DATA=FOLDER python benchmarks/first_weights.py --models ae --seeds 1 --epochs 1,3

Every weight of more than one axis of the networks that are trained is drawn anew by one rule, biases begin at zero
(but the last one of a decoder, where its model sets it). The rest - learning rate, batches of 128, their order - is
that of the model's defaults on MNIST, 5 % of the training images held out. The loss is the model's own: the mean over
the held-out images. The result is added to benchmarks/results/first_weights.json, a model at a time.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen import data, nn
from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment
from minigen.random import Generator
from minigen.training.config import resolve
from minigen.training.fit import Means
from minigen.training.prepare import Prepared, prepare

DENSE = "ae,deep-ae,stacked-ae,sparse-ae,denoising-ae,contractive-ae,linear-ae,vae,beta-vae,cvae,wae-mmd,rae"
RULES: dict[str, Callable[..., Any] | None] = {
    "as it ships": None,
    "uniform fan-in": lambda shape, rng: nn.init.uniform_fan_in(shape, rng=rng, fan_in=nn.init.fans(shape)[0]),
    "glorot uniform": nn.init.glorot_uniform,
    "he normal": nn.init.he_normal,
}


def redraw(experiment: Experiment, rule: Callable[..., Any], seed: int) -> None:
    """Draw the weights of every trained network by `rule`; biases become zero, the last one is kept."""
    rng = Generator(seed).spawn("first weights")
    for module in experiment.modules.values():
        state = module.state_dict()
        biases = [name for name in state if name.endswith("bias")]
        for name, array in state.items():
            if name.endswith("weight") and array.ndim > 1:
                state[name] = np.asarray(rule(array.shape, rng=rng), array.dtype)
            elif name in biases[:-1]:
                state[name] = np.zeros_like(array)
        module.load_state_dict(state)


def train(prepared: Prepared, epochs: list[int]) -> dict[int, float]:
    """The loss on the held-out images after each of the `epochs`."""
    experiment, held_out = prepared.experiment, prepared.validation
    assert experiment.evaluate is not None and held_out is not None
    losses, step = {}, 0
    for epoch in range(1, max(epochs) + 1):
        for batch in prepared.batches:
            experiment.schedule(step)
            experiment.step(batch)
            step += 1
        if epoch in epochs:
            means = Means()
            for batch in data.Batches(held_out, 500, shuffle=False):
                means.add(experiment.evaluate(batch), weight=len(batch))
            losses[epoch] = means.values()["loss"]
    return losses


def measure(name: str, seeds: int, epochs: list[int], options: dict[str, Any]) -> dict[str, Any]:
    """For each rule: mean and standard deviation over the seeds, after each of the epochs."""
    rows: dict[str, Any] = {}
    for title, rule in RULES.items():
        runs = []
        for seed in range(seeds):
            recipe = MODELS[name]
            prepared = prepare(recipe, resolve(recipe, OPTIONS, {**options, "seed": seed, "epochs": max(epochs)}))
            if rule is not None:
                redraw(prepared.experiment, rule, seed)
            runs.append(train(prepared, epochs))
        rows[title] = {str(epoch): [run[epoch] for run in runs] for epoch in epochs}
        shown = "  ".join(f"{k}: {np.mean(v):.5g} +- {np.std(v):.2g}" for k, v in rows[title].items())
        print(f"{name:16} {title:16} {shown}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=DENSE, help="which, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0")
    parser.add_argument("--epochs", default="1,3,10", help="after which epochs to look")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--limit", type=int, help="training images")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "first_weights.json")
    arguments = parser.parse_args()
    mg.set_num_threads(1)
    epochs = [int(number) for number in arguments.epochs.split(",")]
    options = {"dataset": arguments.dataset, "limit": arguments.limit}
    for name in arguments.models.split(","):
        result = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        rows = measure(name, arguments.seeds, epochs, options)
        result[name] = {
            "dataset": arguments.dataset,
            "limit": arguments.limit,
            "held-out loss": rows,
        }
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
