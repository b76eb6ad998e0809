"""Steps that no graph can make, or not always: each is found, is made plainly with the same bits, and says why.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from capture.toy import FIRST, Toy, assert_same, batches

import minigen as mg
from minigen import ops, optim
from minigen.autograd import Tensor
from minigen.capture import capture

pytestmark = pytest.mark.gpu


SCRIPT = """
toy, weight, history = make(), 0.5, []

def loss_of(x):
    return toy.loss(x) * weight

def step(x):
    def whole():
        return loss_of(x)
    loss = whole()
    toy.update(loss)
    return {"loss": loss}
"""


def test_the_global_variables_of_a_script_are_seen() -> None:
    spaces: list[dict[str, Any]] = []
    for captured in (False, True):
        spaces.append({"make": Toy, "__name__": "script"})
        exec(SCRIPT, spaces[-1])
        spaces[-1]["made"] = capture(spaces[-1]["step"]) if captured else spaces[-1]["step"]
        for k, x in enumerate(batches(10)):
            spaces[-1]["weight"] = 0.5 if k < 8 else 0.25
            spaces[-1]["history"].append(spaces[-1]["made"](x)["loss"].item())
    plain, made = spaces
    assert made["history"] == plain["history"] and made["toy"].state() == plain["toy"].state()
    assert made["made"].replays == 8 - FIRST + 1
    assert made["made"].reason == "global weight was 0.5 and is 0.25"


class Growing:
    """What a step remembers becomes longer; and methods that use what no closure holds."""

    def __init__(self, toy: Toy) -> None:
        self.toy, self.seen = toy, Tensor(mg.device.to_device(np.zeros(1, np.float32), "cuda"))
        self.constant = (mg.device.to_device(np.ones(1, np.float32), "cuda"),)

    def remember(self, loss: Tensor) -> None:
        self.seen.data = ops.concat([self.seen, ops.reshape(loss.detach(), (1,))]).data

    def step(self, x: Any) -> Any:
        self.constant[0].__iadd__(1)  # changed in place, in a tuple
        loss = self.toy.loss(x) * Tensor(self.constant[0])
        loss = ops.sum(loss)
        self.toy.update(loss)
        self.remember(loss)
        return loss


def test_an_array_that_grows_is_no_place_for_a_graph() -> None:
    step = assert_same(lambda toy: Growing(toy).step, given=batches(8))
    assert step.replays == 0 and "seen was float32 (" in str(step.reason)


def test_an_array_in_a_tuple_is_changed_once_by_a_step() -> None:
    def make(toy: Toy) -> Any:
        one = Growing(toy)
        one.remember = lambda loss: None  # type: ignore[method-assign]
        return one.step

    assert assert_same(make).reason is None


def counted(toy: Toy) -> Any:
    steps = itertools.count(1)  # no walk sees what it will give
    return lambda x: toy.step(x * np.float32(1)) if next(steps) < 0 else _scaled(toy, x, next(steps))


def _scaled(toy: Toy, x: Any, k: int) -> Any:
    loss = toy.loss(x) * (1.0 / k)
    toy.update(loss)
    return loss


def own_count(toy: Toy) -> Any:
    k = 0

    def step(x: Any) -> Any:
        nonlocal k
        k += 1
        return _scaled(toy, x, k)

    return step


def waiting(toy: Toy) -> Any:
    def step(x: Any) -> Any:
        loss = toy.loss(x)
        if float(loss) > 0:
            toy.update(loss)
        return loss

    return step


def host_noise(toy: Toy) -> Any:
    rng = mg.Generator(9)

    def step(x: Any) -> Any:
        loss = toy.loss(x) + ops.mean(Tensor(mg.device.to_device(rng.normal((3,)), "cuda")))
        toy.update(loss)
        return loss

    return step


def adding_gradients(toy: Toy) -> Any:
    def step(x: Any) -> Any:
        loss = toy.loss(x)
        loss.backward()  # to those of the step before
        toy.adam.step()
        return loss

    return step


def hidden_memory(toy: Toy) -> Any:
    def previous() -> Any:
        """Gives what it was sent the last time: the only place that holds it."""
        last = None
        while True:
            last = yield last

    memory = previous()
    next(memory)

    def step(x: Any) -> Any:
        loss = toy.loss(x)
        toy.update(loss)
        before = memory.send(loss.detach())
        return loss if before is None else loss + before

    return step


def one_sequence_twice(toy: Toy) -> Any:
    again = mg.Generator(1, device="cuda")

    def step(x: Any) -> Any:
        loss = toy.loss(x) + ops.mean(Tensor(again.normal((3,))))
        toy.update(loss)
        return loss

    return step


def new_seeds(toy: Toy) -> Any:
    seeds = itertools.count()

    def step(x: Any) -> Any:
        loss = toy.loss(x) + ops.mean(Tensor(mg.Generator(next(seeds), device="cuda").normal((3,))))
        toy.update(loss)
        return loss

    return step


def python_numbers(toy: Toy) -> Any:
    numbers = itertools.count()
    return lambda x: {**toy.step(x), "k": next(numbers)}


class OwnRule(optim.Optimizer):
    """An update that no kernel makes: its rate would be a part of the graph."""

    def init_state(self, p: Any) -> dict[str, Any]:
        return {}

    def update(self, p: Any, g: Any, state: Any) -> None:
        p -= self.lr * g


def own_optimizer(toy: Toy) -> Any:
    toy.adam = OwnRule(toy.network.parameters(), lr=1e-2)

    def step(x: Any) -> Any:
        return toy.step(x)

    return step


def rate_as_result(toy: Toy) -> Any:
    return lambda x: {**toy.step(x), "lr": toy.adam.lr}


CHANGES = "differs between a step by the graph and the same step made plainly"


@pytest.mark.parametrize(
    "make, reason",
    [
        (counted, CHANGES),
        (own_count, "a step changes what the next may read: step.k was"),
        (waiting, "transfers are disallowed"),
        (host_noise, "transfers are disallowed"),
        (adding_gradients, CHANGES),
        (hidden_memory, "bytes that a step made are still in use after it"),
        (one_sequence_twice, "two generators draw from one sequence (seed 1, stream 0); spawn them apart"),
        (new_seeds, "kernel normal_kernel: argument seed changed from"),
        (rate_as_result, "the step reads the learning rate of an optimizer, which a graph would keep as it is"),
        (python_numbers, "the step returns numbers of Python's, and they change"),
    ],
)
def test_a_step_that_cannot_be_captured_is_made_plainly_and_says_why(make: Any, reason: str) -> None:
    step = assert_same(make, given=batches(8))
    assert step.replays == 0 and reason in str(step.reason)
    assert f"plain steps: {step.reason}" in repr(step)


def test_the_reason_names_the_line_that_waits() -> None:
    step = assert_same(waiting, given=batches(4))
    assert str(step.reason).startswith("RuntimeError at ")


def test_an_optimizer_of_ones_own_may_not_change_its_rate() -> None:
    assert assert_same(own_optimizer).reason is None

    def schedule(toy: Toy, k: int) -> None:
        toy.adam.lr = 1e-2 / (k + 1)

    step = assert_same(own_optimizer, given=batches(8), before=schedule)
    assert step.replays == 0 and "._lr was " in str(step.reason)
