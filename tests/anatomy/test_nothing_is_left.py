"""After a step was taken apart all is as it was: weights, states, numbers, containers; nothing is watched any more.

Read next: ``test_explain.py``.
"""

from __future__ import annotations

import collections
import io
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from capture.toy import Toy

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.autograd.recording import recording
from minigen_kernels import for_array, for_device

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def test_results_have_the_same_bits_and_all_is_put_back() -> None:
    watched, plain = Toy(device="cpu"), Toy(device="cpu")
    for toy in (watched, plain):
        toy.step(X)
    before = watched.state()
    gradients = [p.grad for p in watched.network.parameters()]
    mg.explain_step(watched.step, X, steps=3)
    assert watched.state() == before == plain.state()
    assert all(p.grad is g for p, g in zip(watched.network.parameters(), gradients))
    for toy in (watched, plain):
        toy.result = toy.step(X)["loss"].data.tobytes()  # type: ignore[attr-defined]
    assert watched.result == plain.result and watched.state() == plain.state()  # type: ignore[attr-defined]


def test_a_watched_step_computes_what_a_plain_one_does() -> None:
    toy, again, sink = Toy(device="cpu"), Toy(device="cpu"), io.BytesIO()  # whose contents nobody puts back
    with pytest.warns(UserWarning, match="sink is an iterator"):
        mg.explain_step(lambda: sink.write(toy.step(X)["loss"].data.tobytes()), steps=2)
    assert sink.getvalue() == b"".join(again.step(X)["loss"].data.tobytes() for _ in range(7))


def test_numbers_and_containers_of_python_are_put_back() -> None:
    state: dict[str, Any] = {"k": 0.5, "seen": [1], "names": {"a"}}

    class Counting:
        count = 0

        def __call__(self) -> None:
            self.count += 1
            self.last = self.count
            state["k"] *= 2
            state["seen"].append(2)
            state["names"].add("b")
            state["new"] = np.random.default_rng().random() + np.random.rand() + random.random()

    step, here = Counting(), (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    mg.explain_step(step, steps=2)
    assert state == {"k": 0.5, "seen": [1], "names": {"a"}}
    assert (step.count, vars(step)) == (0, {})
    assert here == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]


def test_containers_that_a_step_is_given_are_put_back() -> None:
    array = np.ones(2)
    given: tuple[Any, ...] = ({"count": 0, "seen": [1]}, [array, {"b"}])
    last = collections.deque([1, 2], maxlen=3)

    def step(counts: dict[str, Any], rest: list[Any]) -> None:
        counts["count"] += 1
        counts["seen"].append(2)
        counts[str(counts["count"])] = None
        rest[0] += 1
        rest[1].add(counts["count"])
        rest.append(3)
        last.append(3)

    mg.explain_step(step, *given, steps=2)
    assert given[0] == {"count": 0, "seen": [1]}
    assert len(given[1]) == 2 and given[1][0] is array and array.tolist() == [1, 1] and given[1][1] == {"b"}
    assert list(last) == [1, 2]


def test_a_large_array_is_not_copied_and_a_change_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigen.anatomy.state.LARGE", 1000)
    images, weights = np.ones((30, 30), np.float32), Tensor(np.ones((30, 30), np.float32), requires_grad=True)

    def step(at: Any = slice(0, 0)) -> None:
        weights.data[...] += 1
        images[at] += 1

    mg.explain_step(step, steps=1)
    assert (weights.data == 1).all() and (images == 1).all()  # a parameter is copied, however large it is
    with pytest.warns(UserWarning, match=r"images is too large to be copied, and its numbers changed"):
        mg.explain_step(step, slice(0, 3), steps=1)


def test_what_an_iterator_gave_is_gone_and_a_warning_says_so() -> None:
    batches: Iterator[Any] = iter([X] * 100)
    with pytest.warns(UserWarning, match=r"explain_step: not all is as it was .*batches is an iterator"):
        mg.explain_step(lambda: ops.sigmoid(Tensor(next(batches))), steps=1)


def test_an_error_of_the_step_comes_through_and_leaves_nothing_behind() -> None:
    toy = Toy(device="cpu")
    before = toy.state()

    def step() -> None:
        toy.step(X)
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        mg.explain_step(step)
    assert toy.state() == before
    assert (recording.watch, recording.watch_backward) == (None, None)
    assert for_array(X) is for_device("cpu") and for_device("cpu").__name__ == "minigen_kernels.cpu"  # type: ignore[attr-defined]


def test_another_thread_is_not_watched() -> None:
    layer = nn.Dense(4, 3)

    def step() -> None:
        other = threading.Thread(target=lambda: layer(Tensor(X)))
        other.start()
        other.join()
        ops.sigmoid(Tensor(X))

    assert [row.kernel for row in mg.explain_step(step, steps=1).rows] == ["sigmoid", "Python"]
