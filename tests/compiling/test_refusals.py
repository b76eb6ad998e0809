"""Steps that cannot be replayed, or not always: each is found, is made plainly with the same bits, and says why.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from capture.toy import Toy, batches
from compiling.steps import FIRST, assert_same, toy

import minigen as mg
from minigen import compile, ops, optim
from minigen.autograd import Tensor

Step = Callable[[Any], Any]


def _weighted(toy: Toy, x: Any, weight: Any) -> Any:
    loss = toy.loss(x) * weight
    toy.update(loss)
    return loss


def reads_its_loss(toy: Toy) -> Step:
    def step(x: Any) -> Any:
        loss = toy.step(x)["loss"]
        return {"loss": float(loss)}

    return step


def branches_late(toy: Toy) -> Step:
    def step(x: Any) -> Any:
        loss = toy.step(x)["loss"]
        if toy.loss(x) > 0:
            toy.step(x)
        return loss

    return step


def counts(toy: Toy) -> Step:
    k = 0

    def step(x: Any) -> Any:
        nonlocal k
        k += 1
        return _weighted(toy, x, 1 / k)

    return step


def iterates(toy: Toy) -> Step:
    weights = iter([0.5] * 6 + [0.25] * 6)
    return lambda x: _weighted(toy, x, next(weights))


def draws_by_numpy(toy: Toy) -> Step:
    rng = np.random.default_rng(0)
    return lambda x: _weighted(toy, x + rng.normal(size=x.shape).astype(x.dtype), 1.0)


def draws_seldom(toy: Toy) -> Step:
    """The calls are those of a step without a draw, as long as it is not lucky."""
    rng = random.Random(1)
    return lambda x: _weighted(toy, x, 2.0 if rng.random() < 0.01 else 1.0)


def masks(toy: Toy) -> Step:
    def step(x: Any) -> Any:
        y = toy.network(Tensor(x))
        loss = ops.mean(y[y > -5])
        toy.update(loss)
        return loss

    return step


def hides_memory(toy: Toy) -> Step:
    hidden = "previous loss of test_refusals"
    vars(sys).pop(hidden, None)

    def step(x: Any) -> Any:
        loss = toy.step(x)["loss"]
        before = vars(sys).pop(hidden, None)
        vars(sys)[hidden] = loss.detach()
        return loss if before is None else loss + before

    return step


def reads_a_rate(toy: Toy) -> Step:
    return lambda x: {**toy.step(x), "lr": toy.adam.lr}


def sets_a_rate(toy: Toy) -> Step:
    def step(x: Any) -> Any:
        toy.adam.lr = 1e-3
        return toy.step(x)

    return step


def replaces_a_tensor(toy: Toy) -> Step:
    toy.last = Tensor(np.zeros((), np.float32))  # type: ignore[attr-defined]

    def step(x: Any) -> Any:
        loss = toy.step(x)["loss"]
        loss, toy.last = loss + toy.last, loss.detach()  # type: ignore[attr-defined]
        return loss

    return step


def seeds_anew(toy: Toy) -> Step:
    seeds = [0]

    def step(x: Any) -> Any:
        toy.noise.state = {**toy.noise.state, "position": 0}
        return _weighted(toy, x, Tensor(mg.Generator(len(seeds)).normal(())))

    return step


def returns_a_count(toy: Toy) -> Step:
    numbers = {"k": 0}

    def step(x: Any) -> Any:
        return {**toy.step(x), "k": toy.noise.state["position"] + numbers["k"]}

    return step


def draws_from_one_sequence_twice(toy: Toy) -> Step:
    again = mg.Generator(1)
    return lambda x: _weighted(toy, x, Tensor(again.normal(())))


def holds_a_large_array_in_a_tuple(toy: Toy) -> Step:
    data = (np.ones(5000, np.float32),)
    return lambda x: _weighted(toy, x, float(data[0].mean()))


REFUSED: list[tuple[Callable[[Toy], Step], str]] = [
    (reads_its_loss, "a number that Python reads, in test_refusals.py:"),
    (branches_late, "a question about numbers that the step has changed before, in test_refusals.py:"),
    (counts, "a step changes what the next may read: step.k was"),
    (iterates, "step.weights is an iterator, where compile cannot see what changes"),
    (draws_by_numpy, "random numbers that are not of a Generator of minigen's"),
    (draws_seldom, "random numbers that are not of a Generator of minigen's"),
    (masks, "x[mask], whose shape depends on numbers, in "),
    (hides_memory, "arrays that a step made are still in use after it"),
    (reads_a_rate, "the learning rate of an optimizer, which the step reads or sets"),
    (sets_a_rate, "the learning rate of an optimizer, which the step reads or sets"),
    (replaces_a_tensor, "last is another Tensor than it was"),
    (returns_a_count, "the step returns numbers of Python's, and they change"),
    (draws_from_one_sequence_twice, "two generators draw from one sequence (seed 1, stream 0); spawn them apart"),
    (holds_a_large_array_in_a_tuple, "step.data[0] is a large array in a tuple"),
]


@pytest.mark.parametrize("make, reason", REFUSED)
def test_a_step_that_cannot_be_replayed_is_made_plainly_and_says_why(make: Any, reason: str) -> None:
    step = assert_same(make)
    assert step.replays == 0 and reason in str(step.reason)
    assert f"plain steps: {step.reason}" in repr(step)


def test_a_generator_that_is_put_back_within_a_step() -> None:
    """Its numbers are the same in every step; a replay makes them so, or there is none."""
    assert_same(seeds_anew)


def test_a_weight_that_changes_is_seen_at_once() -> None:
    def change(toy: Toy, k: int) -> None:
        toy.weight = 0.5 if k < 7 else 0.25

    step = assert_same(lambda toy: toy.step, given=batches(9), before=change)
    assert step.replays == 7 - FIRST + 1 and "weight was 0.5 and is 0.25" in str(step.reason)


def test_a_network_of_another_form_is_seen_at_once() -> None:
    def change(toy: Toy, k: int) -> None:
        if k == 7:
            next(iter(toy.network.parameters())).requires_grad = False

    step = assert_same(lambda toy: toy.step, before=change)
    assert step.replays >= 7 - FIRST + 1


SCRIPT = """
def loss_of(toy, x):
    return toy.loss(x) * WEIGHT
