"""Does training here reach what the same network reaches in PyTorch? Test error of both, over several seeds.

    MINIGEN_DATA=FOLDER python benchmarks/reconstruction_vs_pytorch.py                 # conv-ae 3 epochs, ae 10 epochs
    MINIGEN_DATA=FOLDER python benchmarks/reconstruction_vs_pytorch.py --models ae --seeds 1

For each seed both start from the same weights (handed over with `state_dict`), see the same batches of 128 in the same
order, and train with Adam, learning rate 1e-3, on mean squared error, one thread each, one after the other. The test
error is the squared error per pixel over all 10,000 test images. The result is written to
benchmarks/results/reconstruction_vs_pytorch.json. About 25 minutes on one core.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch

import minigen as mg
from minigen import data
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Setup

EPOCHS = {"conv-ae": 3, "ae": 10}
BATCH_SIZE = 128


class Peer(torch.nn.Module):
    """The same network in PyTorch, with the same names of parameters."""

    def __init__(self, name: str) -> None:
        super().__init__()
        relu, pool = torch.nn.ReLU, lambda: torch.nn.MaxPool2d(2, ceil_mode=True)
        conv = lambda i, o, p=1: torch.nn.Conv2d(i, o, 3, padding=p)  # noqa: E731
        up = lambda: torch.nn.Upsample(scale_factor=2)  # noqa: E731
        if name == "ae":
            self.encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 64), relu())
            self.decoder = torch.nn.Sequential(torch.nn.Linear(64, 784), torch.nn.Unflatten(1, (1, 28, 28)))
        else:
            self.encoder = torch.nn.Sequential(
                conv(1, 16), relu(), pool(), conv(16, 8), relu(), pool(), conv(8, 8), relu(), pool()
            )
            self.decoder = torch.nn.Sequential(
                conv(8, 8), relu(), up(), conv(8, 8), relu(), up(), conv(8, 16, 0), relu(), up(), conv(16, 1)
            )
        self.register_buffer("centre", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.decoder(self.encoder(x - self.centre)))


def train_here(experiment: Experiment, batches: data.Batches, epochs: int) -> float:
    """Train; return the seconds that it took."""
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in batches:
            experiment.step(batch)
    return time.perf_counter() - start


def train_peer(peer: Peer, batches: data.Batches, epochs: int) -> float:
    """Train in PyTorch; return the seconds that it took."""
    optimizer = torch.optim.Adam(peer.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in batches:
            x = torch.from_numpy(batch.x)
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(peer(x), x).backward()
            optimizer.step()
    return time.perf_counter() - start


def compare(name: str, seed: int, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Train both from the same weights; return test errors and seconds."""
    recipe, epochs = MODELS[name], EPOCHS[name]
    batches = data.Batches(train, BATCH_SIZE, seed=seed)
    setup = Setup(
        options=recipe.options, image_shape=train.image_shape, value_range=train.value_range, mean=train.mean(),
        classes=None,
        steps=epochs * len(batches), batches_per_epoch=len(batches), seed=seed, device="cpu",
    )  # fmt: skip
    experiment = recipe.build(setup)
    peer = Peer(name)
    peer.load_state_dict({k: torch.from_numpy(v) for k, v in experiment.modules["model"].state_dict().items()})

    seconds_here = train_here(experiment, batches, epochs)
    seconds_peer = train_peer(peer, data.Batches(train, BATCH_SIZE, seed=seed), epochs)

    x = test.images_float()
    here = np.square(experiment.reconstruct(x) - x).mean(dtype=np.float64)
    with torch.no_grad():
        there = np.concatenate([peer(torch.from_numpy(x[i : i + 500])).numpy() for i in range(0, len(x), 500)])
    return {
        "seed": seed,
        "minigen_mse": float(here),
        "pytorch_mse": float(np.square(there - x).mean(dtype=np.float64)),
        "minigen_seconds": seconds_here,
        "pytorch_seconds": seconds_peer,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="conv-ae,ae", help="which, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "reconstruction_vs_pytorch.json")
    arguments = parser.parse_args()
    mg.set_num_threads(1)
    torch.set_num_threads(1)
    train, test = (data.load(arguments.dataset, split=split) for split in ("train", "test"))

    result: dict[str, object] = {
        "what": "test MSE per pixel after training from the same weights on the same batches, one thread",
        "dataset": arguments.dataset,
        "batch_size": BATCH_SIZE,
        "cpu": platform.processor() or platform.machine(),
        "versions": {"minigen": mg.__version__, "numpy": np.__version__, "torch": torch.__version__},
    }
    for name in arguments.models.split(","):
        rows = []
        for seed in range(arguments.seeds):
            rows.append(compare(name, seed, train, test))
            print(name, rows[-1], flush=True)
        here, there = (float(np.mean([row[key] for row in rows])) for key in ("minigen_mse", "pytorch_mse"))
        result[name] = {"epochs": EPOCHS[name], "runs": rows, "mean_ratio": here / there}
        print(f"{name}: mean test MSE {here:.6f} here, {there:.6f} in PyTorch, ratio {here / there:.4f}", flush=True)
        Path(arguments.out).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
