"""A step in PyTorch, ready to be taken; a process that measures it.

`torch` is PyTorch eager, as its users write it. `torch-tuned` adds what its manual advises for speed and few do:
channels-last convolutions and the fused Adam. `torch-compile` hands the networks to its compiler in the default mode,
which on a GPU replays them as CUDA graphs ("reduce-overhead").

Imports: PyTorch, the families, steps, worker. Read next: ``in_jax.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minigen_bench.adversarial import in_torch as adversarial
from minigen_bench.dense import in_torch as dense
from minigen_bench.further import in_torch as further
from minigen_bench.images import in_torch as images
from minigen_bench.steps import STEPS
from minigen_bench.worker import Order, as_number, work

NETWORKS: dict[str, Any] = {**dense.STEPS, **images.STEPS, **adversarial.STEPS, **further.STEPS}
SPECTRAL_NORM = {
    "layer.weight": "parametrizations.weight.original",
    "layer.bias": "bias",
    "u": "parametrizations.weight.0._u",
    "v": "parametrizations.weight.0._v",
}  # minigen's names and PyTorch's, the only ones that differ


class Training:
    """One of the steps, with the weights that minigen starts from."""

    def __init__(
        self,
        name: str,
        batch: int,
        threads: int,
        weights: dict[str, Any],
        device: str = "cpu",
        kind: str = "torch",
    ) -> None:
        torch.set_num_threads(threads)
        torch.set_default_device(device)
        torch.manual_seed(2)
        self.definition, self.batch, self.device, self.compiled = STEPS[name], batch, device, kind == "torch-compile"
        self.dtype = getattr(torch, self.definition.dtype)
        tuned = kind == "torch-tuned"
        adam = partial(torch.optim.Adam, fused=True) if tuned else torch.optim.Adam
        data = map(self._tensor, self.definition.data(batch))
        networks, self.update = NETWORKS[self.definition.network or name](*data, adam)
        for part, network in networks.items():
            network.to(self.dtype)
            network.load_state_dict(own_names({k: v for k, v in weights.items() if k.startswith(f"{part}.")}))
            if tuned:
                network.to(memory_format=torch.channels_last)
            if self.compiled:
                network.compile(mode="reduce-overhead" if device == "cuda" else None)

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        self._begin()
        return [as_number(y.detach().cpu().numpy()) for y in self.update(*map(self._tensor, noise))]

    def step(self) -> None:
        """One update with noise of its own."""
        self._begin()
        draws = {"normal": torch.randn, "uniform": torch.rand}
        self.update(*[draws[kind](self.batch, *shape, dtype=self.dtype) for kind, shape in self.definition.noise])

    def wait(self) -> None:
        """Return when all steps are done: at once, on a CPU."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def remark(self) -> str:
        """What a reader has to know."""
        return ""

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"torch": torch.__version__}

    def _begin(self) -> None:
        """CUDA graphs write their results where those of the step before were."""
        if self.compiled:
            torch.compiler.cudagraph_mark_step_begin()

    def _tensor(self, x: Any) -> Tensor:
        return torch.from_numpy(x).to(self.device)


def own_names(weights: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of one network under the names that PyTorch gives them."""
    names = {k: k.partition(".")[2] for k in weights}
    normed = {name.removesuffix(".u") for name in names.values() if name.endswith(".u")}
    found = {}
    for k, name in names.items():
        layer = next((layer for layer in normed if name.startswith(f"{layer}.")), None)
        own = name if layer is None else f"{layer}.{SPECTRAL_NORM[name.removeprefix(f'{layer}.')]}"
        found[own] = torch.tensor(weights[k])
    return found


def build(order: Order) -> Training:
    """The step, from minigen's weights."""
    return Training(order.step, order.batch, order.threads, order.read_weights(), order.device, order.kind)


if __name__ == "__main__":
    work(build)
