"""What ``--log tensorboard`` costs: milliseconds of a logged step and of an epoch, beside an update of the same model.

    python benchmarks/watching.py          # half a minute; writes benchmarks/results/watching-<cpu>.json

Medians. A logged step is every 50th by default (``--log-every``); an epoch writes its means, a picture, and a histogram
of every parameter and gradient. Nothing else is done in an update that would not be done without.

Imports: minigen, tensorboardX. Read next: ``docs/watching.md``.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.pictures import sheet
from minigen.training.config import resolve
from minigen.training.prepare import Prepared, prepare
from minigen.training.watch import units, weights_and_gradients
from minigen.watching import TensorBoard
from minigen_bench.harness import Settings
from minigen_bench.session import empty_result
from minigen_bench.tables import slug

RESULTS = Path(__file__).resolve().parent / "results"
NAMES = ("ae", "vae", "dcgan", "conv-vae")


def median(call: Callable[[], object], times: int) -> float:
    """Of so many calls, in ms, after one."""
    call()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken)


def measure(prepared: Prepared, folder: Path) -> dict[str, float]:
    """The costs for one model, in ms."""
    experiment, batch = prepared.experiment, next(iter(prepared.batches))
    terms = {f"batch/{name}": float(value) for name, value in experiment.step(batch).items()}
    modules = experiment.modules.items()
    parameters = {f"{name}.{key}": p for name, module in modules for key, p in module.named_parameters()}
    picture = sheet(experiment.pictures(batch.x[:16]), value_range=prepared.train.value_range)
    board = TensorBoard(folder / "tensorboard")
    board.start(prepared.config, units(experiment), 0)
    found = {
        "parameters": sum(p.size for p in parameters.values()),
        "update": median(lambda: experiment.step(batch), 20),
        "logged step": median(lambda: board.scalars(1, terms), 100),
        "picture": median(lambda: board.images(1, {"samples": picture}), 10),
        "histograms": median(lambda: board.histograms(1, weights_and_gradients(parameters)), 10),
    }
    board.finish()
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Measure, print, and write."""
    result: dict[str, Any] = {**empty_result(Settings(), ()), "milliseconds": {}}
    for name in NAMES:
        recipe = MODELS[name]
        config = resolve(recipe, OPTIONS, {"dataset": "glyphs", "limit": 1000, "threads": 1})
        with tempfile.TemporaryDirectory() as folder:
            result["milliseconds"][name] = measure(prepare(recipe, config), Path(folder))
        print(name, result["milliseconds"][name], flush=True)
    path = RESULTS / f"watching-{slug(result['machine']['cpu'])}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
