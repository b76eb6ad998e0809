"""What `Host` finds from a step, and what it says when something has changed. All of it on the CPU.

Read next: ``test_capture.py``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen import nn, ops, optim
from minigen.capture.arguments import arrays_in, filled, kind_of, mapped
from minigen.capture.host import Host
from minigen.data import Batch


@dataclass
class Everything:
    """Places in which a step may keep something."""

    number: float
    names: list[str]
    table: dict[str, Any]
    network: nn.Module
    optimizer: optim.Optimizer
    noise: mg.Generator

    def step(self, x: Any, rate: float = 0.5) -> Any:
        return x * rate


@pytest.fixture
def one() -> Everything:
    network = nn.Sequential(nn.Dense(2, 3, rng=mg.Generator(0)), ops.relu, nn.Dropout(rng=mg.Generator(1, stream=7)))
    optimizer = optim.Adam([{"params": network.parameters(), "weight_decay": 0.1}])
    return Everything(0.5, ["a"], {"b": np.arange(3)}, network, optimizer, mg.Generator(2))


def test_tensors_generators_and_optimizers_are_found(one: Everything) -> None:
    host = Host(one.step)
    assert [path for path, _ in host.tensors] == ["step.network.0.weight", "step.network.0.bias"]
    assert sorted(g.state["stream"] for g in host.generators) == [0, 7]
    assert host.optimizers == [one.optimizer] and host.change() is None
    assert host.counts() == {(one.optimizer, 0, "step"): 0, (one.optimizer, 1, "step"): 0}


def _weaker(one: Everything) -> None:
    one.optimizer._group_optimizers[0].weight_decay = 0.2  # type: ignore[attr-defined]


CHANGES = [
    (lambda one: setattr(one, "number", 0.25), "step.number was 0.5 and is 0.25"),
    (lambda one: one.names.append("c"), "step.names had 1 entries and has 2"),
    (lambda one: one.names.__setitem__(0, "c"), "step.names[0] was 'a' and is 'c'"),
    (lambda one: one.table.clear(), "step.table['b'] is gone"),
    (lambda one: one.table.update(b=np.arange(3)), "step.table['b'] is another object than it was"),
    (lambda one: one.table["b"].fill(1), "the numbers in step.table['b'] changed"),
    (lambda one: setattr(one.network[2], "p", 0.75), "step.network.2.p was 0.5 and is 0.75"),
    (lambda one: one.network.eval(), "training was True and is False"),
    (lambda one: one.network.requires_grad_(False), "weight.requires_grad was True and is False"),
    (lambda one: setattr(one.noise, "state", {"seed": 3, "stream": 0, "position": 0}), "_seed was 2 and is 3"),
    (_weaker, "weight_decay was 0.1 and is 0.2"),
]


@pytest.mark.parametrize("change, told", CHANGES)
def test_what_changes_is_named(change: Any, told: str, one: Everything) -> None:
    one.network.train()
    host = Host(one.step)
    change(one)
    assert told in str(host.change())


def test_what_moves_on_by_rule_is_no_change(one: Everything) -> None:
    host = Host(one.step)
    one.optimizer.lr = 0.25
    one.noise.normal(5)
    for p in one.network.parameters():
        p.grad = mg.Tensor(np.ones(p.shape, np.float32))
    one.optimizer.step()
    one.number = float("0.5")  # another object of the same value
    assert host.change() is None
    assert host.counts() == {(one.optimizer, 0, "step"): 1, (one.optimizer, 1, "step"): 1}
    assert host.positions().count(2) == 1


def test_closures_partials_and_bound_objects_are_gone_through(one: Everything) -> None:
    weight = 0.5

    def inner(x: Any, *, factor: list[float]) -> Any:
        return one.step(x) * weight * factor[0]

    factor = [1.0]
    step = functools.partial(inner, factor=factor)
    host = Host(step)
    assert host.tensors and host.change() is None
    factor[0] = 2.0
    assert host.change() == "step['factor'][0] was 1.0 and is 2.0"
    host = Host(step)
    weight = 0.25
    assert host.change() == "step.weight was 0.5 and is 0.25"


def test_arguments_are_taken_apart_and_put_together_again() -> None:
    x, y = np.ones((2, 1, 3, 3), np.float32), np.arange(2)
    given = ((Batch(x, y, y), {"a": [mg.Tensor(x), 3]}), {"name": "b"})
    assert [a.shape for a in arrays_in(given)] == [x.shape, (2,), (2,), x.shape]
    doubled = filled(given, [a * 2 for a in arrays_in(given)])
    assert doubled[0][0].x[0, 0, 0, 0] == 2 and doubled[0][1]["a"][0].data[0, 0, 0, 0] == 2
    assert doubled[0][1]["a"][1] == 3 and doubled[1] == {"name": "b"}
    assert kind_of(given) == kind_of(doubled) != kind_of(mapped(given, lambda a: a[:1]))
    other = (given[0], {"name": "c"})
    assert kind_of(other) != kind_of(given) and hash(kind_of(given)) == hash(kind_of(doubled))
