"""A replayed step has the bits of a plain one, whatever changes between steps that it knows of.

Read next: ``test_refusals.py``.
"""

from __future__ import annotations

import dataclasses
import functools
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from capture.toy import Toy, batches
from compiling.steps import FIRST, assert_same, toy

import minigen as mg
from minigen import compile, losses, nn, ops, optim
from minigen.autograd import GradientError, Tensor
from minigen.compiling.matching import matcher
from minigen.nn.modes import thread_local_modes


def test_a_replayed_step_has_the_bits_of_a_plain_one() -> None:
    step = assert_same(lambda toy: toy.step)
    assert step.reason is None and step.replays == 12 - FIRST + 1
    assert "CompiledStep(Toy.step; steps are replayed; 8 replays)" == repr(step)
    assert "matmul(" in step.program and "grad = Tensor(" in step.program


def test_learning_rates_and_positions_move_on() -> None:
    def schedule(toy: Toy, k: int) -> None:
        toy.adam.lr = 1e-2 / (k + 1)
        if k == 7:
            toy.noise.state = {**toy.noise.state, "position": 2**64 - 3}

    assert assert_same(lambda toy: toy.step, before=schedule).replays == 12 - FIRST + 1


def test_parameters_that_are_loaded_or_changed_between_steps_are_used() -> None:
    kept: dict[int, Any] = {}

    def load(toy: Toy, k: int) -> None:
        if k == 6:
            kept[id(toy)] = toy.network.state_dict(), toy.adam.state_dict()
        if k == 9:
            toy.network.load_state_dict(kept[id(toy)][0])
            toy.adam.load_state_dict(kept[id(toy)][1])
        if k == 10:
            next(iter(toy.network.parameters())).data[...] *= np.float32(0.5)

    assert assert_same(lambda toy: toy.step, before=load).replays == 12 - FIRST + 1


def test_each_shape_and_order_in_memory_has_a_recording_of_its_own() -> None:
    turned = [np.asfortranarray(x) for x in batches(6)]
    given = [x for k in range(6) for x in (batches(6)[k], batches(6)[k][:3], turned[k])]
    step = assert_same(lambda toy: toy.step, given=given)
    assert step.replays == 3 * (6 - FIRST + 1)


def test_evaluation_is_another_step() -> None:
    def switch(toy: Toy, k: int) -> None:
        toy.network.train(not 6 <= k < 8)

    step = assert_same(lambda toy: toy.step, before=switch)
    assert 1 < step.replays < 8


def test_evaluation_in_this_thread_alone_is_another_step() -> None:
    found = []
    for compiled in (False, True):
        one = toy()
        step = compile(one.step) if compiled else one.step
        for k, x in enumerate(batches(10)):
            if k == 7:
                with thread_local_modes(module for _, module in one.network.named_modules()):
                    one.network.eval()
                    step(x)
            else:
                step(x)
        found.append(one.state())
    assert found[0] == found[1]


def test_gradients_that_are_added_to_are_read() -> None:
    """Every second step adds to the gradients of the one before."""

    def make(toy: Toy) -> Callable[[Any], Any]:
        def step(x: Any) -> Any:
            loss = toy.loss(x)
            loss.backward()
            return loss

        return step

    def update(toy: Toy, k: int) -> None:
        if k and k % 2 == 0:
            toy.adam.step()

    step = assert_same(make, before=update)
    assert step.replays >= 6


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Outcome:
    loss: Any
    name: str
    pair: Pair


def test_results_keep_their_form_and_their_memory() -> None:
    one, other = toy(), toy()

    def step(x: Any, toy: Toy) -> Any:
        loss = toy.step(x)["loss"]
        weight = next(iter(toy.network.parameters()))
        return Outcome(loss, "a step", Pair([loss.data, weight], {"n": 3, "rows": weight.data[:2] * 2}))

    made, results = compile(functools.partial(step, toy=one)), []
    for x in batches(8):
        results.append(made(x))
        expected = step(x, other)
        assert type(results[-1]) is Outcome and results[-1].name == "a step"
        assert results[-1].pair.first[1] is next(iter(one.network.parameters()))
        assert results[-1].loss.item() == results[-1].pair.first[0] == expected.loss.item()
        assert (results[-1].pair.second["rows"] == expected.pair.second["rows"]).all()
    assert made.replays == 8 - FIRST + 1
    assert len({result.loss.item() for result in results}) == 8  # none was overwritten by the next


def test_a_replay_says_that_it_has_changed_parameters() -> None:
    one = toy()
    made = compile(one.step)
    for x in batches(6):
        made(x)
    loss = one.loss(batches(1)[0])
    made(batches(1)[0])
    with pytest.raises(GradientError, match="was changed in place after it was used"):
        loss.backward()


def test_a_step_is_a_part_of_a_compiled_step() -> None:
    def make(toy: Toy) -> Callable[[Any], Any]:
        inner = compile(toy.step)
        return lambda x: inner(x)

    assert assert_same(make).replays == 12 - FIRST + 1


OPTIMIZERS: list[Callable[[Any], optim.Optimizer]] = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    lambda params: optim.RMSprop(params, lr=0.01, momentum=0.5),
    lambda params: optim.AdamW([{"params": [p], "lr": 0.01 * (i + 1)} for i, p in enumerate(params)]),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer: Any) -> None:
    def make(toy: Toy) -> Callable[[Any], Any]:
        toy.adam = optimizer(toy.network.parameters())
        return toy.step

    assert assert_same(make).replays == 12 - FIRST + 1


