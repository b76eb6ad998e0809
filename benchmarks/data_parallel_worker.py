"""A rank of ``data_parallel.py``: makes updates for some seconds; the first rank prints the images a second of all.

mpiexec -n 2 python data_parallel_worker.py train|minigen|torch MODEL BATCH REPLICAS SECONDS
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigen import distributed
from minigen.autograd import Tensor, grad
from minigen.distributed import Communicator, Team

WARM = 3  # updates
IMAGES = 4096


def training(world: Communicator, model: str, batch: int, replicas: int) -> tuple[Callable[[], object], int]:
    """An update of `minigen train`, and its images."""
    sessions, settings = (importlib.import_module(f"minigen.runs.{name}") for name in ("sessions", "settings"))
    memory = importlib.import_module("minigen.training.in_memory")
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES, 1, 28, 28), dtype=np.uint8), rng.integers(0, 10, IMAGES)
    options = {
        "dataset": memory.IN_MEMORY, "batch_size": batch, "replicas": replicas, "threads": 1, "device": "cpu",
        "doctor": False, "validation": 0.0,
    }  # fmt: skip
    recipe, config = settings.new_config(model, None, options)
    data = memory.in_memory_data(images, labels, None)
    session, _ = sessions.begin_session(recipe, config, options, None, memory_data=data)
    step, batches = session.replicas or session.prepared.experiment.step, session.prepared.batches

    def forever() -> Iterator[Any]:
        while True:
            yield from batches

    coming = forever()
    return lambda: step(next(coming)), batches.batch_size


def network(world: Communicator, model: str, batch: int, replicas: int) -> tuple[Callable[[], object], int]:
    """A step of `minigen bench` with the mean of the gradients of all ranks."""
    bench = importlib.import_module("minigen_bench.in_minigen")
    (replica,) = Team(world, replicas).replicas

    def descend(loss: Tensor, optimizer: Any) -> None:
        gradients = replica.mean([g.data for g in grad(loss, optimizer.params)])
        for p, g in zip(optimizer.params, gradients):
            p.grad = Tensor(g)
        optimizer.step()

    for family in ("adversarial", "dense", "images"):
        importlib.import_module(f"minigen_bench.{family}.in_minigen").descend = descend  # type: ignore[attr-defined]
    return bench.Training(model, batch, 1).step, batch * world.size


def torch_network(world: Communicator, model: str, batch: int, replicas: int) -> tuple[Callable[[], object], int]:
    """The same in PyTorch, over gloo."""
    torch, dist = importlib.import_module("torch"), importlib.import_module("torch.distributed")
    tools, bench = (
        importlib.import_module("minigen_bench.torch_tools"),
        importlib.import_module("minigen_bench.in_torch"),
    )
    parallel = importlib.import_module("torch.nn.parallel").DistributedDataParallel
    torch.set_num_threads(1)
    port = world.broadcast(20000 + os.getpid() % 20000)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=world.rank, world_size=world.size)
    torch.manual_seed(0)
    sequential = torch.nn.Sequential
    if model == "conv-ae":
        torch.nn.Sequential = lambda *layers: parallel(sequential(*layers))
    else:
        flatten, unflatten = torch._utils._flatten_dense_tensors, torch._utils._unflatten_dense_tensors

        def descend(loss: Any, optimizer: Any, parameters: list[Any]) -> None:
            optimizer.zero_grad(set_to_none=True)
            loss.backward(inputs=parameters)
            gradients = [p.grad for p in parameters]
            flat = flatten(gradients)
            dist.all_reduce(flat)
            flat /= world.size
            for g, mean in zip(gradients, unflatten(flat, gradients)):
                g.copy_(mean)
            optimizer.step()

        tools.descend = descend
    definition = bench.STEPS[model]
    data = map(torch.from_numpy, definition.data(batch))
    _, update = bench.NETWORKS[definition.network or model](*data, torch.optim.Adam)
    torch.nn.Sequential = sequential
    draws = {"normal": torch.randn, "uniform": torch.rand}
    return lambda: update(*[draws[kind](batch, *shape) for kind, shape in definition.noise]), batch * world.size


KINDS = {"train": training, "minigen": network, "torch": torch_network}


def main(kind: str, model: str, batch: str, replicas: str, seconds: str) -> None:
    """Warm up, agree on a number of updates, make them."""
    world = distributed.init()
    os.sched_setaffinity(0, {int(os.environ.get("CORE", world.rank))})
    with np.errstate(all="ignore"):
        step, images = KINDS[kind](world, model, int(batch), int(replicas))

        def seconds_of(n: int) -> float:
            began = time.perf_counter()
            for _ in range(n):
                step()
            return time.perf_counter() - began

        seconds_of(WARM)
        updates = world.broadcast(max(WARM, int(float(seconds) * WARM / seconds_of(WARM))))
        world.bytes, world.seconds, world.waited, world.calls = 0, 0.0, 0.0, 0
        spent = seconds_of(updates)
    if world.rank == 0:
        found = {"images/s": updates * images / spent, "ms": 1000 * spent / updates}
        if world.size > 1 and kind != "torch":
            found |= {"ms of sums": 1000 * world.seconds / updates, "sums": world.calls / updates}
            found |= {"bytes": world.bytes / updates, "ms waited": 1000 * world.waited / updates}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
