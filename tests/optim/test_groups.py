"""Parameter groups: PyTorch's numbers, rates that keep their ratio, and every way to give groups that are none.

Read next: ``test_multi_tensor.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, optim
from minigen.algorithms.adversarial import inner_steps
from minigen.autograd import Tensor
from minigen.optim import multi_tensor
from minigen_kernels import Array

SHAPES = ((3, 2), (4,), (), (2, 3), (5,))
OPTIMIZERS: dict[str, Any] = {"SGD": optim.SGD, "RMSprop": optim.RMSprop, "Adam": optim.Adam, "AdamW": optim.AdamW}
OWN: dict[str, list[dict[str, Any]]] = {  # what a group may say for itself
    "SGD": [{}, {"lr": 0.03}, {"momentum": 0.8, "nesterov": True, "lr": 0.0}, {"momentum": 0.5, "weight_decay": 0.1}],
    "RMSprop": [{}, {"lr": 0.3}, {"alpha": 0.5, "momentum": 0.8}, {"eps": 1e-3, "weight_decay": 0.1, "lr": 1e-4}],
    "Adam": [{}, {"lr": 0.3}, {"betas": (0.5, 0.9), "weight_decay": 0.1}, {"eps": 1e-2, "lr": 1e-4}],
    "AdamW": [{}, {"lr": 0.3}, {"betas": (0.5, 0.9), "weight_decay": 0.0}, {"eps": 1e-2, "lr": 1e-4}],
}


def tensors(seed: int, shapes: Any = SHAPES) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]


def give_gradients(opt: optim.Optimizer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for p in opt.params:
        p.grad = Tensor(np.asarray(rng.normal(size=p.shape)))


def grouped(name: str, seed: int, make: Callable[..., Any] | None = None) -> Any:
    """An optimizer with the five parameters in two or three groups, each with settings drawn from OWN."""
    rng, ps = np.random.default_rng(seed), tensors(seed)
    cuts = sorted(rng.choice([1, 2, 3, 4], rng.integers(1, 3), replace=False))
    parts = [ps[a:b] for a, b in zip([0, *cuts], [*cuts, 5], strict=True)]
    entries = [{"params": part, **OWN[name][rng.integers(4)]} for part in parts]
    return (make or OPTIMIZERS[name])(entries, lr=0.1)


def values(opt: optim.Optimizer) -> list[Array]:
    return [p.data.copy() for p in opt.params]


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_numbers_are_pytorchs_with_a_schedule_too(name: str, seed: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours = grouped(name, seed)
    copies = [torch.tensor(p.data, requires_grad=True) for p in ours.params]
    entries, start = [], 0
    for group in ours.groups:
        stop = start + len(group.params)
        entries.append({"params": copies[start:stop], "lr": group.lr, **group.settings})
        start = stop
    theirs = getattr(torch.optim, name)(entries, lr=0.1)
    rate, first = optim.cosine_schedule(0.1, 4, warmup=2), [group["lr"] for group in theirs.param_groups]
    for k in range(6):  # two steps at rate 0
        ours.lr = rate(k)
        for group, lr in zip(theirs.param_groups, first, strict=True):
            group["lr"] = lr * rate(k) / 0.1
        give_gradients(ours, seed + k)
        for p, t in zip(ours.params, copies, strict=True):
            t.grad = torch.tensor(p.grad.data)
        ours.step()
        theirs.step()
        for p, t in zip(ours.params, copies, strict=True):
            np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=1e-12, atol=1e-13)  # a dozen roundings


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_groups_side_by_side_are_groups_one_by_one(name: str, seed: int) -> None:
    alone = grouped(name, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_tensor, "updates_together", lambda device: True)
        together = grouped(name, seed)
        for k in range(3):
            for opt in (alone, together):
                give_gradients(opt, seed + k)
                if k == 1:
                    opt.params[2].grad = None
            together.step()
            patch.setattr(multi_tensor, "updates_together", lambda device: False)
            alone.step()
            patch.setattr(multi_tensor, "updates_together", lambda device: True)
    for a, b in zip(values(alone), values(together), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_optimizer_goes_on_with_the_same_bits(name: str) -> None:
    for seed in range(4):
        first, again = grouped(name, seed), grouped(name, seed)
        for k in range(2):
            first.lr = 0.05 * (k + 1)
            give_gradients(first, k)
            first.step()
        again.load_state_dict(first.state_dict())
        for p, q in zip(again.params, first.params, strict=True):
            p.data[...] = q.data
        twin = copy.deepcopy(first)
        for opt in (first, again, twin):
            opt.lr *= 0.5
            give_gradients(opt, 7)
            opt.step()
        for other in (again, twin):
            assert [group.lr for group in other.groups] == [group.lr for group in first.groups]
            for a, b in zip(values(first), values(other), strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_rates_keep_their_ratio_through_zero() -> None:
    a, b, c = tensors(0, ((2,), (2,), (2,)))
    opt = optim.Adam([{"params": [a], "lr": 1e-4}, {"params": [b]}, {"params": [c], "lr": 0.3}], lr=1e-3)
    assert [group.lr for group in opt.groups] == [1e-4, 1e-3, 0.3] and opt.lr == 1e-3
    opt.lr = 0.0
    assert [group.lr for group in opt.groups] == [0, 0, 0]
    opt.lr = 1e-3
    assert [group.lr for group in opt.groups] == [1e-4, 1e-3, 0.3]
    opt.lr *= 2
    np.testing.assert_allclose([group.lr for group in opt.groups], [2e-4, 2e-3, 0.6], rtol=1e-15)


def test_without_groups_nothing_is_another() -> None:
    net = nn.Dense(2, 3)
    opt, one = optim.Adam(net.parameters(), 0.1), optim.Adam([{"params": net.parameters()}], 0.1)
    assert (
        list(opt.state_dict())
        == list(one.state_dict())
        == ["lr", *(f"{i}.{k}" for i in (0, 1) for k in ("m", "v", "step"))]
    )
    (group,) = opt.groups
    assert group.params == opt.params and group.lr == 0.1 and group.settings["betas"] == (0.9, 0.999)


def test_groups_may_come_from_a_generator_and_share_no_settings_by_accident() -> None:
    nets = nn.Dense(2, 2), nn.Dense(2, 2)
    opt = optim.SGD(({"params": iter(net.parameters()), "momentum": 0.5 * k} for k, net in enumerate(nets)), 0.1)
    assert [state.keys() == {"momentum_buffer"} for state in opt.states] == [False, False, True, True]
    assert [len(group.params) for group in opt.groups] == [2, 2] and len(opt.params) == 4


def test_an_optimizer_of_a_users_own_has_groups() -> None:
    class Signs(optim.Optimizer):
        def init_state(self, p: Array) -> dict[str, Array]:
            return {}

        def update(self, p: Array, g: Array, state: dict[str, Array]) -> None:
            p -= self.lr * np.sign(g)

    a, b = tensors(1, ((2,), (2,)))
    before = a.data.copy(), b.data.copy()
    opt = Signs([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.25)
    a.grad = b.grad = Tensor(np.ones(2))
    opt.step()
    np.testing.assert_array_equal([a.data, b.data], [before[0] - 0.25, before[1] - 0.5])
    with pytest.raises(ValueError, match="Signs: group 0 has an unknown key 'momentum'; known are params, lr"):
        Signs([{"params": [a], "momentum": 0.5}], lr=0.25)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_a_differentiable_step_sees_the_groups(name: str) -> None:
    opt = grouped(name, 3)
    for k in range(2):
        give_gradients(opt, k)
        opt.step()
    give_gradients(opt, 9)
    gradients = [p.grad for p in opt.params]
    ahead, _ = inner_steps.step(opt, opt.params, gradients, inner_steps.optimizer_states(opt))
    opt.step()
    for there, p in zip(ahead, opt.params, strict=True):
        np.testing.assert_allclose(there.data, p.data, rtol=1e-12, atol=1e-13)


(A, B), Adam, SGD = tensors(0, ((2,), (2,))), optim.Adam, optim.SGD
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "in two groups": (lambda: Adam([{"params": [A, B]}, {"params": [B]}]), ValueError, "groups 0 and 1 have the same"),
    "twice in one": (lambda: Adam([{"params": [A, A]}]), ValueError, "Adam, group 0: parameters 0 and 1 are the same"),
    "unknown key": (
        lambda: Adam([{"params": [A], "momentum": 0.9}]), ValueError,
        "Adam: group 0 has an unknown key 'momentum'; known are params, lr, betas, eps, weight_decay",
    ),
    "no params": (lambda: SGD([{"lr": 0.1}]), ValueError, "SGD: group 0 has no 'params'; give module.parameters"),
    "empty": (lambda: SGD([{"params": [A]}, {"params": []}]), ValueError, "SGD, group 1: params is empty"),
    "a lone Tensor": (lambda: SGD([{"params": A}]), TypeError, "SGD, group 0: params must be several Tensors"),
    "no Tensors": (lambda: SGD([{"params": [1.0]}]), TypeError, "SGD, group 0: parameter 0 is not a Tensor but float"),
    "groups and Tensors": (lambda: SGD([{"params": [A]}, B]), TypeError, "has groups .*, but entry 1 is Tensor"),  # type: ignore[list-item]
    "Tensors and groups": (lambda: SGD([B, {"params": [A]}]), TypeError, "has groups .*, but entry 0 is Tensor"),  # type: ignore[list-item]
    "groups in groups": (lambda: SGD([{"params": [{"params": [A]}]}]), TypeError, "group 0: parameter 0 is not a"),
    "one dict": (lambda: SGD({"params": [A]}), TypeError, "SGD: params is one dict; put groups in a list"),  # type: ignore[arg-type]
    "a rate below 0": (lambda: Adam([{"params": [A], "lr": -1}]), ValueError, r"Adam, group 0: lr must be in \[0"),
    "a bad setting": (lambda: Adam([{"params": [A], "betas": 0.9}]), TypeError, "Adam, group 0: betas must be a pair"),
    "nesterov": (lambda: SGD([{"params": [A], "nesterov": True}]), ValueError, "SGD, group 0: nesterov needs"),
    "no ratio": (lambda: SGD([{"params": [A], "lr": 0.1}], lr=0), ValueError, "SGD, group 0: lr is 0.1 where that of"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_groups(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
