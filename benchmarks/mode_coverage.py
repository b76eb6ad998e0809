"""How many modes of a known mixture does a GAN reach, and how many with packed samples? The protocol of PacGAN.

    python benchmarks/mode_coverage.py                                   # all four cells, 10 runs each, 400 epochs
    python benchmarks/mode_coverage.py --epochs 8 --seeds 3              # a part of it, which the result file says
    python benchmarks/mode_coverage.py --cells ring/1,ring/2 --seeds 1

The settings are those of Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks"
(arXiv:1712.04086, section 4.1) and of the authors' code: 8 Gaussians of sigma 0.01 on a ring of radius 1, or 25 of
sigma 0.05 on a grid from -4 to 4; 100,000 packs of m samples as data, 100 packs a batch, 400 epochs. Generator: 2
normal numbers, four hidden layers of 400 with batch norm (running averages of momentum 0.05) and ReLU, no bias but in
the last layer. Discriminator: three maxout layers of 200 units with 5 pieces, no dropout, logistic loss; both players
step at the same time, Adam with rate 1e-4 and beta1 0.8. First weights N(0, 0.02). Each of the m samples of a pack
comes from a batch of its own. After each epoch 2500 samples of the generator in evaluation mode are counted; a mode is
reached if one of them lies within 3 sigma, and that is "high quality" too. Published are means of 10 runs after 400
epochs.

Every run can be stopped: the same command, or one with more epochs or seeds, goes on from the last epoch that was
finished. All cells are done for one seed before the next begins. An epoch has 1000 updates.
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
from minigen.data import Batch
from minigen.data.toys import TOYS
from minigen.metrics.modes import mode_coverage
from minigen.training.checkpoint import load_checkpoint, restore, save_checkpoint

EPOCHS, PACKS, BATCH, SAMPLES = 400, 100_000, 100, 2500
CODE, HIDDEN, UNITS, PIECES = 2, 400, 200, 5
#: Modes and share of high quality, mean and standard error of 10 runs; by data set and pack.
PUBLISHED = {
    "ring/1": {"modes": [6.3, 0.5], "high_quality": [0.982, 0.002]},
    "ring/2": {"modes": [7.9, 0.1], "high_quality": [0.956, 0.020]},
    "grid/1": {"modes": [17.3, 0.8], "high_quality": [0.948, 0.007]},
    "grid/2": {"modes": [23.8, 0.7], "high_quality": [0.913, 0.008]},
}


class Maxout(nn.Module):
    """x (N, in) -> the largest of `PIECES` linear functions for each unit (N, out) (Goodfellow et al. 2013)."""

    def __init__(self, n_in: int, n_out: int, rng: mg.Generator) -> None:
        self.linear, self.n_out = nn.Dense(n_in, n_out * PIECES, weight_init=nn.init.normal, rng=rng), n_out

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return ops.max(ops.reshape(self.linear(x), (len(x), PIECES, self.n_out)), axis=1)


def make_generator(rng: mg.Generator) -> nn.Sequential:
    """Codes (N, 2) to points (N, 2) of the plane."""
    layers: list[Any] = []
    for n_in in (CODE, HIDDEN, HIDDEN, HIDDEN):
        dense = nn.Dense(n_in, HIDDEN, bias=False, weight_init=nn.init.normal, rng=rng)
        layers += [dense, nn.BatchNorm(HIDDEN, momentum=0.05), ops.relu]
    return nn.Sequential(*layers, nn.Dense(HIDDEN, 2, weight_init=nn.init.normal, rng=rng))


def make_discriminator(pack: int, rng: mg.Generator) -> nn.Sequential:
    """Packs of points (N, 2 pack) to logits (N, 1)."""
    hidden = [Maxout(n_in, UNITS, rng) for n_in in (2 * pack, UNITS, UNITS)]
    return nn.Sequential(*hidden, nn.Dense(UNITS, 1, weight_init=nn.init.normal, rng=rng))


def make_step(generator: nn.Module, discriminator: nn.Module, noise: mg.Generator, update: Updates, pack: int) -> Step:
    """One update of both players from the same weights."""
    own = generator.parameters()

    def nats(logits: mg.Tensor, target: float) -> mg.Tensor:
        return losses.bce_with_logits(logits, mg.Tensor(np.full(logits.shape, target, np.float32)))

    def step(batch: Batch) -> Terms:
        n = len(batch)
        fake = ops.concat([generator(mg.Tensor(noise.normal((n, CODE)))) for _ in range(pack)], axis=1)
        on_real, on_fake = discriminator(mg.Tensor(batch.x)), discriminator(fake)
        loss = nats(on_real, 1.0) + nats(on_fake, 0.0)
        to_deceive = mg.grad(nats(on_fake, 1.0), own)  # before the discriminator moves
        update("discriminator", loss)
        for p, g in zip(own, to_deceive, strict=True):
            p.grad = g
        update.optimizers["generator"].step()
        return {"loss": loss}

    return step


def build(pack: int, seed: int) -> Experiment:
    """Both networks with their first weights, their optimizers, and the noise."""
    rng, noise = mg.Generator(seed).spawn("weights"), mg.Generator(seed).spawn("noise")
    generator, discriminator = make_generator(rng), make_discriminator(pack, rng)
    players: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
    update = Updates({k: optim.Adam(p.parameters(), lr=1e-4, betas=(0.8, 0.999)) for k, p in players.items()})
    return Experiment(
        modules=players, updates=update, generators={"noise": noise}, ledger={}, pictures=lambda images: [images],
        step=make_step(generator, discriminator, noise, update, pack), schedule=lambda k: None,
    )  # fmt: skip


def data_of(name: str, pack: int, seed: int) -> np.ndarray[Any, Any]:
    """The packs (100,000, 2 pack) that a run trains on, float32."""
    toy, rng = TOYS[name], mg.Generator(seed).spawn("data")
    points = toy.centres[rng.integers(0, len(toy.centres), (PACKS * pack,))]
    points = points + toy.sigma * rng.normal(points.shape, dtype=np.float64)
    return points.astype(np.float32).reshape(PACKS, 2 * pack)


def measure(experiment: Experiment, name: str) -> dict[str, float]:
    """What 2500 samples, always of the same codes, reach."""
    generator, toy = experiment.modules["generator"], TOYS[name]
    with generator.evaluation():
        points = generator(mg.Tensor(mg.Generator(1234).normal((SAMPLES, CODE)))).numpy()
    found = mode_coverage(points, toy.centres, toy.sigma)
    return {"modes": found.modes, "high_quality": found.high_quality, "reverse_kl": found.reverse_kl}


def go_on(cell: str, seed: int, epochs: int, steps: int, work: Path) -> None:
    """Train one run, from where it stands, until it has done so many epochs (of `steps` updates); keep a record."""
    name, pack = cell.split("/")[0], int(cell.split("/")[1])
    folder = work / f"{name}-pack{pack}-seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    experiment, state = build(pack, seed), folder / "last.safetensors"
    facts: dict[str, Any] = {"cell": cell, "seed": seed, "steps_per_epoch": steps, "seconds": 0.0, "history": []}
    if state.exists():
        checkpoint = load_checkpoint(state)
        facts = checkpoint.facts["facts"]
        if len(facts["history"]) >= epochs:
            return
        restore(experiment, checkpoint)
    data = data_of(name, pack, seed)
    while len(facts["history"]) < epochs:
        epoch, start = len(facts["history"]), time.perf_counter()
        order = mg.Generator(seed).spawn(f"order/{epoch}").permutation(PACKS)
        experiment.modules["generator"].train()
        for k in range(steps):
            rows = order[k * BATCH : (k + 1) * BATCH]
            terms = experiment.step(Batch(data[rows], None, rows))
        facts["seconds"] += time.perf_counter() - start
        facts["history"].append({"loss": float(terms["loss"]), **measure(experiment, name)})
        save_checkpoint(state, experiment, {"facts": facts})
        (folder / "record.json").write_text(json.dumps(facts, indent=1) + "\n")
        now = facts["history"][-1]
        print(
            f"{cell} seed {seed}  epoch {epoch + 1}/{epochs}  modes {now['modes']}  high quality "
            f"{now['high_quality']:.3f}  loss {now['loss']:.3f}  {facts['seconds']:.0f} s",
            flush=True,
        )


def collect(work: Path) -> dict[str, Any]:
    """The runs in the folder, cell by cell: what was done, and what was reached after the epochs that all runs have."""
    cells: dict[str, Any] = {}
    for cell, published in PUBLISHED.items():
        name, pack = cell.split("/")
        records = [json.loads(path.read_text()) for path in sorted(work.glob(f"{name}-pack{pack}-seed*/record.json"))]
        if not records:
            continue
        epochs = min(len(record["history"]) for record in records)
        ends = [record["history"][epochs - 1] for record in records]
        cells[cell] = {
            "runs": len(records),
            "seeds": [record["seed"] for record in records],
            "epochs": epochs,
            "updates": epochs * records[0]["steps_per_epoch"],
            "full_protocol": epochs >= EPOCHS
            and len(records) >= 10
            and records[0]["steps_per_epoch"] == PACKS // BATCH,
            "published_after_400_epochs": published,
            **{key: spread([end[key] for end in ends]) for key in ("modes", "high_quality", "reverse_kl")},
            "modes_by_epoch": [
                float(np.mean([record["history"][epoch]["modes"] for record in records])) for epoch in range(epochs)
            ],
            "ms_per_update": [
                round(record["seconds"] / len(record["history"]) / record["steps_per_epoch"] * 1e3, 2)
                for record in records
            ],
        }
    return cells


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, standard error, and the values."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "standard_error": error, "values": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(PUBLISHED), help="DATA/PACK, with commas  [default: all four]")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each cell")
    parser.add_argument("--steps", type=int, default=PACKS // BATCH, help="updates an epoch; fewer only to try it out")
    parser.add_argument("--note", default="", help="what else was going on, for the result file")
    parser.add_argument("--work", type=Path, default=Path("runs/mode-coverage"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "mode-coverage.json")
    arguments = parser.parse_args()
    cells = arguments.cells.split(",")
    unknown = [cell for cell in cells if cell not in PUBLISHED]
    if unknown or not 1 <= arguments.steps <= PACKS // BATCH or min(arguments.epochs, arguments.seeds) < 1:
        parser.error(
            f"--cells are {', '.join(PUBLISHED)}, --steps 1 to {PACKS // BATCH}, --epochs and --seeds at least 1; got "
            f"{arguments.cells}, {arguments.steps}, {arguments.epochs} and {arguments.seeds}"
        )
    mg.set_num_threads(1)
    for seed in range(arguments.seeds):
        for cell in cells:
            go_on(cell, seed, arguments.epochs, arguments.steps, arguments.work)
            result = {
                "what": "modes of a mixture of Gaussians that 2500 samples of a GAN reach, by data set / pack",
                "protocol": "Lin et al. 2018, arXiv:1712.04086: 400 epochs, 10 runs; see each cell for what was done",
                "note": arguments.note,
                "cells": collect(arguments.work),
                "machine": f"{platform.machine()}, one thread",
                "versions": {"minigen": mg.__version__, "numpy": np.__version__, "python": platform.python_version()},
            }
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
