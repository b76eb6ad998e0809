"""A step in minigen, ready to be taken; a process that measures it.

`minigen-compiled` replays the step without Tensors (`mg.compile`), `minigen-captured` as a CUDA graph.

Imports: NumPy, minigen, the families, steps, worker. Read next: ``in_torch.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numba
import numpy as np

import minigen as mg
from minigen import Tensor
from minigen.device import to_device
from minigen_bench.adversarial import in_minigen as adversarial_steps
from minigen_bench.dense import in_minigen as dense_steps
from minigen_bench.further import in_minigen as further_steps
from minigen_bench.images import in_minigen as images_steps
from minigen_bench.minigen_tools import Update
from minigen_bench.steps import STEPS, Draw
from minigen_bench.worker import Order, as_number, work

NETWORKS: dict[str, Any] = {
    **dense_steps.STEPS, **images_steps.STEPS, **adversarial_steps.STEPS, **further_steps.STEPS
}  # fmt: skip


def draw_and_update(
    update: Update, rng: mg.Generator, batch: int, noise: Sequence[Draw], dtype: str
) -> tuple[Tensor, ...]:
    """One update with noise of its own."""
    return update(*[getattr(rng, kind)((batch, *shape), dtype=dtype) for kind, shape in noise])


class Training:
    """One of the steps: `step` makes one update with noise of its own."""

    def __init__(self, name: str, batch: int, threads: int, device: str = "cpu", kind: str = "minigen") -> None:
        mg.set_num_threads(threads)
        mg.manual_seed(0)
        self.definition, self.rng = STEPS[name], mg.Generator(2, device=device)
        data = [Tensor(x, device=device) for x in self.definition.data(batch)]
        self.networks, self.update = NETWORKS[self.definition.network or name](*data)
        draws = (self.update, self.rng, batch, self.definition.noise, self.definition.dtype)
        self.step: Callable[[], object] = partial(draw_and_update, *draws)
        if kind == "minigen-captured":
            self.step = mg.capture(self.step)
        if kind == "minigen-compiled":
            self.step = mg.compile(self.step)

    def weights(self) -> dict[str, Any]:
        """All parameters and buffers, under PyTorch's names."""
        return {f"{n}.{k}": v for n, network in self.networks.items() for k, v in network.state_dict().items()}

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        return [as_number(y.numpy()) for y in self.update(*(to_device(x, self.rng.device) for x in noise))]

    def wait(self) -> None:
        """Return when all steps are done: on a CPU at once."""
        if self.rng.device == "cuda":
            importlib.import_module("cupy").cuda.Device().synchronize()  # all streams: a graph may have its own

    def remark(self) -> str:
        """Why a step that should be replayed is not."""
        reason = getattr(self.step, "reason", None)
        return f"steps are plain: {reason}" if reason else ""

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"minigen": mg.__version__, "numpy": np.__version__, "numba": numba.__version__}


def build(order: Order) -> Training:
    """The step; all others start from the weights that it writes."""
    training = Training(order.step, order.batch, order.threads, order.device, order.kind)
    if order.kind == "minigen":
        np.savez(order.weights, **training.weights())
    return training


if __name__ == "__main__":
    work(build)
