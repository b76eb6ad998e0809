"""A step taken apart: what its rows say, that they add up, and that nothing is left of the measurement.

Read next: ``test_costs.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from anatomy.rates import RATES
from capture.toy import Toy

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.anatomy import Anatomy
from minigen.anatomy.explain import anatomy_of, floor_of, measure
from minigen.anatomy.places import Places
from minigen.anatomy.watch import Key, Watched
from minigen.autograd import Function, FusedFunction, Tensor, grad
from minigen_kernels import for_device, in_reference

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def rows_of(anatomy: Anatomy, **wanted: Any) -> list[Any]:
    return [row for row in anatomy.rows if all(getattr(row, key) == value for key, value in wanted.items())]


def test_the_rows_of_a_dense_layer() -> None:
    net = nn.Sequential(nn.Dense(30, 20), ops.relu, nn.Dense(20, 10))
    adam = optim.Adam(net.parameters())

    def step(x: Tensor) -> None:
        adam.zero_grad()
        losses.mse(net(x), x[:, :10]).backward()
        adam.step()

    taken = mg.explain_step(step, Tensor(np.ones((64, 30), np.float32)), steps=2)
    products = rows_of(taken, kernel="matmul")
    n = 64
    assert [(row.phase, row.where, row.shapes, row.flops, row.calls) for row in sorted(products, key=str)] == sorted([
        ("forward", "net.0", ((n, 30), (30, 20)), 2 * n * 30 * 20, 1),
        ("forward", "net.2", ((n, 20), (20, 10)), 2 * n * 20 * 10, 1),
        ("backward", "net.0", ((20, n), (n, 30)), 2 * n * 30 * 20, 1),  # the input needs no gradient
        ("backward", "net.2", ((n, 10), (10, 20)), 2 * n * 20 * 10, 1),
        ("backward", "net.2", ((10, n), (n, 20)), 2 * n * 20 * 10, 1),
    ], key=lambda told: str(next(r for r in products if (r.phase, r.where, r.shapes) == told[:3])))  # fmt: skip
    assert all(row.operation == "Linear" and row.room == "BLAS" for row in products)
    (act,) = rows_of(taken, kernel="bias_act", where="net.0")
    assert act.phase == "forward" and act.bytes == 4 * (2 * n * 20 + 20) and act.shapes == ((n, 20, 1), (20,))
    (update,) = rows_of(taken, phase="update")
    assert (update.where, update.bytes) == ("4 arrays", 28 * (600 + 20 + 200 + 10))
    (taking,) = rows_of(taken, operation="GetItem")
    assert (taking.room, taking.flops, taking.bytes) == ("NumPy", 0, 0)  # a view
    assert [total.name for total in taken.total()] == ["forward", "backward", "update", "Python"]
    assert taken.total("operation")[-1].name == "Python"
    assert sum(total.ms for total in taken.total("kernel")) == pytest.approx(taken.rows_ms)


def test_large_products_are_the_kernel_s_and_small_ones_of_blas() -> None:
    layer = nn.Dense(100, 120)
    taken = mg.explain_step(lambda: layer(Tensor(np.ones((64, 100), np.float32))), steps=1)
    assert rows_of(taken, kernel="matmul")[0].room == "cpu"
    with in_reference():
        taken = mg.explain_step(lambda: layer(Tensor(np.ones((4, 100), np.float32))), steps=1)
    assert rows_of(taken, kernel="matmul")[0].room == "cpu"  # the reference is a room of its own


class Clock:
    """Seconds that pass when it is told so, and a microsecond whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


