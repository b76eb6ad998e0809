"""What a step reads in ways that are easily missed: every such number is seen, or the step is made plainly.

Read next: ``test_fallback.py``.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from capture.toy import FIRST, Toy, assert_same, batches

import minigen as mg
from minigen import nn, ops, optim
from minigen.autograd import Tensor
from minigen.capture import capture
from minigen.capture.arguments import kind_of, mapped, objects_in
from minigen.capture.host import Host

weight_of_module = 0.5
settings = types.ModuleType("settings")  # as a file of a user's
settings.weight = 0.5  # type: ignore[attr-defined]


class Weights:
    """A weight that is an attribute of the class, of an object, of a function, of what a property reads."""

    weight = 0.5

    def __init__(self) -> None:
        self.queue, self.flags = collections.deque([0.5]), {"a"}

    @property
    def by_property(self) -> float:
        return weight_of_module

    @staticmethod
    def by_static_method() -> float:
        return weight_of_module


def by_function() -> float:
    return by_function.weight  # type: ignore[attr-defined]


def _set_global(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "weight_of_module", 0.25)


CHANGES: list[tuple[Callable[[Weights], Any], Callable[[Weights, pytest.MonkeyPatch], Any], str]] = [
    (lambda w: Weights.weight, lambda w, patch: patch.setattr(Weights, "weight", 0.25), "weight was 0.5 and is 0.25"),
    (lambda w: w.weight, lambda w, patch: patch.setattr(Weights, "weight", 0.25), "weight was 0.5 and is 0.25"),
    (lambda w: w.weight, lambda w, patch: setattr(w, "weight", 0.25), "had 2 entries and has 3"),
    (lambda w: w.by_property, _set_global, "global weight_of_module was 0.5 and is 0.25"),
    (lambda w: w.by_static_method(), _set_global, "global weight_of_module was 0.5 and is 0.25"),
    (lambda w: by_function(), lambda w, patch: patch.setattr(by_function, "weight", 0.25), "was 0.5 and is 0.25"),
    (
        lambda w: settings.weight,
        lambda w, p: p.setattr(settings, "weight", 0.25),
        "settings.weight was 0.5 and is 0.25",
    ),
    (lambda w: w.queue[0], lambda w, patch: w.queue.__setitem__(0, 0.25), "queue[0] was 0.5 and is 0.25"),
    (lambda w: "a" in w.flags, lambda w, patch: w.flags.symmetric_difference_update("ab"), "flags has other elements"),
]
by_function.weight = 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("read, change, told", CHANGES)
def test_a_number_is_seen_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, read: Any, change: Any, told: str
) -> None:
    weights = Weights()
    host = Host(lambda x: x * read(weights))
    assert host.change() is None
    change(weights, monkeypatch)
    assert told in str(host.change())


@pytest.mark.parametrize("before, now, changed", [(0.0, -0.0, True), (float("nan"), float("nan") * 2, False)])
def test_numbers_are_compared_by_their_bits(before: float, now: float, changed: bool) -> None:
    number = before
    host = Host(lambda: number)
    number = now
    assert (host.change() is not None) == changed
    assert (kind_of(before) != kind_of(now)) == changed


def test_arguments_that_are_no_arrays_are_bound_by_identity() -> None:
    weights, names = Weights(), np.array(["a", None], object)
    given = ([weights, {"names": names}], 0.5)
    assert objects_in(given)[0] is weights and objects_in(given)[1] is names
    assert (
        kind_of(given) == kind_of(([weights, {"names": names}], 0.5)) != kind_of(([Weights(), {"names": names}], 0.5))
    )
    assert kind_of({1}) != kind_of({1})  # an identity of what is gone may come again
    assert mapped(given, np.copy)[0][1]["names"] is names
    toy = Toy("cpu")  # a dataclass, but not made of its fields alone
    assert mapped(toy, np.copy) is toy and objects_in(toy) == [toy]


@pytest.mark.gpu
def test_a_device_array_in_a_deque_is_changed_once_by_a_step() -> None:
    queues: list[Any] = []

    def make(toy: Toy) -> Any:
        queue = collections.deque([mg.device.to_device(np.zeros(1, np.float32), "cuda")])
        queues.append(queue)

        def step(x: Any) -> Any:
            loss = toy.step(x)["loss"]
            queue[0] += loss.data
            return loss

        return step

    assert assert_same(make).reason is None
    assert queues[0][0].get() == queues[1][0].get()


@pytest.mark.gpu
def test_the_network_and_the_optimizer_may_be_arguments() -> None:
    def step(x: Any, network: Any, adam: Any) -> Any:
        loss = ops.mean(network(Tensor(mg.device.to_device(x, "cuda"))) ** 2)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    plain, toy, captured = Toy(), Toy(), capture(step)
    for x in batches(8):
        expected = step(x, plain.network, plain.adam)
        assert captured(x, toy.network, toy.adam).item() == expected.item()
    assert captured.replays == 8 - FIRST + 1 and toy.state() == plain.state()


@pytest.mark.gpu
def test_the_attributes_of_an_argument_are_seen() -> None:
    toys, weights, losses = (Toy(), Toy()), Weights(), []
    steps = [lambda x, w, toy=toy: _weighted(toy, x, w.weight) for toy in toys]
    captured = capture(steps[1])
    for k, x in enumerate(batches(10)):
        weights.weight = 0.5 if k < 8 else 0.25
        losses.append((steps[0](x, weights).item(), captured(x, weights).item()))
    assert all(a == b for a, b in losses) and toys[0].state() == toys[1].state()
    assert captured.replays and "weight was 0.5 and is 0.25" in str(captured.reason)


def _weighted(toy: Toy, x: Any, weight: float) -> Any:
    loss = toy.loss(x) * weight
    toy.update(loss)
    return loss


@pytest.mark.gpu
def test_numbers_that_change_among_the_arguments_are_told_and_forgotten() -> None:
    toy = Toy()
    step = capture(lambda x, k: _weighted(toy, x, 1 / (k + 1)))
    for k, x in enumerate(batches(70)):
        step(x, k)
    assert "the arguments are of ever new kinds" in str(step.reason) and len(step._kinds) == 64


@pytest.mark.gpu
def test_a_step_that_changes_its_arguments_is_made_plainly() -> None:
    toy, total = Toy(), mg.device.to_device(np.zeros(1), "cuda")

    def step(x: Any, total: Any) -> None:
        toy.step(x)
        total += 1

    captured = capture(step)
    for x in batches(6):
        captured(x, total)
    assert float(total[0]) == 6 and "the step changes its arguments" in str(captured.reason)


@pytest.mark.gpu
def test_what_a_step_returns_is_seen_or_told() -> None:
    class Result:
        def __init__(self, loss: Tensor) -> None:
            self.loss = loss

    toy = Toy()
    step = capture(lambda x: Result(toy.step(x)["loss"]))
    for x in batches(4):
        step(x)
    assert "its arrays are not seen; return them alone" in str(step.reason)


@pytest.mark.gpu
def test_names_as_arguments_stay_on_the_host() -> None:
    plain, toy = Toy(), Toy()
    step = capture(lambda x, *names: toy.step(x)["loss"])
    names = np.array(["a", None], object), np.array(["a"]), np.zeros(2, ">f4")
    for x in batches(8):
        assert step(x, *names).item() == plain.step(x)["loss"].item()
    assert step.replays == 8 - FIRST + 1


@pytest.mark.gpu
@pytest.mark.parametrize("inside", [True, False])
def test_gradients_of_two_batches(inside: bool) -> None:
    """A step that adds to gradients is never a graph: now and then those before it are of another step, or none."""
    found = []
    for captured in (False, True):
        toy = Toy()

        def step(x: Any, last: bool, toy: Toy = toy) -> Any:
            loss = toy.loss(x)
            loss.backward()
            if last and inside:
                toy.adam.step()
                toy.adam.zero_grad()
            return loss

        made, losses = capture(step) if captured else step, []
        for k, x in enumerate(batches(24)):
            last = k % 2 == 1 or (k < 12 and not inside)
            x = x[:3] if k >= 16 and not last else x
            losses.append(made(x, last).item())
            if last and not inside:
                toy.adam.step()
                toy.adam.zero_grad()
        found.append((losses, toy.state()))
    assert found[0] == found[1]


@pytest.mark.gpu
def test_no_grad_is_another_kind_of_step() -> None:
    toy = Toy()
    step = capture(toy.step)
    for x in batches(8):
        step(x)
    with mg.no_grad(), pytest.raises(ValueError, match="no_grad"):
        step(batches(1)[0])
    assert step(batches(1)[0]) is not None and step.reason is None


@pytest.mark.gpu
def test_a_network_that_leaves_the_gpu_is_not_brought_back() -> None:
    network = nn.Dense(4, 1, rng=mg.Generator(0))
    network.to("cuda")
    sgd = optim.SGD(network.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = ops.mean(network(Tensor(mg.device.to_device(x, network.weight.device))) ** 2)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    captured = capture(step)
    for x in batches(8):
        captured(x)
    assert captured.replays == 8 - FIRST + 1
    network.to("cpu")
    captured(batches(1)[0])
    assert network.weight.device == "cpu" and captured.reason == "step.network.weight is no longer on the GPU"


@pytest.mark.gpu
def test_dropout_beside_a_moving_average_of_the_network() -> None:
    """The average has a copy of the generator, with the same sequence, from which nothing is drawn."""

    def make(toy: Toy) -> Any:
        dropout = nn.Dropout(0.3, rng=mg.Generator(7, device="cuda"))
        toy.network = nn.Sequential(nn.Dense(4, 6, rng=mg.Generator(2)), dropout, nn.Dense(6, 2, rng=mg.Generator(5)))
        toy.network.to("cuda")
        toy.adam = optim.AdamW(toy.network.parameters(), lr=0.01)
        toy.average = nn.MovingAverage(toy.network, 0.9)
        return toy.step

    assert assert_same(make).reason is None
