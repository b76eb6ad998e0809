"""Activations written by hand join the kernel before them, if the list of calls allows it and the bits are the same.

Read next: ``test_compile.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen import compile, nn, ops, optim
from minigen.autograd import Tensor

FIRST = 5


def leaky(x: Tensor) -> Tensor:
    return ops.leaky_relu(x, 0.2)


def relu(x: Tensor) -> Tensor:
    return ops.relu(x)


def dense(rng: mg.Generator, act: Any) -> nn.Module:
    return nn.Sequential(nn.Dense(6, 9, rng=rng), act, nn.Dense(9, 7, rng=rng), act, nn.Dense(7, 1, rng=rng))


def conv(rng: mg.Generator, act: Any) -> nn.Module:
    return nn.Sequential(
        nn.Reshape((1, 2, 3)), nn.Conv2d(1, 4, 3, padding=1, rng=rng), act,
        nn.ConvTranspose2d(4, 3, 2, stride=2, rng=rng), act, nn.Flatten(), nn.Dense(3 * 4 * 6, 1, rng=rng),
    )  # fmt: skip


def norm(rng: mg.Generator, act: Any) -> nn.Module:
    return nn.Sequential(
        nn.Reshape((1, 2, 3)), nn.Conv2d(1, 4, 3, padding=1, bias=False, rng=rng), nn.BatchNorm(4), act,
        nn.Flatten(), nn.Dense(4 * 6, 8, rng=rng), nn.BatchNorm(8), act, nn.Dense(8, 1, rng=rng),
    )  # fmt: skip


def trained(make: Callable[..., nn.Module], act: Any, compiled: bool, look: Any = None) -> tuple[Any, list[bytes]]:
    """The step after ten updates, and all bits of the network."""
    network = make(mg.Generator(3), act)
    adam = optim.Adam(network.parameters(), lr=0.05)

    def step(x: Any) -> Any:
        y = network(Tensor(x))
        loss = ops.mean((y - 1) ** 2) + (0.0 if look is None else look(network, Tensor(x)))
        for p, g in zip(adam.params, mg.grad(loss, adam.params)):
            p.grad = g
        adam.step()
        return loss

    made: Any = compile(step) if compiled else step
    for x in np.random.default_rng(0).normal(size=(10, 16, 6)).astype(np.float32):
        made(x)
    return made, [array.tobytes() for array in network.state_dict().values()]


@pytest.mark.parametrize("act", [leaky, relu])
@pytest.mark.parametrize("make", [dense, conv, norm])
def test_an_activation_by_hand_is_fused_with_the_same_bits(make: Any, act: Any) -> None:
    _, plain = trained(make, act, False)
    step, fused = trained(make, act, True)
    assert fused == plain and step.replays == 10 - FIRST + 1
    if make is conv:  # a result in another order than that of the activation stays as it is
        assert "'leaky_relu'" in step.program
    else:
        assert "leaky_relu(" not in step.program and "maximum(" not in step.program
    assert ("leaky_relu_backward(" in step.program) == (make is not norm)  # elsewhere the sums would be others


def test_what_else_is_looked_at_is_not_fused() -> None:
    """The sum before the activation is a term of the loss, too."""

    def look(network: Any, x: Tensor) -> Tensor:
        z = network[0](x)
        return ops.mean(z * ops.leaky_relu(z, 0.2))

    _, plain = trained(dense, relu, False, look)
    step, made = trained(dense, relu, True, look)
    assert made == plain and step.replays == 10 - FIRST + 1
    assert step.program.count("= leaky_relu(") == 1


def test_an_activation_of_a_negative_slope_is_not_fused() -> None:
    """Its result does not tell the sign of its argument."""
    _, plain = trained(dense, lambda x: ops.leaky_relu(x, -0.2), False)
    step, made = trained(dense, lambda x: ops.leaky_relu(x, -0.2), True)
    assert made == plain and step.program.count("= leaky_relu(") == 2


def test_a_fusion_that_changes_bits_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import minigen.compiling.fusion as fusion

    def wrong(call: Any, given: Any, slope: float) -> Any:
        return right(call, given, slope / 2)

    right = fusion._with_slope
    monkeypatch.setattr(fusion, "_with_slope", wrong)
    _, plain = trained(dense, leaky, False)
    step, made = trained(dense, leaky, True)
    assert made == plain and step.replays == 10 - FIRST and "leaky_relu_backward(" in step.program
