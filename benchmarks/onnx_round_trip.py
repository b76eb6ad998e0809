"""Every part of every model of ``minigen list``, exported, loaded again and trained one step: a table.

    python benchmarks/onnx_round_trip.py [MODEL ...] [--record]

Models are trained for two updates before. The loss is the sum of the mean squares of all outputs, in evaluation mode,
and the step one of gradient descent that lowers it by about a hundredth. It is taken twice, by the network in the run
and by the one that `mg.onnx.load` makes of the file, each with gradients of its own, of all arrays that have one name
in both; a moving average is trained, too. "Left as they are" are parameters in the file that the run has no
gradient of. Losses before and after have to agree to 1e-6 (relative). `--record` keeps the table in
``benchmarks/results/onnx-round-trip.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import minigen as mg
from minigen import nn
from minigen.algorithms.catalog import MODELS
from minigen.autograd import Tensor, grad
from minigen.runs.parts import Part, examples, networks_of, parts_of

RECORD = Path(__file__).parent / "results" / "onnx-round-trip.md"
RNG = np.random.default_rng(0)
LABELS = np.arange(400) % 10
IMAGES = (RNG.random((400, 1, 28, 28)) * 0.5 + 0.05 * LABELS[:, None, None, None]).astype(np.float32)
AGREED = 1e-6
SHARE = 0.01  # of the loss, that the step lowers it by

Parameters = Mapping[str, Tensor]


def loss_of(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Tensor:
    """The sum of the mean squares of the outputs that are floats."""
    results = function(*(Tensor(x) for x in inputs))
    total = Tensor(np.zeros((), np.float32))
    for y in results if isinstance(results, tuple) else (results,):
        total = total + (y * y).mean() if y.dtype.kind == "f" else total
    return total


def step(function: Callable[..., Any], inputs: tuple[Any, ...], parameters: Parameters, rate: float | None) -> Any:
    """The loss before and after a step of gradient descent, its rate, and the names of what it has moved."""
    before = loss_of(function, inputs)
    if not before.requires_grad:
        return before.item(), before.item(), 0.0, []
    names = list(parameters)
    gradients = grad(before, [parameters[name] for name in names])
    moved = {name: g for name, g in zip(names, gradients, strict=True) if g.numpy().any()}
    square = sum(float((g.numpy().astype(np.float64) ** 2).sum()) for g in moved.values())
    if rate is None:
        rate = SHARE * abs(before.item()) / square if square else 0.0
    for name, g in moved.items():
        parameters[name].data = parameters[name].data - np.float32(rate) * g.data
    return before.item(), loss_of(function, inputs).item(), rate, sorted(moved)


def row(run: mg.Run, name: str, part: Part, folder: Path) -> list[str]:
    """The two trainings of a part, compared."""
    run.export(folder / "part.onnx", name)
    inputs = tuple(x if x.dtype.kind != "i" else x.astype(np.int64) for x in examples(run, part))
    networks = networks_of(run)
    named = [*networks.items(), *([("", part.function)] if isinstance(part.function, nn.Module) else [])]
    own = {f"{at}.{n}".lstrip("."): t for at, network in named for n, t in network._named_tensors()}
    loaded = mg.onnx.load(folder / "part.onnx")
    theirs = dict(loaded.named_parameters())
    shared = sorted(own.keys() & theirs.keys())  # also the averages of weights, which are no parameters in the run
    kept = {key: (own[key].data, own[key].requires_grad) for key in shared}
    for key in shared:
        own[key].requires_grad = True
    with contextlib.ExitStack() as stack:
        for network in networks.values():
            modes = [(module, module.training) for _, module in network.named_modules()]
            network.eval()
            stack.callback(lambda modes=modes: [setattr(m, "training", mode) for m, mode in modes])
        first = step(part.function, inputs, {key: own[key] for key in shared}, None)
        for key, (data, requires_grad) in kept.items():
            own[key].data, own[key].requires_grad = data, requires_grad
    second = step(loaded, inputs, {key: theirs[key] for key in first[3]}, first[2])
    apart = [abs(a - b) / max(abs(a), 1e-30) for a, b in zip(first[:2], second[:2], strict=True)]
    assert first[3] == second[3], f"one of them trains {set(first[3]) ^ set(second[3])} alone"
    others = sorted(theirs.keys() - set(first[3]))  # dead units have no gradient in either
    return [
        run.recipe.name, name, str(len(loaded.nodes)), str(len(second[3])), ", ".join(others) or "-", f"{first[0]:.6g}",
        f"{first[1]:.6g}", f"{apart[0]:.0e}", f"{apart[1]:.0e}",
    ]  # fmt: skip


def main() -> None:
    """Print the table; exit with 1 if a loss differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "| model | part | nodes | trained | left as they are | loss | after a step | difference | after a step |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    largest = 0.0
    for model in given.models:
        run = mg.train(model, data=IMAGES, labels=LABELS, progress=False, max_steps=2, batch_size=16)
        for name, part in parts_of(run).items():
            with tempfile.TemporaryDirectory() as folder:
                cells = row(run, name, part, Path(folder))
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
            largest = max(largest, float(cells[-1]), float(cells[-2]))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("onnx", "numpy"))
    last = f"{len(given.models)} models, {len(lines) - 2} parts: largest relative difference {largest:.0e} ({versions})"
    print(last)
    if given.record:
        RECORD.write_text("\n".join([*lines, "", last, ""]), encoding="utf-8")
    sys.exit(0 if largest <= AGREED else 1)


if __name__ == "__main__":
    main()
