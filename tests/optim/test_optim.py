"""Optimizers against PyTorch and against formulas written here: which parameters move, how far, with what memory.

The problem that they work on is not convex and has a matrix, a vector and a number as parameters, so that a mistake in
any element or in any power of a coefficient shows after some of the 50 steps.

Read next: ``test_saving.py``, ``test_clipping.py``, ``kernels/test_optim_kernels.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigen import nn, ops, optim
from minigen.autograd import Tensor
from minigen_kernels import Array, for_device

STEPS = 50
SHAPES = ((4, 3), (4,), ())

# Name of the case: the class here and in PyTorch, and its settings.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd decay": ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "sgd momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop all": ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "momentum": 0.7, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.02}),
    "adam all": ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "adamw all": ("AdamW", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3}),
}
cases = pytest.mark.parametrize(("kind", "options"), CASES.values(), ids=CASES.keys())
both_layouts = pytest.mark.usefixtures("layout")


def parameters(dtype: Any = np.float64, seed: int = 0) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [Tensor(np.asarray(rng.normal(size=shape), dtype), requires_grad=True) for shape in SHAPES]


def make(kind: str, params: Any, **options: Any) -> optim.Optimizer:
    return getattr(optim, kind)(params, **options)


def gradients(ps: list[Array], x: Array, y: Array) -> list[Array]:
    """Of mean((s tanh(x w^T + b) - y)^2), derived by hand: the optimizers are tested without the engine."""
    w, b, s = ps
    t = np.tanh(x @ w.T + b)
    e = 2 * (s * t - y) / y.size
    a = e * s * (1 - t * t)
    return [a.T @ x, a.sum(0), (e * t).sum()]


def data(k: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(100 + k)
    x = rng.normal(size=(6, 3))
    return x, np.sin(x @ np.arange(12.0).reshape(3, 4))


def descend(opt: optim.Optimizer, start: int, stop: int, before: Callable[[int], None] = lambda k: None) -> None:
    """Steps `start` to `stop` of the problem; `before(k)` runs between the gradients and the step."""
    for k in range(start, stop):
        for p, g in zip(opt.params, gradients([p.data.astype(np.float64) for p in opt.params], *data(k))):
            p.grad = Tensor(np.asarray(g, p.dtype))
        before(k)
        opt.step()


def torch_run(kind: str, options: dict[str, Any], before: Callable[[int, Any, Any], None]) -> list[Array]:
    """The same steps by PyTorch's optimizer; `before(k, optimizer, parameters)` as in `descend`."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ps = [torch.tensor(p.data, requires_grad=True) for p in parameters()]
    opt = getattr(torch.optim, kind)(ps, **options)
    for k in range(STEPS):
        for p, g in zip(ps, gradients([p.detach().numpy() for p in ps], *data(k))):
            p.grad = torch.tensor(g)
        before(k, opt, ps)
        opt.step()
    return [p.detach().numpy() for p in ps]


def assert_same(opt: optim.Optimizer, expected: list[Array]) -> None:
    for p, e in zip(opt.params, expected, strict=True):
        # Both round each of 50 steps differently, 1e-16 each, and the problem spreads that: 2e-15 was seen.
        np.testing.assert_allclose(p.data, e, rtol=0, atol=1e-13)


# Numbers.


@both_layouts
@cases
def test_fifty_steps_are_those_of_pytorch(kind: str, options: dict[str, Any]) -> None:
    expected = torch_run(kind, options, lambda k, opt, ps: None)
    opt = make(kind, parameters(), **options)
    descend(opt, 0, STEPS)
    assert_same(opt, expected)


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_the_defaults_are_those_of_pytorch(kind: str) -> None:
    expected = torch_run(kind, {}, lambda k, opt, ps: None)
    opt = make(kind, parameters())
    descend(opt, 0, STEPS)
    assert_same(opt, expected)


