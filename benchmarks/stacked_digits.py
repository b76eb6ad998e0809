"""How many of the 1000 modes of stacked digits does a DCGAN reach, and how many with packed samples? PacGAN's protocol.

    MINIGEN_DATA=FOLDER python benchmarks/stacked_digits.py               # packs of 1 and 2, 10 runs, 50 epochs
    python benchmarks/stacked_digits.py --updates 4000 --every 500 --seeds 1     # a part, which the result file says
    python benchmarks/stacked_digits.py --filters 16 --updates 4000 --every 500 --seeds 1      # smaller networks

The settings are those of Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks"
(arXiv:1712.04086, section 4.2) and of the authors' code. Data: 128,000 pictures of three random digits out of all
70,000 of MNIST, one a colour, 28x28x3, values from 0 to 1; as many packs of m random pictures each, joined along the
channels, 64 packs a batch, the same order in each of 50 epochs (100,000 updates). Generator: 100 uniform numbers from
-1 to 1, a dense layer to 2x2x512, four transposed 5x5 convolutions of stride 2 (256, 128, 64, 3 channels; 4x4, 7x7,
14x14, 28x28) with batch norm and ReLU between, tanh. Discriminator: four 5x5 convolutions of stride 2 (64, 128, 256,
512) with leaky ReLU (0.2), batch norm in all but the first, a dense unit; logistic loss. Weights begin N(0, 0.02). Adam
with rate 2e-4 and beta1 0.5; the generator steps twice for each step of the discriminator, from the same codes. Each
picture of a made pack comes from a batch of its own. A classifier of digits reads the three channels of 26,000 samples
of the generator in evaluation mode, always of the same codes: how many of the 1000 numbers occur, and the divergence
KL(samples || uniform) in nats. Published are 10 runs.

Different here: the classifier is minigen's own (trained on the 60,000 training digits; its accuracy on the test digits
is in the result file), the first weights of the discriminator's convolutions are not cut off at two sigma, and where a
transposed convolution's border is uneven, the odd pixel is on the other side. The classifier reads a number in every
picture, so shapes that are no digits count too, there as here.

Every run can be stopped: the same command, or one with more updates or seeds, goes on where the last measurement was
made. All packs of a seed reach a measurement before any goes on to the next. Times are CPU time of the updates, on one
thread, without the measurements.

Read next: ``mode_coverage.py``, the same question for points of the plane; ``minigen/data/stacked.py``.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.algorithms.experiment import Experiment, Step, Terms
from minigen.algorithms.updates import Updates
from minigen.data import Batch, Dataset, load
from minigen.data.stacked import COUNTS, stack
from minigen.metrics.classifier import Features, trained_features
from minigen.metrics.modes import reverse_kl
from minigen.models.gan import Discriminator, leaky_relu
from minigen.training.checkpoint import load_checkpoint, restore, save_checkpoint

EPOCHS, BATCH, FILTERS, CODE, SAMPLES = 50, 64, 64, 100, COUNTS["test"]
CHUNK = 500  # samples that are made and read at a time
#: Modes of 1000 and their error over 10 runs, divergence in nats; by pack.
PUBLISHED: dict[int, dict[str, Any]] = {
    1: {"modes": [78.9, 6.5], "kl": 4.50},
    2: {"modes": [1000.0, 0.0], "kl": 0.06},
    3: {"modes": [1000.0, 0.0], "kl": 0.06},
    4: {"modes": [1000.0, 0.0], "kl": 0.07},
}


def make_generator(filters: int, rng: mg.Generator) -> nn.Sequential:
    """Codes (N, 100) to pictures (N, 3, 28, 28)."""
    size = 8 * filters
    dense = nn.Dense(CODE, size * 4, weight_init=nn.init.normal, rng=rng)
    layers: list[Any] = [dense, nn.Reshape((size, 2, 2)), nn.BatchNorm(size), ops.relu]
    for odd in (False, True, False):  # sides 4, 7, 14
        layers += [_up(size, size // 2, odd, rng), nn.BatchNorm(size // 2), ops.relu]
        size //= 2
    return nn.Sequential(*layers, _up(size, 3, False, rng), ops.tanh)


def _up(n_in: int, n_out: int, odd: bool, rng: mg.Generator) -> nn.ConvTranspose2d:
    """Twice the side, or one less if that is to be odd."""
    return nn.ConvTranspose2d(
        n_in, n_out, 5, stride=2, padding=2, output_padding=0 if odd else 1, weight_init=nn.init.normal, rng=rng
    )


def make_discriminator(pack: int, filters: int, rng: mg.Generator) -> Discriminator:
    """Packs of pictures (N, 3 pack, 28, 28) to logits (N,)."""
    layers: list[Any] = []
    sizes = [3 * pack, *(filters * 2**i for i in range(4))]
    for n_in, n_out in zip(sizes, sizes[1:]):
        conv = nn.Conv2d(n_in, n_out, 5, stride=2, padding="same", weight_init=nn.init.normal, rng=rng)
        layers += [conv, *([nn.BatchNorm(n_out)] if layers else []), leaky_relu]
    unit = nn.Dense(sizes[-1] * 4, 1, weight_init=nn.init.normal, rng=rng)
    return Discriminator(nn.Sequential(*layers, nn.Flatten()), unit)


def make_step(generator: nn.Module, discriminator: nn.Module, noise: mg.Generator, update: Updates, pack: int) -> Step:
    """One update of the discriminator, then two of the generator from the same codes."""

    def nats(logits: mg.Tensor, target: float) -> mg.Tensor:
        return losses.bce_with_logits(logits, mg.Tensor(np.full(logits.shape, target, np.float32)))

    def step(batch: Batch) -> Terms:
        codes = [mg.Tensor(noise.uniform((len(batch), CODE), -1.0, 1.0)) for _ in range(pack)]

        def made() -> mg.Tensor:
            return ops.concat([generator(z) for z in codes], axis=1)

        fake = made().detach()
        loss = nats(discriminator(mg.Tensor(batch.x)), 1.0) + nats(discriminator(fake), 0.0)
        update("discriminator", loss)
        for _ in range(2):
            to_deceive = nats(discriminator(made()), 1.0)
            update("generator", to_deceive)
        return {"loss": loss, "generator": to_deceive}

    return step


def build(pack: int, filters: int, seed: int) -> Experiment:
    """Both networks with their first weights, their optimizers, and the noise."""
    rng, noise = mg.Generator(seed).spawn("weights"), mg.Generator(seed).spawn("noise")
    generator, discriminator = make_generator(filters, rng), make_discriminator(pack, filters, rng)
    players: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
    update = Updates({k: optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999)) for k, p in players.items()})
    return Experiment(
        modules=players, updates=update, generators={"noise": noise}, ledger={}, pictures=lambda images: [images],
        step=make_step(generator, discriminator, noise, update, pack), schedule=lambda k: None,
    )  # fmt: skip


class Packs:
    """The packs that a run trains on: batch k of an epoch is (64, 3 pack, 28, 28), float32 from 0 to 1."""

    def __init__(self, digits: Dataset, pack: int, seed: int) -> None:
        self.pictures = stack(digits, "stacked-mnist", seed=seed)
        self.picks = mg.Generator(seed).spawn("packs").integers(0, len(self.pictures), (len(self.pictures), pack))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.picks) // BATCH

    def batch(self, k: int) -> Batch:
        rows = np.arange(k * BATCH, (k + 1) * BATCH)
        x = self.pictures.images_float(self.picks[rows].reshape(-1))
        return Batch(x.reshape(BATCH, -1, *x.shape[2:]), None, rows)


def all_digits() -> tuple[Dataset, Features]:
    """Every digit of MNIST, and the classifier that reads digits."""
    train, test = (load("mnist", split=split) for split in ("train", "test"))
    if train.labels is None or test.labels is None:
        raise ValueError("the files of MNIST hold no labels, and stacked digits need them")
    images, labels = np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])
    features = trained_features(train, test, log=lambda text: print(text, flush=True))
    return Dataset(train.name, "train", images, labels, train.classes, value_range=train.value_range), features


def measure(generator: nn.Module, digits: Features, samples: int) -> dict[str, float]:
    """Which of the 1000 numbers the classifier reads in so many samples, always of the same codes."""
    assert digits.classify is not None
    codes = mg.Generator(1234).uniform((samples, CODE), -1.0, 1.0)
    counts = np.zeros(1000, np.int64)
    with generator.evaluation(), mg.no_grad():
        for start in range(0, samples, CHUNK):
            x = generator(mg.Tensor(codes[start : start + CHUNK])).numpy()
            read = digits.classify(x.reshape(-1, 1, *x.shape[2:])).argmax(1).reshape(-1, 3)
            counts += np.bincount(read @ [100, 10, 1], minlength=1000)
    return {"modes": int((counts > 0).sum()), "kl": reverse_kl(counts, np.ones(1000))}


def go_on(run: dict[str, int], updates: int, digits: Dataset, classifier: Features, work: Path) -> None:
    """Train one run, from where it stands, until it has done so many updates; then measure, and keep a record.

    `run` says which: its pack, filters, seed and samples.
    """
    folder = work / "-".join(f"{key}{value}" for key, value in run.items())
    folder.mkdir(parents=True, exist_ok=True)
    experiment, state = build(run["pack"], run["filters"], run["seed"]), folder / "last.safetensors"
    facts: dict[str, Any] = {**run, "updates": 0, "cpu_seconds": 0.0, "history": []}
    if state.exists():
        checkpoint = load_checkpoint(state)
        facts = checkpoint.facts["facts"]
        if facts["updates"] >= updates:
            return
        restore(experiment, checkpoint)
    packs, start = Packs(digits, run["pack"], run["seed"]), time.process_time()
    for network in experiment.modules.values():
        network.train()
    for k in range(facts["updates"], updates):
        terms = experiment.step(packs.batch(k % len(packs)))
    facts["cpu_seconds"] += time.process_time() - start
    facts["updates"] = updates
    found = measure(experiment.modules["generator"], classifier, run["samples"])
    losses_now = {"discriminator_loss": float(terms["loss"]), "generator_loss": float(terms["generator"])}
    facts["history"].append({"updates": updates, **found, **losses_now})
    save_checkpoint(state, experiment, {"facts": facts})
    (folder / "record.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(" ".join(f"{key} {value}" for key, value in {**run, **facts["history"][-1]}.items()), flush=True)


def collect(work: Path) -> dict[str, Any]:
    """The runs in the folder, cell by cell: what was done, and what was reached after the updates that all have."""
    cells: dict[str, Any] = {}
    records = [json.loads(path.read_text()) for path in sorted(work.glob("*/record.json"))]
    keys = ("filters", "pack", "samples")
    settings = {tuple(r[key] for key in keys) for r in records}
    for filters, pack, samples in sorted(settings, key=lambda k: (-k[0], *k[1:])):
        runs = [r for r in records if tuple(r[key] for key in keys) == (filters, pack, samples)]
        done = min(r["updates"] for r in runs)
        curves = [[point for point in r["history"] if point["updates"] <= done] for r in runs]
        protocol = (filters, samples) == (FILTERS, SAMPLES) and done >= EPOCHS * (COUNTS["train"] // BATCH)
        cells[f"{'DCGAN' if pack == 1 else f'PacGAN{pack}'}, {filters} filters, {samples} samples"] = {
            "pack": pack,
            "filters": filters,
            "samples": samples,
            "runs": len(runs),
            "seeds": [r["seed"] for r in runs],
            "updates": done,
            "epochs": round(done * BATCH / COUNTS["train"], 3),
            "full_protocol": protocol and len(runs) >= 10,
            "published_64_filters_50_epochs": PUBLISHED[pack],
            **{key: spread([curve[-1][key] for curve in curves]) for key in ("modes", "kl")},
            "curves": curves,
            "cpu_ms_per_update": [round(r["cpu_seconds"] / r["updates"] * 1e3, 1) for r in runs],
        }
    return cells


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, standard error, and the values."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error, "values": values}


def main() -> None:
    a = parse()
    mg.set_num_threads(1)
    digits, classifier = all_digits()
    ends = [*range(a.every, a.updates, a.every), a.updates]
    for seed in range(a.seeds):
        for updates in ends:
            for pack in a.packs:
                run = {"pack": pack, "filters": a.filters, "seed": seed, "samples": a.samples}
                go_on(run, updates, digits, classifier, a.work)
                write(a.out, a.note, a.work, classifier)


def write(out: Path, note: str, work: Path, classifier: Features) -> None:
    """The result file, of all runs in the folder `work`."""
    result = {
        "what": "how many of 1000 numbers of three digits a GAN's samples show, and KL(samples || uniform) in nats",
        "protocol": "Lin et al. 2018, arXiv:1712.04086: DCGAN of 64 filters, 50 epochs (100,000 updates), "
        "10 runs, 26,000 samples; see each cell for what was done",
        "note": note,
        "classifier": classifier.facts,
        "cells": collect(work),
        "machine": f"{platform.machine()}, one thread",
        "versions": {"minigen": mg.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    epoch = COUNTS["train"] // BATCH
    parser.add_argument("--packs", default="1,2", help="pictures judged together, with commas  [default: 1,2]")
    parser.add_argument("--filters", type=int, default=FILTERS, help="of the largest pictures; 64 are the protocol")
    parser.add_argument("--updates", type=int, default=EPOCHS * epoch, help="of the discriminator  [default: 100000]")
    parser.add_argument("--every", type=int, default=epoch, help="updates between measurements  [default: an epoch]")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="that are measured; 26000 are the protocol")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each pack")
    parser.add_argument("--note", default="", help="what else was going on, for the result file")
    parser.add_argument("--work", type=Path, default=Path("runs/stacked-digits"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "stacked-digits.json")
    a = parser.parse_args()
    words, numbers = a.packs.split(","), ("filters", "updates", "every", "samples", "seeds")
    if not {*words} <= {str(pack) for pack in PUBLISHED} or min(getattr(a, name) for name in numbers) < 1:
        given = ", ".join(f"--{name} {getattr(a, name)}" for name in numbers)
        known = ", ".join(map(str, PUBLISHED))
        parser.error(f"--packs are of {known}, all other numbers at least 1; got --packs {a.packs}, {given}")
    a.packs = [int(word) for word in words]
    return a


if __name__ == "__main__":
    main()
