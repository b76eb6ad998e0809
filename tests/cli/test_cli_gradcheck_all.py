"""`minigen gradcheck --all`: every operation, layer and loss that ships."""

import json

import pytest

from minigen import inventory, ops
from minigen.autograd import Function
from minigen.inventory import Item
from minigen.inventory.cases import arrays, case, normal


class Half(Function):
    def forward(self, x):
        return x * x

    def backward(self, gy, y):
        return gy * self.inputs[0]


@pytest.fixture
def three(monkeypatch):
    shapes = arrays(normal, (2, 3))
    items = [
        Item("ops.exp", (case(ops.exp, shapes),)),
        Item("ops.tanh", (case(ops.tanh, shapes),) * 2),
    ]
    monkeypatch.setattr(inventory, "ITEMS", items)
    monkeypatch.setattr("minigen.inventory.checking.cuda_status", lambda: (False, "the driver is asleep"))
    return items


def test_all_is_a_table_of_name_order_and_backend(minigen, three):
    result = minigen("gradcheck", "--all", "--order", 2)
    assert result.code == 0 and result.err == "", result
    head, first, second, why, end = result.out.splitlines()
    assert head.split("  ")[-6:-4] or "reference 1" in head
    assert first.split() == ["ops.exp", "1", "OK", "OK", "OK", "OK", "no", "device", "no", "device"]
    assert second.split()[:3] == ["ops.tanh", "2", "OK"]
    assert why == "cuda: no device: the driver is asleep"
    assert end.startswith("2 names, 6 checks to order 2 in") and end.endswith("every gradient is right")


def test_all_shows_what_is_wrong(minigen, three):
    three.append(
        Item(
            "ops.half",
            (case(ops.exp, arrays(normal, (2, 3))), case(Half.apply, arrays(normal, (2, 3)))),
        )
    )
    result = minigen("gradcheck", "--all", "--order", 2, "--device", "cpu")
    assert result.code == 1
    assert "ops.half      2  WRONG        -            WRONG      -" in result.out
    assert "ops.half, case 2 of 2 on reference" in result.out and "looks like" in result.out
    assert result.out.splitlines()[-1].endswith("2 not right") and "cuda" not in result.out
    facts = json.loads(minigen("gradcheck", "--all", "--device", "cpu", "--json").out)
    assert not facts["ok"] and facts["items"][2]["verdicts"] == {"reference": ["WRONG"], "cpu": ["WRONG"]}
    assert facts["items"][2]["failures"][0]["failure"]["verdict"] == "WRONG"


@pytest.mark.slow
def test_everything_that_ships_is_right(minigen):
    result = minigen("gradcheck", "--all", "--order", 2)
    assert result.code == 0, result.out
    assert "every gradient is right" in result.out
