"""Data-parallel training, measured: a process on one core, two ranks on two, and torch.distributed (gloo) beside them.

    python benchmarks/data_parallel.py --out benchmarks/results/data-parallel-NAME.json [--models gan dcgan]

Random images of 28x28; every process is bound to a core of its own. The kinds take turns, `--rounds` times, and each
number is the best of its turns, in images a second.

    one     `minigen train MODEL`, one process on one core, 128 images an update
    mpi     the same under mpiexec -n 1
    pair    two processes that know nothing of each other, a core each, added: what this machine gives to two at most
    ranks   mpiexec -n 2, 2 replicas of 128 images
    halves  mpiexec -n 2, 2 replicas of 64 images: the update of `one`, shared
    minigen, torch    the networks of `minigen bench`, two ranks of 128 images. In PyTorch by DistributedDataParallel
            where there is one network and one backward pass (conv-ae), else by one all_reduce a network

Read next: ``data_parallel_worker.py``, ``docs/distributed.md``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

from minigen.training.environment import describe_environment

MODELS = ("conv-ae", "dcgan", "wgan-gp", "gan")
MPIEXEC = Path(sys.executable).parent / "mpiexec"
WORKER = Path(__file__).with_name("data_parallel_worker.py")


def started(kind: str, ranks: int, model: str, batch: int, replicas: int, seconds: float, core: int | None = None):
    """A worker on so many ranks."""
    launcher = [str(MPIEXEC), "-n", str(ranks)] if ranks else []
    words = [*launcher, sys.executable, str(WORKER), kind, model, str(batch), str(replicas), str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({} if core is None else {"CORE": str(core)})}
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)


def answer(process: subprocess.Popen[str]) -> dict[str, float]:
    """What the first rank prints at the end."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a worker failed: {process.args}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def measure(kind: str, model: str, seconds: float) -> dict[str, float]:
    """One number, and for ranks where the time of an update went."""
    if kind == "pair":
        both = [started("train", 0, model, 128, 1, seconds, core) for core in (0, 1)]
        return {"images/s": sum(answer(process)["images/s"] for process in both)}
    ranks, batch, replicas = {"one": (0, 128, 1), "mpi": (1, 128, 1), "ranks": (2, 256, 2), "halves": (2, 128, 2)}.get(
        kind, (2, 128, 2)
    )
    return answer(started(kind if kind in ("minigen", "torch") else "train", ranks, model, batch, replicas, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the result goes, as JSON; what is there of other kinds stays")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--kinds", nargs="+", default=["one", "mpi", "pair", "ranks", "halves", "minigen", "torch"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn")
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.out and options.out.exists() else {"models": {}}
    for _ in range(options.rounds):
        for model in options.models:
            for kind in options.kinds:
                new = measure(kind, model, options.seconds)
                best = result["models"].setdefault(model, {}).setdefault(kind, new)
                if new["images/s"] > best["images/s"]:
                    result["models"][model][kind] = new
    environment = describe_environment()
    kept = ("minigen", "commit", "python", "packages", "processor", "cores", "matrix products")
    result |= {"date": str(datetime.date.today()), **{key: environment[key] for key in kept}}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    for model, kinds in result["models"].items():
        print(model, {kind: round(found["images/s"]) for kind, found in kinds.items()})


if __name__ == "__main__":
    main()
