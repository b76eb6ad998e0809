"""Optimizers against PyTorch and against formulas written here; resuming bit for bit; clipping; schedules; bad input.

The problem that they work on is not convex and has a matrix, a vector and a number as parameters, so that a mistake in
any element or in any power of a coefficient shows after some of the 50 steps.

Read next: ``kernels/test_optim_kernels.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, ops, optim
from minigen.autograd import Tensor
from minigen.optim import multi_tensor
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
LAYOUTS = ["each by itself", "side by side"]
both_layouts = pytest.mark.usefixtures("layout")


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the CPU, then as on a GPU, where all parameters are updated as one array."""
    monkeypatch.setattr(multi_tensor, "uses_flat_buffers", lambda device: request.param == "side by side")


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


# Saving.


@cases
@pytest.mark.parametrize("arrangement", LAYOUTS)
@settings(max_examples=5)
@given(cut=st.integers(0, 12), seed=st.integers(0, 100), dtype=st.sampled_from([np.float32, np.float64]))
def test_resuming_gives_the_same_bits(
    arrangement: str, kind: str, options: dict[str, Any], cut: int, seed: int, dtype: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_tensor, "uses_flat_buffers", lambda device: arrangement == "side by side")
        resume(kind, options, cut, seed, dtype)


def resume(kind: str, options: dict[str, Any], cut: int, seed: int, dtype: Any) -> None:
    whole = make(kind, parameters(dtype, seed), **options)
    schedule = optim.cosine_schedule(0.1, 20)
    descend(whole, 0, cut, lambda k: setattr(whole, "lr", schedule(k)))
    saved, values = whole.state_dict(), [p.data.copy() for p in whole.params]
    descend(whole, cut, 12)

    resumed = make(kind, [Tensor(v, requires_grad=True) for v in values], **options)
    resumed.load_state_dict(saved)
    descend(resumed, cut, 12)  # at the rate that the saved run had: it is in the state
    for p, q in zip(whole.params, resumed.params):
        assert p.data.tobytes() == q.data.tobytes()
    for name, array in whole.state_dict().items():
        assert array.tobytes() == resumed.state_dict()[name].tobytes(), name


@both_layouts
def test_state_dict_has_flat_names_and_copies() -> None:
    opt = optim.Adam(parameters())
    descend(opt, 0, 3)
    state = opt.state_dict()
    assert list(state) == ["lr", *(f"{i}.{name}" for i in range(3) for name in ("m", "v", "step"))]
    assert all(isinstance(a, np.ndarray) and a.flags.c_contiguous for a in state.values())
    assert state["1.step"] == 3 and state["lr"] == 1e-3
    before = state["0.m"].copy()
    descend(opt, 3, 4)
    np.testing.assert_array_equal(state["0.m"], before)
    other = optim.Adam(parameters())
    other.load_state_dict(state)
    descend(other, 3, 4)
    np.testing.assert_array_equal(state["0.m"], before)  # nor does the optimizer that loaded it keep the arrays
    assert list(optim.SGD(parameters()).state_dict()) == ["lr"]
    assert "2.momentum_buffer" in optim.SGD(parameters(), momentum=0.9).state_dict()


@both_layouts
def test_load_state_dict_names_every_fault_and_changes_nothing() -> None:
    opt = optim.Adam(parameters())
    descend(opt, 0, 3)
    before = opt.state_dict()
    wrong: dict[str, Any] = {**opt.state_dict(), "7.m": np.zeros(2), "lr": np.array(-1.0), "2.step": np.array(-3)}
    del wrong["0.v"]
    wrong["0.m"], wrong["1.m"] = np.zeros((3, 4)), np.zeros(4, np.float32)
    with pytest.raises(ValueError) as caught:
        opt.load_state_dict(wrong)
    assert str(caught.value) == (
        "Adam.load_state_dict: 0.m has shape (3, 4), wanted (4, 3); 1.m has dtype float32, wanted float64; "
        "2.step is -3, wanted a finite number of at least 0; lr is -1.0, wanted a finite number of at least 0; "
        "missing 0.v (4, 3); unexpected 7.m (2,)"
    )
    assert all(np.array_equal(before[name], array) for name, array in opt.state_dict().items())
    with pytest.raises(ValueError, match="missing 0.square_avg"):
        optim.RMSprop(parameters()).load_state_dict(before)


