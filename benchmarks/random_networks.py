"""Training steps of networks drawn at random, in minigen and in PyTorch: of no size that anything was tuned for.

    python benchmarks/random_networks.py --seed 11 --count 60       # about six minutes; needs PyTorch

Four families (dense and convolutional autoencoders, classifiers, generators) with drawn widths, depths, image sizes,
batches, kernels, ways down and up, normalisations, activations, losses and optimizers. PyTorch has two
tries: eager, and tuned (channels-last, fused optimizer); minigen the plain step and the one of `mg.compile`. One core;
all take turns in one process, and the minimum of each counts. Both have to have as many parameters.

Writes ``benchmarks/results/random-networks-CPU.json``: each network in words, and its times in ms.

Imports: minigen, PyTorch. Read next: ``run.py``.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - paths of this repository
import numpy as np
import torch

import minigen as mg
from minigen import Tensor, grad, losses, nn, ops, optim
from minigen_bench import session
from minigen_bench.harness import Settings
from minigen_bench.tables import geometric_mean, place, slug

F, T = torch.nn.functional, torch.nn
Layer = tuple[Any, ...]  # (kind, its numbers)

ROUNDS, LEAST = 7, 0.02  # turns of each, and seconds of a turn

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[], Any]]] = {
    "relu": (ops.relu, T.ReLU), "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2), lambda: T.LeakyReLU(0.2)),
    "elu": (ops.elu, T.ELU), "gelu": (ops.gelu, T.GELU), "silu": (ops.silu, T.SiLU), "tanh": (ops.tanh, T.Tanh),
    "selu": (ops.selu, T.SELU), "softplus": (ops.softplus, T.Softplus), "mish": (ops.mish, T.Mish),
}  # fmt: skip

#: kind -> the layer in minigen and in PyTorch.
LAYERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "dense": (nn.Dense, T.Linear),
    "conv": (lambda i, o, k, s, p: nn.Conv2d(i, o, k, stride=s, padding=p), T.Conv2d),
    "transposed": (lambda i, o, k, s, p: nn.ConvTranspose2d(i, o, k, stride=s, padding=p), T.ConvTranspose2d),
    "act": (lambda name: ACTIVATIONS[name][0], lambda name: ACTIVATIONS[name][1]()),
    "batch_norm": (nn.BatchNorm, T.BatchNorm2d),
    "batch_norm_1d": (nn.BatchNorm, T.BatchNorm1d),
    "group_norm": (lambda c: nn.GroupNorm(4, c), lambda c: T.GroupNorm(4, c)),
    "instance_norm": (nn.InstanceNorm, T.InstanceNorm2d),
    "layer_norm": (nn.LayerNorm, T.LayerNorm),
    "dropout": (nn.Dropout, T.Dropout),
    "max_pool": (nn.MaxPool2d, T.MaxPool2d),
    "avg_pool": (nn.AvgPool2d, T.AvgPool2d),
    "upsample": (lambda mode: nn.Upsample(2, mode=mode), lambda mode: T.Upsample(scale_factor=2, mode=mode)),
    "pixel_shuffle": (nn.PixelShuffle, T.PixelShuffle),
    "flatten": (nn.Flatten, T.Flatten),
    "reshape": (lambda c, s: nn.Reshape((c, s, s)), lambda c, s: T.Unflatten(1, (c, s, s))),
}

#: loss -> of prediction and input (or classes), in minigen and in PyTorch.
LOSSES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "mse": (losses.mse, F.mse_loss),
    "l1": (losses.l1, F.l1_loss),
    "huber": (losses.huber, F.huber_loss),
    "bce_with_logits": (losses.bce_with_logits, F.binary_cross_entropy_with_logits),
    "cross_entropy": (losses.cross_entropy, F.cross_entropy),
    "mean_square": (lambda y, _: ops.mean(y * y), lambda y, _: (y * y).mean()),
}

OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "adam": (lambda p: optim.Adam(p, lr=1e-3), lambda p, fused: torch.optim.Adam(p, lr=1e-3, fused=fused)),
    "adamw": (lambda p: optim.AdamW(p, lr=1e-3), lambda p, fused: torch.optim.AdamW(p, lr=1e-3, fused=fused)),
    "sgd": (
        lambda p: optim.SGD(p, lr=1e-3, momentum=0.9),
        lambda p, fused: torch.optim.SGD(p, lr=1e-3, momentum=0.9, fused=fused),
    ),
    "rmsprop": (lambda p: optim.RMSprop(p, lr=1e-3), lambda p, _: torch.optim.RMSprop(p, lr=1e-3)),
}

Network = tuple[tuple[int, ...], list[Layer], str]  # the shape of a batch, the layers, the loss


class Draw:
    """Choices of a generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def activation(self) -> Layer:
        return ("act", self.of("relu", "relu", "relu", "leaky_relu", "leaky_relu", *ACTIVATIONS))


