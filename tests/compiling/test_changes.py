"""What a step depends on and is changed between two of its calls, wherever it stands: a replay must not be of before.

Read next: ``test_refusals.py``.
"""

from __future__ import annotations

import array
import collections
import contextvars
import functools
import os
import queue
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from capture.toy import Toy, batches
from compiling.steps import FIRST, assert_same

from minigen import compile
from minigen.autograd import Tensor

LATER = FIRST + 3  # the call before which something changes
Weight = Callable[[], float]
Change = Callable[[float], Any]
weight_of_this_file = 1.0


def _updated(toy: Toy, x: Any, weight: Any) -> Any:
    loss = toy.loss(x) * weight
    toy.update(loss)
    return loss


def in_a_method() -> tuple[Weight, Change]:
    settings = {"weight": 1.0}
    get = settings.get
    return lambda: get("weight"), lambda w: settings.update(weight=w)  # type: ignore[return-value]


def in_a_slot_method() -> tuple[Weight, Change]:
    settings = {"weight": 1.0}
    get = settings.__getitem__
    return lambda: get("weight"), lambda w: settings.update(weight=w)


def in_a_view() -> tuple[Weight, Change]:
    settings = {"weight": 1.0}
    values = settings.values()
    return lambda: sum(values), lambda w: settings.update(weight=w)


def in_a_proxy() -> tuple[Weight, Change]:
    settings = {"weight": 1.0}
    proxy = types.MappingProxyType(settings)
    return lambda: proxy["weight"], lambda w: settings.update(weight=w)


def in_a_cache() -> tuple[Weight, Change]:
    @functools.lru_cache(None)
    def box() -> list[float]:
        return [1.0]

    return lambda: box()[0], lambda w: box().__setitem__(0, w)


def in_an_order() -> tuple[Weight, Change]:
    settings = collections.OrderedDict(a=1.0, b=0.5)
    return lambda: next(iter(settings.values())), lambda w: settings.move_to_end("a", last=w != 1.0)


def in_a_default() -> tuple[Weight, Change]:
    def weight(w: float = 1.0) -> float:
        return w

    return weight, lambda w: setattr(weight, "__defaults__", (w,) if w != 1.0 else weight.__defaults__)


def in_code() -> tuple[Weight, Change]:
    def one() -> float:
        return 1.0

    def half() -> float:
        return 0.5

    first = one.__code__
    return lambda: one(), lambda w: setattr(one, "__code__", first if w == 1.0 else half.__code__)


def in_a_metaclass() -> tuple[Weight, Change]:
    class Meta(type):
        weight = 1.0

    class Settings(metaclass=Meta):
        pass

    return lambda: Settings.weight, lambda w: setattr(Meta, "weight", w)


def in_a_global_by_name() -> tuple[Weight, Change]:
    return lambda: globals()["weight_of_this_file"], lambda w: globals().update(weight_of_this_file=w)


def _package() -> types.ModuleType:
    package, settings = types.ModuleType("own_package"), types.ModuleType("own_package.settings")
    package.settings, settings.weight = settings, 1.0  # type: ignore[attr-defined]
    sys.modules |= {"own_package": package, "own_package.settings": settings}
    return settings


def in_a_module_of_a_package() -> tuple[Weight, Change]:
    _package()
    import own_package.settings  # type: ignore[import-not-found]

    return lambda: own_package.settings.weight, lambda w: setattr(own_package.settings, "weight", w)


def in_a_module_in_a_list() -> tuple[Weight, Change]:
    settings = [_package()]
    return lambda: settings[0].weight, lambda w: setattr(settings[0], "weight", w)


def in_a_local_import() -> tuple[Weight, Change]:
    settings = sys.modules["own_settings"] = _package()
    globals()["own_settings"] = None  # that there is a global variable of this name does not matter

    def weight() -> float:
        from own_settings import weight  # type: ignore[import-not-found]

        return weight

    return weight, lambda w: setattr(settings, "weight", w)


def in_the_environment() -> tuple[Weight, Change]:
    return lambda: float(os.environ["MINIGEN_TEST"]), lambda w: os.environ.update(MINIGEN_TEST=str(w))


def in_numbers() -> tuple[Weight, Change]:
    numbers = array.array("d", [1.0])
    return lambda: numbers[0], lambda w: numbers.__setitem__(0, w)


def in_bytes() -> tuple[Weight, Change]:
    numbers = bytearray([2])
    return lambda: numbers[0] / 2, lambda w: numbers.__setitem__(0, int(2 * w))


def in_a_context() -> tuple[Weight, Change]:
    weight = contextvars.ContextVar("weight", default=1.0)
    return weight.get, lambda w: weight.set(w)


def in_a_queue() -> tuple[Weight, Change]:
    numbers: queue.SimpleQueue[float] = queue.SimpleQueue()
    numbers.put(1.0)

    def weight() -> float:
        w = numbers.get()
        numbers.put(w)
        return w

    def change(w: float) -> None:
        numbers.get()
        numbers.put(w)

    return weight, change


def behind_a_weak_reference() -> tuple[Weight, Change]:
    settings = types.ModuleType("settings")
    settings.weight = 1.0  # type: ignore[attr-defined]
    reference = weakref.ref(settings)
    return lambda: reference().weight, lambda w: setattr(settings, "weight", w)  # type: ignore[union-attr]


def in_an_array_of_objects() -> tuple[Weight, Change]:
    objects = np.array([[1.0], None], dtype=object)
    return lambda: objects[0][0], lambda w: objects[0].__setitem__(0, w)


