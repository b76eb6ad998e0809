"""The inventory leaves nothing out, is right on every backend, and its backends are what they say.

Read next: ``cli/test_cli_gradcheck.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigen_kernels
from minigen import inventory, losses, nn, ops
from minigen.autograd import Function, Tensor
from minigen.inventory import EXCLUDED, ITEMS, Item, check, using_backend
from minigen.inventory.cases import arrays, case, normal
from minigen_kernels import Array, cpu, reference

NAMES = [item.name for item in ITEMS]
items = pytest.mark.parametrize("item", ITEMS, ids=NAMES)


def exported() -> set[str]:
    return {f"{room.__name__.rpartition('.')[2]}.{name}" for room in (ops, nn, losses) for name in room.__all__}


def test_nothing_that_is_exported_is_left_out() -> None:
    named = {name for name in NAMES if not name.startswith(("Tensor", "number"))}
    missing = exported() - named - EXCLUDED.keys()
    assert not missing, f"{missing}: add a case in minigen/inventory/ (operations.py, layers.py or losses.py)"
    assert named | EXCLUDED.keys() == exported()
    assert not named & EXCLUDED.keys()
    assert len(NAMES) == len(set(NAMES))


def test_a_new_export_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "__all__", [*ops.__all__, "brand_new"])
    with pytest.raises(AssertionError):
        test_nothing_that_is_exported_is_left_out()


def test_a_case_of_an_item_calls_what_the_item_is_named_after() -> None:
    rng = np.random.default_rng(0)
    for item in ITEMS:
        room, _, name = item.name.rpartition(".")
        made = [case(rng)[0] for case in item.cases]
        if room == "nn" and name != "functional_copy":
            assert {type(module) for module in made} == {getattr(nn, name)}
        elif room in ("ops", "losses"):
            functions = {getattr(fn, "func", fn) for fn in made}  # the function, with options or without
            wanted = getattr({"ops": ops, "losses": losses}[room], name)
            assert all(fn is wanted or name in fn.__code__.co_names for fn in functions)


@items
def test_every_item_is_right_to_second_order(item: Item) -> None:
    # A few directions through all but the smallest tensors: the command checks every element, and takes its time.
    outcome = check(item, order=2, seed=3, max_elements=9, directions=2, draws=2)
    assert outcome.ok, "\n".join(str(report.failure) for report in outcome.reports if not report.ok)
    assert [outcome.verdict(order) for order in (1, 2)] == ["OK", "OK"]


class Wrong(Function):
    """x**3: wrong at the order that is given."""

    order: int

    def forward(self, x: Array) -> Array:
        return x**3

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * x * x * 2 if self.order == 1 else gy * Tensor(3 * x.data**2)


@pytest.mark.parametrize(("order", "verdicts"), [(1, ["WRONG", "-"]), (2, ["OK", "WRONG"])])
def test_an_item_that_is_wrong_says_at_which_order(order: int, verdicts: list[str]) -> None:
    right = case(ops.exp, arrays(normal, (2, 3)))
    item = Item("ops.wrong", (right, case(Wrong.apply, arrays(normal, (2, 3)), order=order)))
    outcome = check(item, order=2)
    assert not outcome.ok and [outcome.verdict(k) for k in (1, 2)] == verdicts


def test_a_case_that_cannot_be_run_is_named() -> None:
    item = Item("ops.log", (case(ops.exp, arrays(normal, (3,))), case(ops.matmul, arrays(normal, (3,), (4,)))))
    with pytest.raises(RuntimeError, match=r"ops.log, case 2 on cpu: ValueError: .*\(3,\) @ \(4,\) do not fit"):
        check(item)


def test_the_reference_room_computes_what_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    item = ITEMS[NAMES.index("ops.conv2d")]
    right = reference.conv2d
    monkeypatch.setattr(reference, "conv2d", lambda *args, **options: right(*args, **options) * 1.01)
    few = {"order": 1, "max_elements": 1, "directions": 1}
    assert check(item, "cpu", **few).ok and not check(item, "reference", **few).ok


def test_the_room_is_put_back() -> None:
    x = np.ones(2)
    with pytest.raises(ZeroDivisionError), using_backend("reference"):
        assert minigen_kernels.for_array(x) is reference
        raise ZeroDivisionError
    assert minigen_kernels.for_array(x) is cpu
    with using_backend("cpu"):
        assert minigen_kernels.for_array(x) is cpu


def test_numbers_are_the_same_on_every_backend_and_others_with_another_seed() -> None:
    def first_input(backend: Any, seed: int) -> Array:
        seen: list[Array] = []

        def remember(x: Tensor) -> Tensor:
            seen.append(x.numpy().copy())
            return x * 1.0

        check(Item("ops.remembered", (case(remember, arrays(normal, (2, 3))),)), backend, order=1, seed=seed)
        return seen[0]

    np.testing.assert_array_equal(first_input("cpu", 0), first_input("reference", 0))
    assert not np.array_equal(first_input("cpu", 0), first_input("cpu", 1))


def test_a_backend_without_a_device_says_why() -> None:
    assert inventory.backend_status("cpu") == (True, "") == inventory.backend_status("reference")
    usable, reason = inventory.backend_status("cuda")
    assert usable or reason