def test_the_rows_add_up_and_what_the_watching_takes_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that stands still but for what a kernel and the Python between take."""
    clock, x = Clock(), Tensor(np.ones((3, 3), np.float32), requires_grad=True)
    room = for_device("cpu")

    def slow(name: str, seconds: float) -> None:
        kernel = getattr(room, name)

        def slower(*args: Any) -> Any:
            clock.now += seconds
            return kernel(*args)

        monkeypatch.setattr(room, name, slower)

    slow("sigmoid", 0.25)
    slow("leaky_relu", 0.5)

    def step() -> None:
        y = ops.sigmoid(x)
        clock.now += 0.125  # Python
        ops.relu(ops.sigmoid(y)).sum().backward()

    taken = anatomy_of(*measure(step, "cpu", Places(step), 3, clock), "cpu", RATES, {"float32": RATES})
    times = {(row.phase, row.kernel): row.ms for row in taken.rows}
    assert times["forward", "sigmoid"] == pytest.approx(500, rel=1e-3)
    assert times["forward", "leaky_relu"] == pytest.approx(500, rel=1e-3)
    assert times["Python", "Python"] == pytest.approx(125, abs=0.1)
    assert taken.ms == pytest.approx(1125, abs=0.1) and taken.rows_ms == pytest.approx(1125, abs=0.2)
    assert taken.watched_ms == pytest.approx(1125, abs=0.2)
    assert sum(row.share for row in taken.rows) == pytest.approx(1, rel=1e-3)


def test_the_rows_add_up_where_the_machine_was_busy_while_steps_were_watched() -> None:
    def key(kernel: str) -> Key:
        return Key("forward", kernel, "", kernel, "cpu", (), "float32", 10, 10)

    watched = [Watched([(key("add"), 2.0), (key("erf"), 6.0)], 8.0)] * 3
    taken = anatomy_of([4.0] * 3, watched, "cpu", RATES, {"float32": RATES})
    assert {row.kernel: row.ms for row in taken.rows} == pytest.approx({"add": 1000, "erf": 3000, "Python": 0})
    assert sum(row.share for row in taken.rows) == pytest.approx(1) and taken.watched_ms == 8000


def test_a_gradient_of_a_gradient_has_a_phase_of_its_own() -> None:
    net = nn.Sequential(nn.Dense(4, 6), ops.tanh, nn.Dense(6, 1))

    def step() -> None:
        x = Tensor(X, requires_grad=True)
        (g,) = grad(net(x), [x], Tensor(np.ones((5, 1), np.float32)), create_graph=True)
        (g * g).sum().backward()
        net.zero_grad()

    taken = mg.explain_step(step, steps=1)
    phases = [total.name for total in taken.total()]
    assert phases == ["forward", "backward", "backward 2", "Python"]
    first, second = (rows_of(taken, phase=phase, kernel="matmul") for phase in ("backward", "backward 2"))
    places = sorted(row.where for row in first for _ in range(row.calls))
    assert places == ["net.0"] * 3 + ["net.2"]  # g = w0^T (tanh' w2^T); then tanh' asks for gradients in w0 and x
    assert {row.operation for row in second} == {"MatMul"} and {row.where for row in second} == {"net.0", "net.2"}


def test_a_fused_gradient_that_differentiates_its_definition_is_of_first_order() -> None:
    norm = nn.BatchNorm(4)

    def step() -> None:
        x = Tensor(X, requires_grad=True)
        grad((norm(x) ** 2).sum(), [x], create_graph=True)

    taken = mg.explain_step(step, steps=1)
    assert [total.name for total in taken.total()] == ["forward", "backward", "Python"]
    assert {row.operation for row in rows_of(taken, phase="backward")} >= {"BatchNorm", "Power"}
    assert len(rows_of(taken, phase="backward", operation="BatchNorm")) > 10


class Halved(Function):
    def forward(self, x: Any) -> Any:
        return x / 2

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / 2


class Stack(FusedFunction):
    def forward(self, x: Any) -> Any:
        return x @ x

    def backward_arrays(self, gy: Any, y: Any) -> Any:
        x = self.inputs[0].data
        return gy @ x.swapaxes(-1, -2) + x.swapaxes(-1, -2) @ gy


def test_of_a_function_of_one_s_own_the_flops_are_unknown() -> None:
    x = Tensor(np.ones((3, 4, 4), np.float32), requires_grad=True)
    taken = mg.explain_step(lambda: Stack.apply(Halved.apply(x)).sum().backward(), steps=1)
    for operation, phase, kernel in (
        ("Halved", "forward", "Halved"), ("Stack", "forward", "Stack"), ("Stack", "backward", "Stack")
    ):  # fmt: skip
        (row,) = rows_of(taken, operation=operation, phase=phase, kernel=kernel)
        assert (row.flops, row.intensity, row.room) == (None, None, "NumPy") and row.bytes > 0
    (halved,) = rows_of(taken, operation="Halved", phase="backward")
    assert (halved.kernel, halved.flops) == ("Div", 48)
    assert "?" in str(taken)


class Descent(optim.Optimizer):
    """An optimizer in NumPy."""

    def init_state(self, p: Any) -> dict[str, Any]:
        return {"sum": np.zeros_like(p)}

    def update(self, p: Any, g: Any, state: dict[str, Any]) -> None:
        state["sum"] += g
        p -= self.lr * state["sum"]


def test_an_optimizer_of_one_s_own_is_a_row() -> None:
    layer = nn.Dense(4, 3)
    own, adam = Descent(layer.parameters(), lr=0.1), optim.Adam(layer.parameters())

    def step() -> None:
        layer.zero_grad()
        layer(Tensor(X)).sum().backward()
        own.step()
        adam.step()

    before = layer.weight.data.copy()
    taken = mg.explain_step(step, steps=2)
    (row,) = rows_of(taken, operation="Descent")
    assert (row.phase, row.kernel, row.room, row.flops, row.calls) == ("update", "Descent", "NumPy", None, 1)
    assert row.bytes == 5 * 4 * 15 and row.shapes == ((3, 4), (3,))  # reads p, g, the sum; writes p and the sum
    assert sorted(one.operation for one in rows_of(taken, phase="update")) == ["Descent", "adam_update"]
    assert (layer.weight.data == before).all() and not own.states[0]["sum"].any()


def test_products_of_stacks_are_blas_and_their_gradients_are_counted() -> None:
    a, b = (Tensor(np.ones((3, 20, 20), np.float32), requires_grad=True) for _ in range(2))
    taken = mg.explain_step(lambda: (a @ b).sum().backward(), steps=1)
    forward, backward = (rows_of(taken, operation="MatMul", phase=phase)[0] for phase in ("forward", "backward"))
    assert (forward.room, forward.flops, forward.bytes) == ("BLAS", 2 * 3 * 20**3, 4 * 3 * 1200)
    assert (backward.room, backward.flops) == ("BLAS", 4 * 3 * 20**3)


# What is told.


def test_the_floor_is_the_longest_of_three() -> None:
    def key(flops: int | None, moved: int) -> Key:
        return Key("forward", "", "", "", "cpu", (), "float32", flops, moved)

    assert floor_of(key(10**9, 1000), RATES) == (pytest.approx(0.01), "arithmetic")
    assert floor_of(key(10, 1 << 25), RATES) == (pytest.approx((1 << 25) / 1e10), "memory")
    assert floor_of(key(10, 1 << 18), RATES) == (pytest.approx((1 << 18) / 5e10), "memory")  # nearer to the small copy
    assert floor_of(key(10, 10), RATES) == (1e-6, "call")
    assert floor_of(key(None, 10), RATES) == (1e-6, "call")
    assert floor_of(key(0, 0), RATES) == (0, "")


def test_the_table_and_what_else_shows_it() -> None:
    toy = Toy(device="cpu")
    taken = mg.explain_step(toy.step, X, steps=1)
    lines = taken.table(top=3).splitlines()
    assert lines[0].startswith("one step: ") and "; a watched one, without" in lines[0]
    assert lines[1] == "a machine: product 100 GFLOP/s, copy 10.0 to 50.0 GB/s, a call 1.0 us"
    head = "phase where operation: kernel room shapes calls MFLOP MB FLOP/B ms share floor bound"
    assert lines[3].split() == head.split()
    kernels = len(taken.rows) - 1
    assert lines[7].startswith(f"{kernels - 3} more ") and lines[8].startswith("Python")
    assert str(taken) == taken.table() and len(taken.table(top=1000).splitlines()) > len(lines)
    assert taken._repr_html_().count("<table>") == 3
    told = json.loads(json.dumps(taken.as_dict()))
    assert len(told["rows"]) == len(taken.rows) and told["totals"]["phase"][0]["name"] == "forward"
    assert told["rows"][0]["of_floor"] == taken.rows[0].of_floor


def test_what_cannot_be_taken_apart() -> None:
    toy = Toy(device="cpu")
    with pytest.raises(TypeError, match=r"explain_step: the replays of a CompiledStep .* give its plain step, `.step`"):
        mg.explain_step(mg.compile(toy.step), X)
    with pytest.raises(TypeError, match=r"explain_step: step is a function .*, got 3"):
        mg.explain_step(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"explain_step: a call of .* runs nothing, .* `yield`"):
        mg.explain_step(lambda: (yield toy.step(X)))
    with pytest.raises(ValueError, match="explain_step: steps"):
        mg.explain_step(toy.step, X, steps=0)
    with pytest.raises(ValueError, match="total: by is"):
        mg.explain_step(toy.step, X, steps=1).total("colour")  # type: ignore[arg-type]


def test_the_room_is_loaded_late() -> None:
    code = "import sys, minigen; print('minigen.anatomy' in sys.modules, 'explain_step' in dir(minigen))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
