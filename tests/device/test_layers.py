"""Every layer and loss of the inventory on a CUDA device, against the CPU; and ``minigen gradcheck`` there.

Read next: ``test_optimizers.py``.
"""

from __future__ import annotations

import copy
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device.both import assert_close, assert_same_bits, command, host, move, no_wait

import minigen as mg
from minigen import inventory, losses, nn, ops
from minigen.autograd import Tensor, grad
from minigen.inventory import Item
from minigen.testing import check_layer

pytestmark = pytest.mark.gpu
LAYERS = [item for item in inventory.ITEMS if item.name.startswith("nn.")]
LOSSES = [item for item in inventory.ITEMS if item.name.startswith("losses.")]
CASES = [pytest.param(item, k, id=f"{item.name}-{k}") for item in LAYERS + LOSSES for k in range(len(item.cases))]


def values_and_gradients(item: Item, k: int, device: str, dtype: Any) -> tuple[list[Tensor], dict[str, Any]]:
    """What a case of the inventory gives there, forwards and backwards; and the state that it leaves."""
    mg.manual_seed(3)
    fn, inputs = item.cases[k](np.random.default_rng(zlib.crc32(item.name.encode()) + k))
    if isinstance(fn, nn.Module):
        fn = copy.deepcopy(fn).to(device, dtype)
    xs = [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in inputs]
    xs = [move(x.to(dtype=dtype) if isinstance(x, Tensor) and x.dtype.kind == "f" else x, device) for x in xs]
    for x in xs:
        if isinstance(x, Tensor) and x.dtype.kind == "f":
            x.requires_grad = True
    targets = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
    targets += [p for p in fn.parameters() if p.requires_grad] if isinstance(fn, nn.Module) else []
    weights = np.random.default_rng(1)
    with no_wait(item.name):
        ys = fn(*xs)
        ys = list(ys) if isinstance(ys, tuple) else [ys]
        parts = [
            (y * Tensor(weights.normal(size=y.shape).astype(y.dtype), device=device)).sum()
            for y in ys
            if y.requires_grad
        ]
        found = ys + (list(grad(sum(parts[1:], parts[0]), targets)) if parts else [])
    assert all(t.device == device for t in found)
    return found, fn.state_dict() if isinstance(fn, nn.Module) else {}


@pytest.mark.parametrize(("item", "k"), CASES)
def test_a_layer_or_loss_is_the_same_there(item: Item, k: int) -> None:
    for dtype in (np.float64, np.float32):
        (here, state), (there, moved) = (values_and_gradients(item, k, device, dtype) for device in ("cpu", "cuda"))
        assert len(here) == len(there)
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            assert_close(a, b, 1e-9 if dtype == np.float64 else 1e-4, f"result {i}")
        for name in state:
            assert_close(moved[name], state[name], 1e-9 if dtype == np.float64 else 1e-4, name)


@pytest.mark.parametrize("item", LAYERS, ids=lambda item: item.name)
def test_all_of_a_layer_moves_there_and_back(item: Item) -> None:
    fn, _ = item.cases[0](np.random.default_rng(0))
    if not isinstance(fn, nn.Module):
        return
    before = fn.state_dict()
    fn.to("cuda")
    assert {t.device for t in [*fn.parameters(), *dict(fn._named_tensors()).values()]} <= {"cuda"}
    for name, array in fn.state_dict().items():
        assert_same_bits(array, before[name])  # a state_dict is of NumPy's arrays
    fn.load_state_dict(before)
    assert {p.device for p in fn.parameters()} <= {"cuda"}
    for name, array in fn.to("cpu").state_dict().items():
        assert_same_bits(array, before[name])


