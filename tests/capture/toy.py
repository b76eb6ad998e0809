"""A small network with all that training has, and a step of it made plainly and captured, which have to agree.

Read next: ``test_capture.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minigen as mg
from minigen import nn, ops, optim
from minigen.autograd import Tensor
from minigen.capture import CapturedStep, capture

FIRST = 5  # the call that is a launch of a graph


@dataclass
class Toy:
    """A network, an optimizer, noise, and what else a step may use."""

    device: str = "cuda"
    lr: float = 1e-2
    weight: float = 0.5
    network: nn.Module = field(init=False)
    noise: mg.Generator = field(init=False)
    average: nn.MovingAverage = field(init=False)
    adam: optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        rng = mg.Generator(3)
        self.network = nn.Sequential(nn.Dense(4, 6, rng=rng), nn.BatchNorm(6), ops.relu, nn.Dense(6, 2, rng=rng))
        self.network.to(self.device)
        self.noise = mg.Generator(1, device=self.device)
        self.average = nn.MovingAverage(self.network, 0.9)
        self.adam = optim.Adam(self.network.parameters(), lr=self.lr)

    def loss(self, x: Any) -> Tensor:
        x = x if isinstance(x, Tensor) else Tensor(mg.device.to_device(x, self.device))
        return ops.mean((self.network(x + Tensor(self.noise.normal(x.shape))) * self.weight) ** 2)

    def update(self, loss: Tensor) -> None:
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.average.update(self.network)

    def step(self, x: Any) -> dict[str, Any]:
        loss = self.loss(x)
        self.update(loss)
        return {"loss": loss, "twice": loss.detach() * 2}

    def state(self) -> list[bytes]:
        arrays = {**self.network.state_dict(), **self.average.state_dict(), **self.adam.state_dict()}
        return [*(a.tobytes() for a in arrays.values()), repr(self.noise.state).encode()]


def batches(n: int, size: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(n, size, 4)).astype(np.float32))


def assert_same(
    make: Callable[[Toy], Callable[..., Any]],
    given: list[Any] | None = None,
    before: Callable[[Toy, int], None] = lambda toy, k: None,
    **options: Any,
) -> CapturedStep[..., Any]:
    """Make the same steps plainly and captured: every result and all of the state must be the same. The captured step.

    `before(toy, k)` runs before step k, from 0.
    """
    found = []
    for captured in (False, True):
        toy = Toy()
        step = make(toy)
        step = capture(step, **options) if captured else step
        results = []
        for k, x in enumerate(batches(12) if given is None else given):
            before(toy, k)
            result = step(x)
            result = result if isinstance(result, dict) else {"result": result}
            results.append({name: np.asarray(mg.device.to_device(v.data, "cpu")) if isinstance(v, Tensor) else v
                            for name, v in result.items()})  # fmt: skip
        found.append((results, toy.state()))
    assert str(found[0][0]) == str(found[1][0])
    assert found[0][1] == found[1][1]
    assert isinstance(step, CapturedStep)
    return step