SEEN = [in_a_method, in_a_slot_method, in_a_view, in_a_proxy, in_a_cache, in_an_order, in_a_default, in_code,
        in_a_metaclass, in_a_global_by_name, in_a_module_of_a_package, in_a_module_in_a_list, in_a_local_import,
        in_the_environment]  # fmt: skip
UNSEEN = [in_numbers, in_bytes, in_a_context, in_a_queue, behind_a_weak_reference, in_an_array_of_objects]


@pytest.mark.parametrize("where", SEEN + UNSEEN, ids=lambda f: f.__name__)
def test_a_number_that_changes_is_seen_wherever_it_is(where: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGEN_TEST", "1.0")
    changes: list[Change] = []

    def make(toy: Toy) -> Any:
        weight, change = where()
        changes.append(change)
        change(1.0)
        return lambda x: _updated(toy, x, weight())

    step = assert_same(make, before=lambda toy, k: changes[-1](0.5) if k == LATER else None)
    assert (step.replays == 0) == (where in UNSEEN)
    assert where in SEEN or "where compile cannot see what changes" in str(step.reason)


SHAPES: dict[str, Callable[[Any, Any], Any]] = {
    "a slice": lambda x, n: x[: n.max()],
    "np.repeat": lambda x, n: np.repeat(x[0, :2], n),
    "repeat": lambda x, n: x[0, :2].repeat(n),
    "np.tile": lambda x, n: np.tile(x[0], n.max()),
    "np.broadcast_to": lambda x, n: np.broadcast_to(x[0, :1], (n.max(), 1)),
    "reshape": lambda x, n: x[:, : 4 - 4 % 2].reshape(n.max(), -1)[0],
}


@pytest.mark.parametrize("make_shape", SHAPES.values(), ids=SHAPES)
def test_a_shape_that_comes_to_depend_on_numbers(make_shape: Any) -> None:
    """The shapes are the same while the step is recorded, and others later."""
    given = [(x, np.array([2, 1] if k < LATER else [1, 1])) for k, x in enumerate(batches(12, size=4))]
    step = assert_same(lambda toy: lambda g: _updated(toy, g[0], 1 / len(make_shape(*g))), given)
    assert step.replays == 0 and "a shape that depends on numbers" in str(step.reason)


def test_two_arguments_that_are_one_are_of_another_kind() -> None:
    given = [(x, x if k % 2 else x.copy()) for k, x in enumerate(batches(24))]
    step = assert_same(lambda toy: lambda g: _updated(toy, g[0], 2.0 if g[0] is g[1] else 1.0), given)
    assert step.replays == len(given) - 2 * (FIRST - 1)


@pytest.mark.parametrize("kind", ["list", "dict", "Tensor"])
def test_arguments_that_a_step_changes_are_changed(kind: str) -> None:
    toy = Toy(device="cpu")

    def step(x: Any, told: Any) -> Any:
        loss = toy.step(x)["loss"]
        if kind == "list":
            told.append(loss)
        elif kind == "dict":
            told["loss"] = loss
        else:
            told.data = loss.data
        return loss

    compiled = compile(step)
    for x in batches(8):
        told: Any = {"list": [], "dict": {}, "Tensor": Tensor(np.zeros((), np.float32))}[kind]
        loss = compiled(x, told)
        found: Any = told if kind == "Tensor" else told[0] if kind == "list" else told["loss"]
        assert found.data.tobytes() == loss.data.tobytes()
    assert compiled.replays == 0 and "changes a list, dict or Tensor among its arguments" in str(compiled.reason)


def test_a_result_that_the_caller_changes_is_new_each_time() -> None:
    toy = Toy(device="cpu")
    compiled = compile(lambda x: {"loss": toy.step(x)["loss"], "more": {"name": "toy"}, "parts": ({"k": 1},)})
    for x in batches(8):
        result: Any = compiled(x)
        assert result["more"] == {"name": "toy"} and result["parts"] == ({"k": 1},)
        result["more"]["epoch"] = result["parts"][0]["k"] = 2
    assert compiled.replays == 4


def test_a_result_of_another_class_keeps_it() -> None:
    toy = Toy(device="cpu")
    compiled = compile(lambda x: collections.OrderedDict(loss=toy.step(x)["loss"]))
    assert [type(compiled(x)) for x in batches(8)] == [collections.OrderedDict] * 8
    assert "the step returns a OrderedDict" in str(compiled.reason)


def test_a_step_is_made_plainly_while_another_thread_records() -> None:
    inside, go_on = threading.Event(), threading.Event()
    one, other = Toy(device="cpu"), Toy(device="cpu")

    def slow(x: Any) -> Any:
        inside.set()
        go_on.wait(30)
        return one.step(x)

    first, second = compile(slow), compile(lambda x: other.step(x))
    xs = batches(3)
    go_on.set()
    first(xs[0]), second(xs[0])
    inside.clear()
    go_on.clear()
    thread = threading.Thread(target=first, args=(xs[1],))
    thread.start()
    assert inside.wait(30)
    second(xs[1])
    reason = second.reason
    go_on.set()
    thread.join()
    assert reason == "another thread is recording a step"
    second(xs[2])
    assert second.reason != reason


def test_an_attribute_is_no_global_variable() -> None:
    """`toy.step` has nothing to do with a global variable `step`, which may change as it likes."""
    scope: dict[str, Any] = {}
    exec("def make(toy):\n    return lambda x: toy.step(x)\n", scope)

    def before(toy: Toy, k: int) -> None:
        scope["step"] = k

    assert assert_same(scope["make"], before=before).replays == 8