@pytest.mark.parametrize("order", [1, 2])
def test_dropout_has_the_mask_of_the_cpu_and_keeps_it(order: int) -> None:
    """The same numbers on both devices, also for the gradient of the gradient; and one mask for all of a call."""
    x, kept = np.random.default_rng(0).normal(size=(40, 5)), []
    for device in ("cpu", "cuda"):
        layer = nn.Dropout(0.4, rng=mg.Generator(1)).to(device)
        t = Tensor(x, device=device, requires_grad=True)
        with no_wait("dropout"):
            y = layer(t) ** 3
            (g,) = grad(y.sum(), [t], create_graph=True)
            (g,) = grad(g.sum(), [t]) if order == 2 else (g,)
        assert_close(host(g) != 0, host(y) != 0)
        kept.append((host(y), host(g), layer.rng.state))
    assert_close(kept[1][0], kept[0][0])
    assert_close(kept[1][1], kept[0][1])
    assert kept[1][2] == kept[0][2]


def test_dropout_between_other_layers_that_draw() -> None:
    """One generator for several layers, and one that is on the device itself."""
    rng = np.random.default_rng(0)
    x, results = rng.normal(size=(6, 4)).astype("f4"), []
    for device, home in (("cpu", "cpu"), ("cuda", "cpu"), ("cuda", "cuda")):
        shared = mg.Generator(1)
        net = nn.Sequential(nn.Dense(4, 8, rng=shared), nn.Dropout(0.5), nn.Dense(8, 3, rng=shared), nn.Dropout(0.2))
        drawn = mg.Generator(5, device=home)
        net[1].rng = net[3].rng = drawn
        results.append(net.to(device)(Tensor(x, device=device)))
    assert_close(results[1], results[0], 1e-6)
    assert_close(results[2], results[0], 1e-6)


def test_check_layer_keeps_its_promise_there() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            self.rows = nn.Parameter(np.arange(15, dtype="f4").reshape(5, 3))

        def forward(self, index: Any, x: Tensor) -> Tensor:
            return self.rows[index] * x

    report = check_layer(Table, (np.array([4, 0]), np.random.default_rng(0).normal(size=(2, 3))))
    assert "on the GPU as on the CPU" in str(report)  # whole numbers are given as arrays
    report = check_layer(lambda: nn.Embedding(5, 3), np.array([[4, 0]]), order=1)
    assert "on the GPU as on the CPU" in str(report)

    class Stays(Table):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = (Tensor(np.ones(3, "f4")),)

        def to(self, device: str | None = None, dtype: Any = None) -> Any:
            self.rows.data = self.rows.to(device, dtype).data
            self.hidden = tuple(t.to(dtype=dtype) for t in self.hidden)
            return self

        def forward(self, index: Any, x: Tensor) -> Tensor:
            return super().forward(index, x) * self.hidden[0]

    report = check_layer(Stays, (np.array([4, 0]), np.ones((2, 3))), raise_on_failure=False)
    assert "device" in report.of("FAILED") and "inputs on cuda and cpu" in str(report)


def test_gradcheck_of_a_gradient_that_is_exactly_zero() -> None:
    """A bias before batch norm: both devices have rounding errors there, each its own."""
    for seed in range(4):
        net = nn.Sequential(nn.Dense(4, 3, rng=mg.Generator(seed)), nn.BatchNorm(3), ops.softplus)
        x = np.random.default_rng(seed).normal(size=(5, 4))
        report = mg.gradcheck(net.to("cuda"), Tensor(x, device="cuda"))
        assert report.ok and report.device == "cuda"
    shares = mg.gradcheck(
        lambda x: ops.softmax(x).sum(-1),
        Tensor(np.random.default_rng(1).normal(size=(4, 7)), device="cuda"),
        allow_zero=True,
    )
    assert shares.ok


def test_gradcheck_still_sees_another_function_there() -> None:
    """Small beside the largest number, but no rounding."""

    class Off(mg.Function):
        def forward(self, x: Any) -> Any:
            y = x * 2.0
            if not isinstance(x, np.ndarray):
                y[0] += 1e-6
            return y

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * 2.0

    with pytest.raises(mg.GradientMismatch, match="another one on cpu"):
        mg.gradcheck(Off.apply, Tensor(np.linspace(1, 2, 6), device="cuda"))


