"""`capture`: what a graph replays is what plain steps do.

Read next: ``test_fallback.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from capture.toy import FIRST, Toy, assert_same, batches

import minigen as mg
from minigen import ops, optim
from minigen.autograd import Tensor
from minigen.capture import CapturedStep, capture
from minigen.capture.step import MOST_KINDS
from minigen.data import Batch

gpu = pytest.mark.gpu


@gpu
def test_replays_are_plain_steps_bit_for_bit() -> None:
    """With noise, batch norm, a moving average, a rate that changes in every step."""

    def schedule(toy: Toy, k: int) -> None:
        toy.adam.lr = 1e-2 / (k + 1)

    step = assert_same(lambda toy: toy.step, before=schedule)
    assert step.reason is None and step.replays == 12 - FIRST + 1
    assert assert_same(lambda toy: toy.step, before=schedule, check=False).replays == 12 - FIRST + 2


@gpu
@pytest.mark.parametrize("kind", [optim.SGD, optim.RMSprop, optim.AdamW])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}])
def test_every_optimizer_moves_on(kind: Any, options: dict[str, float]) -> None:
    if kind is optim.AdamW:
        options = {"weight_decay": 0.1} if options else {}

    def with_optimizer(toy: Toy) -> Any:
        groups = [{"params": p} for p in (toy.network.parameters()[:2], toy.network.parameters()[2:])]
        toy.adam = kind([{**groups[0], "lr": 1e-3}, groups[1]], lr=1e-2, **options)
        return toy.step

    def schedule(toy: Toy, k: int) -> None:
        toy.adam.lr = 1e-2 / (k + 1)

    assert assert_same(with_optimizer, before=schedule).reason is None


@gpu
def test_gradients_are_left_as_by_a_plain_step() -> None:
    """There, if the step leaves them; gone, if it ends with `zero_grad`, though the optimizer has seen them."""

    def ending_clean(toy: Toy) -> Any:
        def step(x: Any) -> Any:
            loss = toy.loss(x)
            toy.update(loss)
            toy.adam.zero_grad()
            return loss

        return step

    assert assert_same(ending_clean).reason is None
    plain, toy = Toy(), Toy()
    made: list[tuple[Toy, Any]] = [(plain, plain.step), (toy, capture(toy.step))]
    for x in batches(8):
        for _, step in made:
            step(x)
        for p, q in zip(toy.network.parameters(), plain.network.parameters()):
            assert p.grad is not None and q.grad is not None
            assert p.grad.numpy().tobytes() == q.grad.numpy().tobytes()


@gpu
def test_a_replay_is_one_transfer_and_one_launch() -> None:
    cupy = pytest.importorskip("cupy")
    if not hasattr(cupy, "_ledger"):
        pytest.skip("a device does not count launches")
    toy = Toy()
    step = capture(toy.step)
    for x in batches(FIRST):
        step(x)
    cupy._ledger.reset()
    step(batches(1)[0])
    # The piece of memory with all inputs is copied to the device and into place, the results to memory of their own.
    assert dict(cupy._ledger.counts) == {"h2d": 1, "d2d": 1, "graph": 1, "elementwise": 1}


@gpu
def test_arguments_of_many_forms() -> None:
    """Arrays in dataclasses, Tensors, lists and dicts, on the device, too; and what is no array is part of the kind."""

    def make(toy: Toy) -> Callable[..., Tensor]:
        def step(batch: Batch, *, scale: list[Tensor], more: dict[str, Any]) -> Tensor:
            assert len(batch) == 5 and more["name"] == "x"
            loss = toy.loss(batch.x) * ops.mean(scale[0]) + ops.mean(Tensor(more["there"]))
            toy.update(loss)
            return loss

        return step

    found = []
    for captured in (False, True):
        toy = Toy()
        step = capture(make(toy)) if captured else make(toy)
        losses = []
        for x in batches(8):
            there = mg.device.to_device(x[0], "cuda")
            batch, scale = Batch(x, None, np.arange(len(x))), [Tensor(x[1]).to("cuda")]
            losses.append(step(batch, scale=scale, more={"name": "x", "there": there}).item())
        found.append((losses, toy.state()))
    assert found[0] == found[1]
    assert isinstance(step, CapturedStep) and step.replays == 8 - FIRST + 1


@gpu
def test_a_captured_step_may_take_the_place_of_the_step() -> None:
    """What it counts is in reach of the step then, and changes in every call."""
    plain, toy = Toy(), Toy()
    toy.step = capture(toy.step)  # type: ignore[method-assign]
    for x in batches(8):
        assert toy.step(x)["loss"].item() == plain.step(x)["loss"].item()
    assert isinstance(toy.step, CapturedStep) and toy.step.replays == 8 - FIRST + 1


@gpu
def test_a_batch_of_another_size_has_a_graph_of_its_own() -> None:
    mixed = [x for pair in zip(batches(8), batches(8, size=3)) for x in pair]
    assert assert_same(lambda toy: toy.step, given=mixed).replays == 2 * (8 - FIRST + 1)
    several = [x for sizes in zip(*(batches(8, size=n) for n in range(2, 4 + MOST_KINDS))) for x in sizes]
    step = assert_same(lambda toy: toy.step, given=several)
    assert step.replays == MOST_KINDS * (8 - FIRST + 1)


@gpu
def test_what_is_loaded_between_two_steps_is_what_the_graph_reads() -> None:
    def load(toy: Toy, k: int) -> None:
        if k == 8:
            toy.network.load_state_dict({name: a * 0.5 for name, a in toy.network.state_dict().items()})
            toy.adam.load_state_dict({n: a * 0 if n.endswith(".m") else a for n, a in toy.adam.state_dict().items()})
            toy.noise.state = {**toy.noise.state, "position": 1000}

    assert assert_same(lambda toy: toy.step, before=load).replays >= 12 - FIRST


@gpu
def test_arrays_that_exchange_places() -> None:
    """Each step hands its newer buffer on as the older one: copied in the wrong order both would be the newest."""

    def make(toy: Toy) -> Any:
        old, new = (Tensor(mg.device.to_device(np.full(3, k, np.float32), "cuda")) for k in (1, 2))

        def step(x: Any) -> dict[str, Any]:
            before = old.data
            old.data = new.data
            new.data = before + new.data
            return {**toy.step(x), "old": old.detach(), "new": new.detach()}

        return step

    assert assert_same(make).reason is None


@gpu
def test_a_weight_that_changes_is_waited_for() -> None:
    """Plain steps while it changes, each time twice as many until the next attempt; then a graph."""

    def warm_up(toy: Toy, k: int) -> None:
        toy.weight = min(1.0, 0.1 * k)

    step = assert_same(lambda toy: toy.step, given=batches(30), before=warm_up)
    assert step.reason is None and 5 <= step.replays < 20


@gpu
def test_a_change_after_the_graph_was_recorded_is_seen() -> None:
    def late(toy: Toy, k: int) -> None:
        toy.weight = 2.0 if k >= 9 else 1.0

    reasons = []

    def watch(toy: Toy) -> Any:
        return toy.step

    step = assert_same(watch, given=batches(10), before=late)
    reasons.append(step.reason)
    assert reasons == ["step.weight was 1.0 and is 2.0"] and step.replays == 9 - FIRST + 1


@gpu
def test_an_error_of_the_step_is_its_own() -> None:
    toy = Toy()
    step = capture(toy.step)
    for x in batches(6):
        step(x)
    before = toy.state()
    with pytest.raises(ValueError, match="Dense"):
        step(np.zeros((5, 3), np.float32))
    assert toy.state()[:-1] == before[:-1]  # but for the noise that it had drawn
    step(batches(1)[0])
    assert step.reason is None


def test_on_the_cpu_a_step_stays_as_it_is() -> None:
    toy, other = Toy("cpu"), Toy("cpu")
    step = capture(toy.step)
    for x in batches(4):
        assert step(x)["loss"].item() == other.step(x)["loss"].item()
    assert toy.state() == other.state() and step.replays == 0
    assert step.reason == "nothing that the step reaches is on a CUDA device, and only there are graphs"


def test_what_is_no_step() -> None:
    with pytest.raises(TypeError, match="capture: step is a function that makes a step of training, got 3"):
        mg.capture(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="capture: check"):
        mg.capture(len, check="no")  # type: ignore[arg-type]


@gpu
def test_an_optimizer_outside_of_the_step() -> None:
    """What a graph left in the gradients is what the update is given, and its memory is no other launch's."""
    found = []
    for captured in (False, True):
        toy = Toy()

        def gradients(x: Any, toy: Toy = toy) -> Tensor:
            loss = toy.loss(x)
            loss.backward()
            return loss

        step, losses = capture(gradients) if captured else gradients, []
        for x in batches(10):
            toy.adam.zero_grad()
            losses.append(step(x).item())
            toy.adam.step()
        found.append((losses, toy.state()))
    assert found[0] == found[1]
