"""A step on a GPU taken apart: kernels are seen and timed by events, and nothing is changed by it.

Read next: ``tests/anatomy/test_explain.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anatomy.rates import RATES
from capture.toy import Toy

import minigen as mg
from minigen import ops
from minigen.anatomy import machine
from minigen.autograd import Tensor

pytestmark = pytest.mark.gpu

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def given_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigen.anatomy.explain.rates", lambda device, dtype: RATES)


@pytest.mark.usefixtures("given_rates")
def test_a_step_on_a_gpu() -> None:
    watched, plain = Toy(), Toy()
    for toy in (watched, plain):
        toy.step(X)
    taken = mg.explain_step(watched.step, X, steps=2)
    assert watched.state() == plain.state() and taken.device == "cuda"
    rooms = {row.room for row in taken.rows}
    assert {"cuda", "cuBLAS", "CuPy", "Python"} <= rooms <= {"cuda", "cuBLAS", "CuPy", "Python"}
    assert [total.name for total in taken.total()] == ["forward", "backward", "update", "Python"]
    (update,) = [row for row in taken.rows if row.kernel == "adam_update"]
    numbers = sum(p.size for p in watched.network.parameters())
    assert (update.where, update.bytes, update.calls) == ("6 arrays", 28 * numbers, 1)  # one launch for all
    (between,) = [row.ms for row in taken.rows if row.room == "Python"]
    assert taken.rows_ms == pytest.approx(taken.ms) if between else taken.rows_ms > taken.ms  # the double is no clock
    assert all(row.flops is not None and row.ms > 0 for row in taken.rows if row.room != "Python")
    for toy in (watched, plain):
        toy.step(X)
    assert watched.state() == plain.state()


@pytest.mark.usefixtures("given_rates")
def test_the_sums_of_gradients_of_leaves_belong_to_the_gradient() -> None:
    w = Tensor(X, device="cuda", requires_grad=True)
    taken = mg.explain_step(lambda: ((w * 2).sum() + (w * 3).sum()).backward(), steps=1)
    assert {row.phase for row in taken.rows if row.kernel == "add"} == {"backward"}


@pytest.mark.usefixtures("given_rates")
def test_order_two_of_a_penalty_on_a_gpu() -> None:
    x = Tensor(X, device="cuda", requires_grad=True)

    def step() -> None:
        (g,) = mg.grad((ops.sigmoid(x) ** 2).sum(), [x], create_graph=True)
        mg.grad((g * g).sum(), [x])

    assert [total.name for total in mg.explain_step(step, steps=1).total()] == [
        "forward", "backward", "backward 2", "Python"
    ]  # fmt: skip


def test_the_rates_of_a_gpu_are_measured_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "SIZES", (1 << 10, 1 << 12))
    rates = machine.rates("cuda", "float32")
    assert min(rates.flops, rates.call, *(rate for _, rate in rates.copies)) > 0
    monkeypatch.setattr(machine, "_measure", lambda *_: pytest.fail("measured again"))
    assert machine.rates("cuda", "float32") == rates
