"""The gradient checker on Modules and other state, which it restores.

Read next: ``test_gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck.wrong_gradients import point

from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.random import Generator


def network() -> nn.Sequential:
    rng = Generator(3)
    return nn.Sequential(nn.Dense(4, 5, rng=rng), nn.BatchNorm(5), ops.tanh, nn.Dropout(0.5, rng=Generator(4)),
                         nn.Dense(5, 2, rng=rng))  # fmt: skip


def snapshot(net: nn.Module) -> dict[str, Any]:
    tensors = dict(net._named_tensors())
    return {
        "arrays": {name: (id(t.data), t.data.tobytes(), t.dtype) for name, t in tensors.items()},
        "grads": {name: id(t.grad) for name, t in tensors.items()},
        "training": [m.training for _, m in net.named_modules()],
        "attributes": [dict(vars(m)) for _, m in net.named_modules()],
        "random": [m.rng.state for _, m in net.named_modules() if isinstance(m, nn.Dropout)],
    }


@pytest.mark.parametrize("good", [True, False], ids=["passes", "raises"])
def test_module_is_given_back_bit_for_bit(good: bool) -> None:
    net = network()
    net(Tensor(point(6, 4).astype(np.float32))).sum().backward()
    before = snapshot(net)
    if good:
        gradcheck(net, point(6, 4), order=2)
    else:
        with pytest.raises(GradientMismatch):
            gradcheck(lambda net, x: net(x).detach() * x.sum(), net, point(6, 4))
    assert snapshot(net) == before


def test_batch_norm_and_dropout_in_training_to_third_order() -> None:
    rng = Generator(3)
    layers = nn.Dense(2, 3, rng=rng), nn.BatchNorm(3), ops.tanh, nn.Dropout(0.5, rng=Generator(4)), nn.Dense(3, 1)
    report = gradcheck(nn.Sequential(*layers), point(3, 2), order=3)
    rows = {(row.order, row.name): row for row in report.rows}
    assert rows[1, "parameter '0.bias'"].verdict == "VACUOUS"  # batch norm takes the mean away
    assert rows[3, "cotangent of the gradient in parameter '1.weight'"].verdict == "OK"
    assert {row.order for row in report.rows} == {1, 2, 3}


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions_to_third_order(layer: Callable[..., nn.Module]) -> None:
    gradcheck(layer(2, 1, 3, stride=2, padding=1, rng=Generator(0)), point(1, 2, 3, 4), order=3)


def test_a_module_among_the_inputs_and_a_method_are_checked() -> None:
    net, target = network().eval(), point(6, 2, seed=1)
    report = gradcheck(lambda net, x: losses.mse(net(x), Tensor(target)), net, point(6, 4))
    assert "parameter '4.weight' of input 0" in [row.name for row in report.rows]
    assert "parameter '4.weight'" in [row.name for row in gradcheck(net.forward, point(6, 4)).rows]


def test_frozen_parameters_are_left_out() -> None:
    names = [row.name for row in gradcheck(network().requires_grad_(False), point(6, 4)).rows]
    assert names == ["input 0"]


def test_tied_parameters_are_one_variable() -> None:
    net = nn.Sequential(nn.Dense(3, 3, bias=False), ops.tanh, nn.Dense(3, 3, bias=False))
    net[2].weight = net[0].weight
    assert [row.name for row in gradcheck(net, point(4, 3), order=2).rows][:2] == ["input 0", "parameter '0.weight'"]


def test_attributes_that_forward_changes_are_put_back() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            self.calls, self.seen, self.history = 0, np.zeros(3), list[int]()

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.seen += 1
            self.history.append(self.calls)
            return x * x * float(self.calls + self.seen[0] + len(self.history))

    module = Counting()
    gradcheck(module, point(3), order=2)
    assert (module.calls, list(module.seen), module.history) == (0, [0, 0, 0], [])


def test_a_generator_among_the_inputs_is_rewound() -> None:
    def sample(mu: Tensor, log_std: Tensor, rng: Generator) -> Tensor:
        return mu + ops.exp(log_std) * Tensor(rng.normal(mu.shape, dtype=mu.dtype))

    rng = Generator(0)
    before = rng.state
    gradcheck(sample, point(3, 2), point(3, 2, seed=1), rng, order=2)
    assert rng.state == before