def test_where_an_average_is_kept_there() -> None:
    results = []
    for device in ("cpu", "cuda"):
        net = nn.Sequential(nn.Dense(4, 3, rng=mg.Generator(0)), nn.BatchNorm(3)).to(device)
        average = nn.MovingAverage(net, 0.9)
        for k in range(3):
            with no_wait("the moving average"):
                for p in net.parameters():
                    p.data += 0.25 * (k + 1)
                average.update(net)
        results.append(average)
        assert {t.device for t in dict(average._named_tensors()).values()} == {device}
    for name, array in results[1].state_dict().items():
        assert_close(array, results[0].state_dict()[name], 1e-6, name)
    back = nn.MovingAverage(nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3)), 0.9)
    back.load_state_dict(results[1].state_dict())
    assert_close(back.network[0].weight, results[0].network[0].weight, 1e-6)


def test_losses_say_which_devices_meet() -> None:
    x = Tensor(np.random.default_rng(0).random((3, 4)), device="cuda")
    calls = [
        lambda: losses.mse(x, Tensor(np.ones((3, 4)))),
        lambda: losses.cross_entropy(x, np.array([0, 1, 2])),
        lambda: losses.bce_with_logits(x, Tensor(np.ones((3, 4)))),
    ]
    for call in calls:
        with pytest.raises(TypeError) as caught:
            call()
        assert "cuda" in str(caught.value) and "cpu" in str(caught.value)


def test_a_label_beyond_the_classes_is_no_other_class() -> None:
    """It is not looked at, so it cannot be refused; but the loss says that something is wrong."""
    x = Tensor(np.zeros((3, 4), "f4"), device="cuda")
    for label in (4, -1, 70):
        with no_wait("cross_entropy"):
            loss = losses.cross_entropy(x, Tensor(np.array([0, label, 2]), device="cuda"))
        assert np.isnan(loss.item())


def test_lists_go_where_the_others_are() -> None:
    w = np.random.default_rng(0).normal(size=(4, 3))
    assert_close(ops.embedding([[0, 2], [3, 2]], Tensor(w, device="cuda")), ops.embedding([[0, 2], [3, 2]], Tensor(w)))
    with pytest.raises(IndexError, match="indices must be from 0 to 3"):
        ops.embedding([0, 4], Tensor(w, device="cuda"))
    assert_close(
        losses.cross_entropy(Tensor(w, device="cuda"), [0, 2, 1, 1], weight=[1.0, 2.0, 3.0]),
        losses.cross_entropy(Tensor(w), [0, 2, 1, 1], weight=[1.0, 2.0, 3.0]),
    )


ONCE_WRONG = ("ops.norm", "ops.where", "ops.embedding", "nn.Dropout")

USERS_LAYER = """
import numpy as np
import minigen as mg
from minigen import nn, ops


class Squash(nn.Module):
    def __init__(self):
        self.gain = nn.Parameter(np.ones(3, np.float32))

    def forward(self, x):
        return ops.tanh(x * self.gain)

    def example_inputs(self):
        return (np.random.default_rng(0).normal(size=(4, 3)),)
"""


def test_gradcheck_of_a_users_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(USERS_LAYER)
    command("gradcheck", f"{tmp_path / 'mine.py'}:Squash", "--device", "cuda")
    shown = capsys.readouterr().out
    assert "OK" in shown and "WRONG" not in shown and "cuda" in shown


def test_gradcheck_of_all_is_what_the_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the few names that once failed, to order 2; all of them are below, to order 1."""
    monkeypatch.setattr(inventory, "ITEMS", [item for item in inventory.ITEMS if item.name in ONCE_WRONG])
    command("gradcheck", "--all", "--device", "cuda", "--order", 2)
    shown = capsys.readouterr().out
    assert "cuda 1" in shown and "cuda 2" in shown and "every gradient is right" in shown
    assert all(re.search(rf"{name} +\d+  OK +OK", shown) for name in ONCE_WRONG), shown


@pytest.mark.slow
@pytest.mark.parametrize("item", inventory.ITEMS, ids=lambda item: item.name)
def test_the_inventory_there(item: Item) -> None:
    """What ``minigen gradcheck --all --device cuda`` runs, name by name."""
    outcome = inventory.check(item, "cuda", order=1)
    assert outcome.ok, [str(report.failure) for report in outcome.reports if report.failure]