def dense_network(d: Draw) -> Network:
    """An autoencoder of one to four hidden layers."""
    widths = [d.of(64, 100, 200, 784, 784, 1024, 3072)]
    widths += [d.of(8, 16, 20, 32, 64, 100, 128, 200, 256, 300, 400, 500, 1000) for _ in range(d.of(1, 2, 3, 4))]
    activation, norm, made = d.activation(), d.of("batch_norm_1d", "layer_norm", "dropout", "", ""), list[Layer]()
    for a, b in zip(widths, widths[1:]):
        made += [("dense", a, b), activation]
        if norm:
            made.insert(-1 if norm != "dropout" else len(made), (norm, 0.2 if norm == "dropout" else b))
    batch = d.of(16, 32, 64, 100, 128, 256, 512)
    return (batch, widths[0]), [*made, ("dense", widths[-1], widths[0])], d.of("mse", "l1", "huber", "bce_with_logits")


def autoencoder(d: Draw) -> Network:
    """One to three steps down, some layers there, as many steps up."""
    size, colours, width, depth = (
        d.of(16, 32, 32, 48, 64),
        d.of(1, 3, 3),
        d.of(8, 12, 16, 24, 32, 48, 64),
        d.of(1, 2, 2, 3),
    )
    down, up = d.of("strided 4", "strided 3", "max_pool", "avg_pool"), d.of("4", "2", "nearest", "bilinear", "shuffle")
    activation, norm, kernel = (
        d.activation(),
        d.of("batch_norm", "batch_norm", "", "group_norm", "instance_norm"),
        d.of(3, 5),
    )
    made, channels = list[Layer](), colours

    def ended(c: int) -> list[Layer]:
        return [*([(norm, c)] if norm else []), activation]

    for step in range(depth):
        wide = width * 2**step
        k, s, p = (int(down[-1]), 2, 1) if down.startswith("strided") else (kernel, 1, kernel // 2)
        made += [("conv", channels, wide, k, s, p), *ended(wide), *([] if s == 2 else [(down, 2)])]
        channels = wide
    for _ in range(d.of(0, 0, 1, 2)):
        made += [("conv", channels, channels, 3, 1, 1), *ended(channels)]
    for step in reversed(range(depth)):
        wide = width * 2 ** (step - 1) if step else d.of(width, 16)
        made += {
            "4": [("transposed", channels, wide, 4, 2, 1)],
            "2": [("transposed", channels, wide, 2, 2, 0)],
            "shuffle": [("conv", channels, 4 * wide, 3, 1, 1), ("pixel_shuffle", 2)],
        }.get(up, [("upsample", up), ("conv", channels, wide, 3, 1, 1)])
        made += ended(wide)
        channels = wide
    shape = (d.of(8, 16, 32, 64, 100, 128), colours, size, size)
    return shape, [*made, ("conv", channels, colours, 3, 1, 1)], d.of("mse", "bce_with_logits", "l1")


def classifier(d: Draw) -> Network:
    """Two or three convolutions with pooling, two dense layers."""
    size, channels, width, activation = d.of(28, 32, 48), d.of(1, 3), d.of(8, 16, 32, 64), d.activation()
    shape, made = (d.of(16, 32, 64, 128), channels, size, size), list[Layer]()
    for step in range(d.of(2, 3)):
        wide, k = width * 2**step, d.of(3, 3, 5)
        made += [("conv", channels, wide, k, 1, k // 2), *d.of([("batch_norm", wide)], []), activation]
        if size % 2 == 0:
            made.append((d.of("max_pool", "max_pool", "avg_pool"), 2))
            size //= 2
        channels = wide
    hidden = d.of(64, 128, 256)
    made += [("flatten",), ("dense", channels * size * size, hidden), activation, *d.of([("dropout", 0.5)], [])]
    return shape, [*made, ("dense", hidden, 10)], "cross_entropy"


def generator(d: Draw) -> Network:
    """From a code by transposed convolutions to an image."""
    code, width, size, activation = d.of(32, 64, 100, 128), d.of(16, 32, 64), d.of(4, 7), d.activation()
    made: list[Layer] = [("dense", code, 4 * width * size * size), ("reshape", 4 * width, size)]
    channels = 4 * width
    for wide in (2 * width, width)[: d.of(1, 2, 2)]:
        made += [("transposed", channels, wide, 4, 2, 1), ("batch_norm", wide), activation]
        channels = wide
    made += [("transposed", channels, d.of(1, 3), 4, 2, 1), ("act", "tanh")]
    return (d.of(16, 32, 64, 100), code), made, "mean_square"


FAMILIES = (dense_network, autoencoder, autoencoder, autoencoder, classifier, generator)


def steps(network: Network, optimizer: str, seed: int) -> dict[str, Callable[[], Any]]:
    """The training step of a network in each way."""
    shape, layers, loss = network
    rng = np.random.default_rng(seed)
    x, classes = rng.random(shape, dtype=np.float32), rng.integers(0, 10, shape[0])
    ours = nn.Sequential(*(LAYERS[kind][0](*numbers) for kind, *numbers in layers))
    theirs = [T.Sequential(*(LAYERS[kind][1](*numbers) for kind, *numbers in layers)) for _ in range(2)]
    count = sum(p.size for p in ours.parameters()), sum(p.numel() for p in theirs[0].parameters())
    if count[0] != count[1]:
        raise RuntimeError(f"{count[0]} and {count[1]} parameters: {layers}")
    given, wanted = Tensor(x), classes if loss == "cross_entropy" else Tensor(x)
    update = OPTIMIZERS[optimizer][0](ours.parameters())

    def in_minigen() -> Tensor:
        total = LOSSES[loss][0](ours(given), wanted)
        for p, g in zip(update.params, grad(total, update.params)):
            p.grad = g
        update.step()
        return total  # type: ignore[no-any-return]

    def in_torch(model: Any, tuned: bool) -> Callable[[], Any]:
        data = torch.from_numpy(x)
        if tuned and x.ndim == 4:
            model, data = model.to(memory_format=torch.channels_last), data.to(memory_format=torch.channels_last)
        target = torch.from_numpy(classes) if loss == "cross_entropy" else data
        descent = OPTIMIZERS[optimizer][1](model.parameters(), True if tuned else None)

        def step() -> None:
            descent.zero_grad()
            LOSSES[loss][1](model(data), target).backward()
            descent.step()

        return step

    return {
        "minigen": in_minigen,
        "minigen compiled": mg.compile(in_minigen),
        "PyTorch": in_torch(theirs[0], False),
        "PyTorch tuned": in_torch(theirs[1], True),
    }


def times(ways: dict[str, Callable[[], Any]], rng: np.random.Generator) -> dict[str, float]:
    """The least seconds of each way, in turns."""
    for step in ways.values():
        for _ in range(5):  # a compiled step is replayed from the fifth on
            step()
    begin = time.perf_counter()
    ways["PyTorch"]()
    turn = max(1, math.ceil(LEAST / (time.perf_counter() - begin)))
    best = dict.fromkeys(ways, math.inf)
    for _ in range(ROUNDS):
        for name in rng.permutation(list(ways)):
            for _ in range(turn):
                begin = time.perf_counter()
                ways[name]()
                best[name] = min(best[name], time.perf_counter() - begin)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    draw, rows = Draw(args.seed), list[dict[str, Any]]()
    for number in range(args.count):
        family = draw.of(*FAMILIES)
        network, optimizer = family(draw), draw.of("adam", "adam", "adamw", "sgd", "rmsprop")
        best = times(steps(network, optimizer, number), draw.rng)
        shape, layers, loss = network
        words = " ".join("-".join(map(str, layer)) for layer in layers)
        row = {"family": family.__name__, "batch": shape, "layers": words, "loss": loss, "optimizer": optimizer}
        ms = {name: round(1e3 * seconds, 3) for name, seconds in best.items()}
        rows.append(row | {"ms": ms, "best_peer_ms": min(ms["PyTorch"], ms["PyTorch tuned"])})
        ratio = ms["minigen"] / rows[-1]["best_peer_ms"]
        print(f"{ratio:.2f}  {family.__name__} {shape} {loss} {optimizer} {ms}  {words}", flush=True)
    found = session.empty_result(Settings(), [])
    result = {key: found[key] for key in ("date", "machine", "versions")}
    result |= {"seed": args.seed, "commit": session.commit(), "networks": rows}
    file = args.out / f"random-networks-{slug(place(found['machine']))}.json"
    session.write(result, file)
    for way in ("minigen", "minigen compiled"):
        ratios = [row["ms"][way] / row["best_peer_ms"] for row in rows]
        mean, largest = geometric_mean(ratios), max(ratios)
        print(f"{way} to PyTorch's better time: geometric mean {mean:.3f}, largest {largest:.2f}")
    print(f"Kept in {file}; python benchmarks/run.py --page writes it into docs/performance.md")


if __name__ == "__main__":
    main()