@both_layouts
@pytest.mark.parametrize("clip", ["norm", "value"])
@pytest.mark.parametrize("schedule", ["step", "exponential", "cosine"])
def test_fifty_steps_with_schedule_and_clipping_are_those_of_pytorch(clip: str, schedule: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rates = torch.optim.lr_scheduler
    ours, theirs = {
        "step": (optim.step_schedule(0.02, 7, gamma=0.5), lambda o: rates.StepLR(o, 7, 0.5)),
        "exponential": (optim.exponential_schedule(0.02, 0.97), lambda o: rates.ExponentialLR(o, 0.97)),
        "cosine": (
            optim.cosine_schedule(0.02, STEPS, min_lr=1e-3),
            lambda o: rates.CosineAnnealingLR(o, STEPS, eta_min=1e-3),
        ),
    }[schedule]
    kept: list[Any] = []

    def torch_before(k: int, opt: Any, ps: Any) -> None:
        if k == 0:
            kept.append(theirs(opt))
        else:
            kept[0].step()
        if clip == "norm":
            torch.nn.utils.clip_grad_norm_(ps, 0.3)
        else:
            torch.nn.utils.clip_grad_value_(ps, 0.05)

    expected = torch_run("Adam", {"lr": 0.02}, torch_before)
    opt = optim.Adam(parameters(), 0.02)
    clipped = []

    def before(k: int) -> None:
        opt.lr = ours(k)
        old = [p.grad.data for p in opt.params]
        if clip == "norm":
            optim.clip_grad_norm(opt.params, 0.3)
        else:
            optim.clip_grad_value(opt.params, 0.05)
        clipped.append(any(not np.array_equal(p.grad.data, g) for p, g in zip(opt.params, old)))

    descend(opt, 0, STEPS, before)
    assert any(clipped)  # else the test would say nothing about clipping
    assert_same(opt, expected)


@both_layouts
def test_first_steps_by_hand() -> None:
    """Where g is constant the formulas become sums that can be written down: no PyTorch needed."""
    g, lr = 0.5, 0.1
    by_hand = {
        "SGD": ({}, [-lr * g * k for k in (1, 2, 3)]),
        "SGD momentum": ({"momentum": 0.5}, [-lr * g * s for s in (1, 1 + 1.5, 1 + 1.5 + 1.75)]),
        "SGD nesterov": (
            {"momentum": 0.5, "nesterov": True},
            [-lr * g * s for s in (1.5, 1.5 + 1.75, 1.5 + 1.75 + 1.875)],
        ),
        "Adam": ({}, [-lr * k * g / (g + 1e-8) for k in (1, 2, 3)]),  # mhat = g and vhat = g^2 at every step
        "RMSprop": ({}, list(-np.cumsum([lr * g / (g * math.sqrt(1 - 0.99**k) + 1e-8) for k in (1, 2, 3)]))),
    }
    for name, (options, expected) in by_hand.items():
        p = Tensor(np.zeros(3), requires_grad=True)
        opt = make(name.split()[0], [p], lr=lr, **options)
        for value in expected:
            p.grad = Tensor(np.full(3, g))
            opt.step()
            np.testing.assert_allclose(p.data, value, rtol=1e-12, err_msg=name)  # a dozen roundings


@pytest.mark.parametrize(("name", "position", "wrong"), [("eps", 8, 1e-7), ("beta2", 7, 0.99), ("lr", 5, 0.0201)])
def test_a_planted_error_is_found(name: str, position: int, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    room, right = for_device("cpu"), for_device("cpu").adam_update
    expected = optim.Adam(parameters(), 0.02)
    descend(expected, 0, STEPS)

    def update(*args: Any) -> None:
        right(*args[:position], wrong, *args[position + 1 :])

    monkeypatch.setattr(room, "adam_update", update)
    opt = optim.Adam(parameters(), 0.02)
    descend(opt, 0, STEPS)
    with pytest.raises(AssertionError):
        assert_same(opt, [p.data for p in expected.params])


@both_layouts
@cases
def test_float32_stays_float32(kind: str, options: dict[str, Any]) -> None:
    opt, exact = make(kind, parameters(np.float32), **options), make(kind, parameters(), **options)
    descend(opt, 0, STEPS)
    descend(exact, 0, STEPS)
    assert all(p.dtype == np.float32 for p in opt.params)
    assert {a.dtype for state in opt.states for name, a in state.items() if name != "step"} <= {np.dtype(np.float32)}
    for p, e in zip(opt.params, exact.params):
        # As above with roundings of 6e-8 instead of 1e-16: 4e-6 was seen.
        np.testing.assert_allclose(p.data, e.data, rtol=0, atol=3e-5)


@both_layouts
def test_adamw_decays_by_itself_and_adam_through_the_gradient() -> None:
    p, q = (Tensor(np.array([2.0]), requires_grad=True) for _ in range(2))
    p.grad = q.grad = Tensor(np.array([1000.0]))
    optim.AdamW([p], 0.1, weight_decay=0.5).step()
    optim.Adam([q], 0.1, weight_decay=0.5).step()
    assert p.data[0] == pytest.approx(2 * (1 - 0.05) - 0.1)  # the decay is there in full
    assert q.data[0] == pytest.approx(2 - 0.1)  # the decay has drowned


# Which parameters move, and with what memory.


@both_layouts
def test_parameters_without_gradient_and_frozen_ones_stay() -> None:
    opt = optim.SGD(parameters(), 0.1, weight_decay=0.5)
    before = [p.data.copy() for p in opt.params]
    opt.params[0].grad = Tensor(np.ones(SHAPES[0]))
    opt.params[1].grad = Tensor(np.ones(SHAPES[1]))
    opt.params[1].requires_grad = False
    opt.step()
    assert [np.array_equal(p.data, b) for p, b in zip(opt.params, before)] == [False, True, True]


@both_layouts
def test_a_parameter_that_starts_late_gets_its_bias_correction() -> None:
    """As in PyTorch each parameter counts its own steps."""
    opt = optim.Adam(parameters(), 0.1)
    descend(opt, 0, 10, lambda k: setattr(opt.params[2], "grad", None))
    before = opt.params[2].data.copy()
    descend(opt, 10, 11)
    assert abs(opt.params[2].data - before) == pytest.approx(0.1, rel=1e-6)  # the first step of Adam has length lr


@both_layouts
def test_the_step_changes_arrays_in_place_and_leaves_gradients_alone() -> None:
    opt = optim.Adam(parameters())
    arrays = [p.data for p in opt.params]
    descend(opt, 0, 1)
    grads = [p.grad for p in opt.params]
    values = [g.data.copy() for g in grads]
    opt.step()
    assert all(p.data is a for p, a in zip(opt.params, arrays))
    assert all(p.grad is g and np.array_equal(g.data, v) for p, g, v in zip(opt.params, grads, values))
    opt.zero_grad()
    assert all(p.grad is None for p in opt.params)


@both_layouts
@cases
def test_strided_gradients_and_parameters(kind: str, options: dict[str, Any]) -> None:
    """A gradient may be a view of any strides, or one number repeated; a parameter that is a view is copied first."""
    rng = np.random.default_rng(2)
    value, g = rng.normal(size=(4, 3)), rng.normal(size=(8, 3))[::-2]
    plain, strided = Tensor(value.copy(), requires_grad=True), Tensor(np.asfortranarray(value), requires_grad=True)
    one, other = make(kind, [plain], **options), make(kind, [strided], **options)
    for gradient in (g, g.T.copy().T, np.broadcast_to(0.5, (4, 3))):
        plain.grad, strided.grad = Tensor(np.ascontiguousarray(gradient)), Tensor(gradient)
        one.step()
        other.step()
    np.testing.assert_array_equal(plain.data, strided.data)  # the same kernel on the same numbers


@both_layouts
def test_a_network_learns() -> None:
    rng = np.random.default_rng(4)
    network = nn.Sequential(nn.Dense(2, 16), ops.tanh, nn.Dense(16, 1)).to(dtype=np.float64)
    x = Tensor(rng.normal(size=(64, 2)))
    y = Tensor(x.data[:, :1] * x.data[:, 1:])
    opt = optim.Adam(network.parameters(), 0.02)
    values = []
    for _ in range(200):
        opt.zero_grad()
        loss = ((network(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        values.append(loss.item())
    assert values[-1] < values[0] / 20  # seen: a factor above 100