def test_an_optimizer_of_ones_own() -> None:
    class Signs(optim.Optimizer):
        def init_state(self, p: Any) -> dict[str, Any]:
            return {"mean": np.zeros_like(p)}

        def update(self, p: Any, g: Any, state: Any) -> None:
            state["mean"] *= 0.9
            state["mean"] += g
            p -= self.lr * np.sign(state["mean"])

    def make(toy: Toy) -> Callable[[Any], Any]:
        toy.adam = Signs(toy.network.parameters(), lr=1e-3)
        return toy.step

    assert assert_same(make).replays == 12 - FIRST + 1


def layers() -> nn.Module:
    """Layers with operations of every family."""
    rng = mg.Generator(4)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng), nn.BatchNorm(4), lambda x: ops.leaky_relu(x, 0.2), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, rng=rng), nn.GroupNorm(2, 6), ops.gelu, nn.Upsample(2),
        nn.ConvTranspose2d(6, 2, 3, padding=1, rng=rng), nn.Dropout(0.3, rng=mg.Generator(8)), ops.mish, nn.Flatten(),
        nn.Dense(2 * 8 * 8, 12, rng=rng), nn.LayerNorm(12), ops.softplus,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations_of_every_family(dtype: Any) -> None:
    found = []
    rng = np.random.default_rng(1)
    images = rng.normal(size=(8, 3, 1, 8, 8)).astype(dtype)
    labels = rng.integers(0, 5, (8, 3))
    for compiled in (False, True):
        network = layers()
        network.to(dtype=dtype)
        table = nn.Embedding(5, 12, rng=mg.Generator(1))
        table.to(dtype=dtype)
        adam = optim.Adam([*network.parameters(), *table.parameters()], lr=1e-2)

        def step(x: Any, k: Any, network: Any = network, table: Any = table, adam: Any = adam) -> Any:
            y = network(Tensor(x)) * table(k)
            scores = ops.concat([y[:, :3], ops.cumsum(y, 1)[:, -2:]], axis=1)
            loss = losses.cross_entropy(scores, k) + ops.norm(y) * 0.01 + ops.max(y) + ops.var(y[k % 3])
            for p, g in zip(adam.params, mg.grad(loss, adam.params)):
                p.grad = g
            optim.clip_grad_norm(adam.params, 1.0)
            adam.step()
            return loss, ops.sort(y[:, 0])

        made = compile(step) if compiled else step
        results = [[part.data.tobytes() for part in made(x, k)] for x, k in zip(images, labels)]
        found.append((results, [p.data.tobytes() for p in adam.params]))
        if compiled:
            assert made.replays == 8 - FIRST + 1, made.reason
    assert found[0] == found[1]


def test_a_question_with_another_answer_makes_a_plain_step() -> None:
    """Labels that are no classes raise as in a plain step, and before a replay has changed anything."""

    def make(toy: Toy) -> Callable[[Any, Any], Any]:
        def step(x: Any, k: Any) -> Any:
            toy.step(x)
            loss = losses.cross_entropy(toy.network(Tensor(x)), k)  # asks after a change, but not about it
            toy.update(loss)
            return loss

        return step

    one, other = toy(), toy()
    made, plain, good, bad = compile(make(one)), make(other), np.zeros(5, np.int64), np.full(5, 2)
    for k in (good, good, good, good, good, good, bad, good):
        for step in (made, plain):
            if k is bad:
                with pytest.raises(ValueError, match="labels must be from 0 to 1"):
                    step(batches(1)[0], k)
            else:
                step(batches(1)[0], k)
        assert one.state() == other.state()
        assert k is not bad or "numbers that the step asks about" in str(made.reason)
    assert made.replays == 7 - FIRST + 1


def test_arguments_are_matched_as_they_are_taken_apart() -> None:
    given = ((np.zeros((2, 3), np.float32), [1, "a", None]), {"t": Tensor(np.ones(2)), "f": 0.5})
    match = matcher(given)
    same = ((np.ones((2, 3), np.float32), [1, "a", None]), {"t": Tensor(np.zeros(2)), "f": 0.5})
    assert match(same) is not None
    assert [x.tolist() for x in match(same) or ()] == [np.ones((2, 3)).tolist(), [0, 0]]
    for other in (
        ((np.ones((2, 3), np.float64), [1, "a", None]), given[1]),
        ((np.ones((3, 2), np.float32).T, [1, "a", None]), given[1]),
        ((given[0][0], [True, "a", None]), given[1]),
        ((given[0][0], [1, "a"]), given[1]),
        ((given[0][0], (1, "a", None)), given[1]),
        (given[0], {**given[1], "f": -0.5}),
        (given[0], {"t": given[1]["t"], "g": 0.5}),
        (given[0], {"t": Tensor(np.ones(2), requires_grad=True), "f": 0.5}),
    ):
        assert match(other) is None


def test_recording_and_comparing_take_few_copies_of_the_state() -> None:
    """The weights are all that is large here; Adam has two numbers for each, gradients are a fourth."""
    layers = nn.Sequential(*[nn.Dense(400, 400, rng=mg.Generator(seed)) for seed in range(5)])
    adam, x = optim.Adam(layers.parameters()), Tensor(np.ones((4, 400), np.float32))
    weights = sum(p.data.nbytes for p in layers.parameters())

    def plain(x: Tensor) -> Tensor:
        loss = losses.mse(layers(x), x)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss

    def peak(step: Callable[[Tensor], Tensor]) -> float:
        tracemalloc.start()
        try:
            for _ in range(6):
                step(x)
            return tracemalloc.get_traced_memory()[1] / weights
        finally:
            tracemalloc.stop()

    plain(x)  # makes the state
    without = peak(plain)
    step = compile(plain)
    assert peak(step) < without + 4.1 and step.reason is None
    assert peak(step) < without + 0.1  # a replay lets old gradients go before it makes new ones