# Clipping.


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), limit=st.floats(1e-3, 1e3), dtype=st.sampled_from([np.float32, np.float64]))
def test_clip_grad_norm(seed: int, limit: float, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    ps = parameters(dtype)
    old = [(rng.normal(size=shape) * 10 ** rng.uniform(-3, 2)).astype(dtype) for shape in SHAPES]
    for p, g in zip(ps, old):
        p.grad = Tensor(np.asarray(g))
    copies = [g.copy() for g in old]
    total = math.sqrt(math.fsum(float(v) ** 2 for g in old for v in g.flat))
    norm = optim.clip_grad_norm(ps, limit)
    rtol = 1e-6 if dtype == np.float32 else 1e-14  # a sum of 17 squares and a root, each rounded once
    assert norm.shape == () and norm.dtype == dtype
    np.testing.assert_allclose(norm.item(), total, rtol=rtol)
    for p, g, copy in zip(ps, old, copies):
        assert p.grad.dtype == dtype and p.grad.shape == g.shape
        np.testing.assert_allclose(p.grad.data, g * min(1, limit / (total + 1e-6)), rtol=5 * rtol)
        np.testing.assert_array_equal(g, copy)


def test_clip_grad_norm_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(1)
    ps, ts = parameters(), [torch.zeros(shape, dtype=torch.float64) for shape in SHAPES]
    for limit in (0.5, 100.0):
        for p, t in zip(ps, ts):
            g = np.asarray(rng.normal(size=t.shape))
            p.grad, t.grad = Tensor(g), torch.tensor(g)
        norm = optim.clip_grad_norm(ps, limit)
        expected = torch.nn.utils.clip_grad_norm_(ts, limit)
        np.testing.assert_allclose(norm.item(), expected.item(), rtol=1e-14)  # the sum in another order
        for p, t in zip(ps, ts):
            np.testing.assert_allclose(p.grad.data, t.grad.numpy(), rtol=1e-14)


def test_clipping_scales_a_shared_gradient_once() -> None:
    """x + y gives both the same gradient; scaling its array in place for each would scale it twice."""
    for clip in (lambda ps: optim.clip_grad_norm(ps, 1.0), lambda ps: optim.clip_grad_value(ps, 1.0)):
        x, y = (Tensor(np.zeros(4), requires_grad=True) for _ in range(2))
        ((x + y) * 3).sum().backward()
        assert np.shares_memory(x.grad.data, y.grad.data)  # or the test has lost its object
        clip([x, y])
        np.testing.assert_array_equal(x.grad.data, y.grad.data)
        assert x.grad.data[0] in (pytest.approx(1 / math.sqrt(8), rel=1e-6), 1.0)  # rel: the 1e-6 beside the norm


def test_clipping_of_nothing_and_measuring_only() -> None:
    ps = parameters()
    assert optim.clip_grad_norm(ps, 1.0).item() == 0
    ps[0].grad = Tensor(np.full(SHAPES[0], -7.0))
    assert optim.clip_grad_norm(ps, math.inf).item() == pytest.approx(7 * math.sqrt(12))
    optim.clip_grad_value(ps, 2)
    np.testing.assert_array_equal(ps[0].grad.data, np.full(SHAPES[0], -2.0))
    assert ps[1].grad is None
    ps[1].grad = Tensor(np.full(4, np.nan))
    assert math.isnan(optim.clip_grad_norm(ps, 1.0).item()) and np.isnan(ps[0].grad.data).all()


# Schedules.


def test_schedules_at_points_that_can_be_written_down() -> None:
    assert [optim.constant_schedule(0.3)(k) for k in (0, 5)] == [0.3, 0.3]
    step = optim.step_schedule(1.0, 3, gamma=0.5)
    assert [step(k) for k in range(8)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert optim.exponential_schedule(2.0, 0.5)(3) == 0.25
    cosine = optim.cosine_schedule(1.0, 12, min_lr=0.2, warmup=4)
    assert [cosine(k) for k in range(5)] == [0.25, 0.5, 0.75, 1, 1]
    assert cosine(8) == pytest.approx(0.6)
    assert [cosine(k) for k in (12, 13, 100)] == [0.2, 0.2, 0.2]


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR"])
def test_schedules_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    schedule, arguments = {
        "StepLR": (optim.step_schedule(0.7, 4), (4,)),
        "ExponentialLR": (optim.exponential_schedule(0.7, 0.9), (0.9,)),
        "CosineAnnealingLR": (optim.cosine_schedule(0.7, 30, min_lr=0.01), (30, 0.01)),
    }[name]
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.7)
    peer = getattr(torch.optim.lr_scheduler, name)(opt, *arguments)
    for k in range(31):
        # PyTorch multiplies rate by rate, which rounds at each of 30 steps.
        assert schedule(k) == pytest.approx(peer.get_last_lr()[0], rel=1e-13), k
        opt.step()
        peer.step()


# Bad input.

w, made = parameters()[0], Tensor(np.ones(2), requires_grad=True) * 2
net = nn.Dense(2, 3)
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no parameters": (lambda: optim.SGD([]), ValueError, r"SGD: params is empty.*module.parameters\(\)"),
    "one Tensor": (lambda: optim.Adam(w), TypeError, "Adam: params must be several Tensors, got Tensor"),
    "a module": (lambda: optim.Adam(net), TypeError, r"got Dense; give module.parameters\(\)"),
    "named": (lambda: optim.AdamW(net.named_parameters()), TypeError, "parameter 0 is not a Tensor but tuple"),
    "twice": (lambda: optim.RMSprop([w, net.weight, w]), ValueError, "parameters 0 and 2 are the same Tensor"),
    "made": (lambda: optim.SGD([w, made]), ValueError, "parameter 1 was made by Mul; only leaves"),
    "integers": (lambda: optim.SGD([Tensor([1, 2])]), TypeError, "parameter 0 is int64; only float32 and float64"),
    "lr negative": (lambda: optim.SGD([w], -0.1), ValueError, r"SGD: lr must be in \[0, inf\), got -0.1"),
    "lr infinite": (lambda: optim.SGD([w], math.inf), ValueError, "SGD: lr must be .* got inf"),
    "lr nan": (lambda: optim.SGD([w], math.nan), ValueError, "SGD: lr must be .* got nan"),
    "lr text": (lambda: optim.SGD([w], "0.1"), TypeError, "SGD: lr must be a number, got '0.1'"),
    "lr bool": (lambda: optim.SGD([w], True), TypeError, "SGD: lr must be a number, got True"),
    "lr set": (lambda: setattr(optim.Adam([w]), "lr", -1), ValueError, "Adam: lr must be .* got -1"),
    "momentum": (lambda: optim.SGD([w], momentum=1), ValueError, r"SGD: momentum must be in \[0, 1\), got 1"),
    "nesterov": (lambda: optim.SGD([w], nesterov=True), ValueError, "nesterov needs a momentum above 0"),
    "decay": (lambda: optim.AdamW([w], weight_decay=-1), ValueError, "AdamW: weight_decay must be .* got -1"),
    "beta": (lambda: optim.Adam([w], betas=(0.9, 1.2)), ValueError, r"Adam: beta2 must be in \[0, 1\), got 1.2"),
    "betas": (lambda: optim.Adam([w], betas=0.9), TypeError, "Adam: betas must be a pair of numbers, got 0.9"),
    "eps": (lambda: optim.RMSprop([w], eps=0), ValueError, r"RMSprop: eps must be in \(0, inf\), got 0"),
    "alpha": (lambda: optim.RMSprop([w], alpha=-0.5), ValueError, "RMSprop: alpha must be .* got -0.5"),
    "max_norm": (lambda: optim.clip_grad_norm([w], 0), ValueError, r"clip_grad_norm: max_norm must be in \(0, inf\]"),
    "limit": (lambda: optim.clip_grad_value([w], -1), ValueError, "clip_grad_value: limit must be .* got -1"),
    "clip one": (lambda: optim.clip_grad_norm(w, 1), TypeError, "clip_grad_norm: expected several Tensors"),
    "clip array": (lambda: optim.clip_grad_value([w, w.data], 1), TypeError, "number 1 is ndarray"),
    "step_size": (lambda: optim.step_schedule(0.1, 0), ValueError, "step_size must be at least 1, got 0"),
    "step_size float": (lambda: optim.step_schedule(0.1, 2.5), TypeError, "step_size must be a whole number, got 2.5"),
    "gamma": (lambda: optim.exponential_schedule(0.1, 0), ValueError, "gamma must be .* got 0"),
    "warmup": (lambda: optim.cosine_schedule(0.1, 5, warmup=5), ValueError, "got warmup=5 and total=5"),
    "min_lr": (lambda: optim.cosine_schedule(0.1, 5, min_lr=1), ValueError, "got min_lr=1 and lr=0.1"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@both_layouts
def test_a_module_that_was_converted_needs_a_new_optimizer() -> None:
    module = nn.Dense(2, 3)
    opt = optim.Adam(module.parameters())
    module.to(dtype=np.float64)
    module(Tensor(np.ones((1, 2)))).sum().backward()
    with pytest.raises(ValueError, match="Adam.step: parameter 0: .*float32.*float64; .* make a new optimizer"):
        opt.step()
    assert opt.state_dict()["0.step"] == 0


def test_the_base_class_is_abstract_and_open() -> None:
    """A user's own optimizer states two methods, and gets saving and all checks."""
    with pytest.raises(TypeError, match="abstract"):
        optim.Optimizer([w], 0.1)  # type: ignore[abstract]

    class SignDescent(optim.Optimizer):
        def init_state(self, p: Array) -> multi_tensor.State:
            return {}

        def update(self, p: Array, g: Array, state: multi_tensor.State) -> None:
            p -= self.lr * np.sign(g)

    p = Tensor(np.zeros(3), requires_grad=True)
    opt = SignDescent([p], 0.5)
    p.grad = Tensor(np.array([3.0, -2.0, 0.0]))
    opt.step()
    np.testing.assert_array_equal(p.data, [-0.5, 0.5, 0])
    assert list(opt.state_dict()) == ["lr"]