"""


def test_the_global_variables_of_another_file_are_seen() -> None:
    found = []
    for compiled in (False, True):
        space: dict[str, Any] = {"WEIGHT": 0.5, "__name__": "other"}
        exec(SCRIPT, space)
        one, loss_of = toy(), space["loss_of"]

        def step(x: Any, one: Toy = one, loss_of: Any = loss_of) -> Any:
            loss = loss_of(one, x)
            one.update(loss)
            return loss

        made, results = compile(step) if compiled else step, []
        for k, x in enumerate(batches(10)):
            space["WEIGHT"] = 0.5 if k < 8 else 0.25
            results.append(made(x).item())
        found.append((results, one.state()))
    assert found[0] == found[1]
    assert made.replays == 8 - FIRST + 1 and made.reason == "global WEIGHT was 0.5 and is 0.25"


def test_an_error_in_a_step_is_that_of_a_plain_step() -> None:
    one = toy()

    def step(x: Any) -> Any:
        if x.shape[0] == 4:
            raise KeyError("of the user")
        return one.step(x)

    made = compile(step)
    for x in batches(7):
        made(x)
        with pytest.raises(KeyError, match="of the user"):
            made(x[:4])
    assert made.replays == 7 - FIRST + 1


def test_what_fails_while_it_is_recorded_leaves_no_trace() -> None:
    """A step that reads a number is recorded to its end and refused; its state is that of a plain one."""
    one, other, weights = toy(), toy(), np.random.default_rng(3).normal(size=(20,))

    def make(toy: Toy) -> Step:
        def step(x: Any) -> Any:
            toy.step(x)
            if float(toy.loss(x)) > 1e9:
                raise ValueError
            return _weighted(toy, x, Tensor(np.float32(0.5)))

        return step

    made, plain = compile(make(one)), make(other)
    for x, w in zip(batches(8), weights):
        assert made(x * np.float32(w)).item() == plain(x * np.float32(w)).item()
    assert one.state() == other.state() and made.replays == 0
    assert all(type(p.data) is np.ndarray for p in one.network.parameters())


def test_ever_new_numbers_among_the_arguments_are_told() -> None:
    one = toy()
    made = compile(lambda x, k: _weighted(one, x, 1 / (k + 1)))
    for k, x in enumerate(batches(70)):
        made(x, k)
    assert "the arguments are of ever new kinds" in str(made.reason) and len(made._kinds) == 64


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(TypeError, match="compile: step is a function that makes a step of training, got 3"):
        compile(3)  # type: ignore[arg-type]


def test_an_optimizer_of_ones_own_may_not_change_its_rate() -> None:
    class OwnRule(optim.Optimizer):
        def init_state(self, p: Any) -> dict[str, Any]:
            return {}

        def update(self, p: Any, g: Any, state: Any) -> None:
            p -= self.lr * g

    def make(toy: Toy) -> Step:
        toy.adam = OwnRule(toy.network.parameters(), lr=1e-2)
        return toy.step

    def schedule(toy: Toy, k: int) -> None:
        toy.adam.lr = 1e-2 / (k + 1)

    step = assert_same(make, before=schedule)
    assert step.replays == 0 and "._lr was " in str(step.reason)
