"""Several parameters in one call of the kernel, and the same numbers as one by one, whatever happens.

On a GPU this is how every optimizer works; here the CPU's kernels are used in the same way.

Read next: ``minigen/optim/multi_tensor.py``.
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
from minigen.autograd import Tensor
from minigen.optim import multi_tensor
from minigen_kernels import Array, Arrays, for_device

SHAPES = ((4, 3), (4,), (), (2, 0), (5,))
KINDS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda ps: optim.SGD(ps, 0.1, momentum=0.5, weight_decay=0.1),
    "RMSprop": lambda ps: optim.RMSprop(ps, 0.1, momentum=0.5),
    "Adam": lambda ps: optim.Adam(ps, 0.1),
    "AdamW": lambda ps: optim.AdamW(ps, 0.1),
}


def parameters(dtype: Any = np.float64) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [Tensor(np.asarray(rng.normal(size=shape), dtype), requires_grad=True) for shape in SHAPES]


def give_gradients(opt: optim.Optimizer, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for p in opt.params:
        p.grad = Tensor(np.asarray(rng.normal(size=p.shape), p.dtype))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Parameters are updated together; the list gets the numbers of elements in each call of Adam's kernel."""
    monkeypatch.setattr(multi_tensor, "updates_together", lambda device: True)
    room, sizes = for_device("cpu"), []
    update = room.adam_update

    def counted(p: Arrays, *rest: Any) -> None:
        sizes.append([a.size for a in p] if isinstance(p, list) else [p.size])
        update(p, *rest)

    monkeypatch.setattr(room, "adam_update", counted)
    return sizes


def test_one_call_for_all_parameters(calls: list[list[int]]) -> None:
    opt = optim.Adam(parameters())
    give_gradients(opt)
    opt.step()
    assert calls == [[12, 4, 1, 0, 5]]


def test_what_was_left_out_needs_a_call_of_its_own_from_then_on(calls: list[list[int]]) -> None:
    opt = optim.Adam(parameters())
    give_gradients(opt)
    opt.params[1].grad = None
    before = opt.params[1].data.copy()
    opt.step()
    assert calls == [[12, 1, 0, 5]] and np.array_equal(opt.params[1].data, before)
    calls.clear()
    opt.params[1].grad = Tensor(np.ones(4))
    opt.step()  # parameter 1 is at its first step, the others at their second: two calls
    assert calls == [[12, 1, 0, 5], [4]]
    assert [int(opt.state_dict()[f"{i}.step"]) for i in range(5)] == [2, 1, 2, 2, 2]


def test_a_call_for_each_dtype(calls: list[list[int]]) -> None:
    opt = optim.Adam([p for pair in zip(parameters(), parameters(np.float32)) for p in pair])
    give_gradients(opt)
    opt.step()
    assert calls == [[12, 4, 1, 0, 5]] * 2
    assert [p.dtype for p in opt.params] == [np.float64, np.float32] * 5


def test_the_arrays_stay_where_they_are(calls: list[list[int]]) -> None:
    opt = optim.Adam(parameters())
    arrays = [p.data for p in opt.params]
    give_gradients(opt)
    opt.step()
    assert all(p.data is a for p, a in zip(opt.params, arrays))


# What may happen between two steps. Each takes the optimizer, another one over the same parameters, and a number.


def step(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    give_gradients(opt, n)
    for i, p in enumerate(opt.params):
        if n >> i & 1:
            p.grad = None
    opt.step()


def step_other(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    give_gradients(other, n)
    other.step()


def freeze_or_thaw(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    p = opt.params[n % len(SHAPES)]
    p.requires_grad = not p.requires_grad


def assign(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    p = opt.params[n % len(SHAPES)]
    p.data = np.asarray(np.random.default_rng(n).normal(size=p.shape))


def change_in_place(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    opt.params[n % len(SHAPES)].data[...] = n


def swap(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    """The two vectors: each gets the other's array, in part."""
    a, b = opt.params[1], opt.params[4]
    a.data, b.data = b.data[:4], np.concatenate([a.data, b.data[4:]])


def load(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    state = opt.state_dict()
    opt.load_state_dict({name: array if name == "lr" else array + n % 3 for name, array in state.items()})


def forget(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    opt.states = [opt.init_state(p.data) for p in opt.params]


def remember(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    """Memories are put aside, a step is made with new ones, and they come back: what a dry run does."""
    kept = opt.states
    forget(opt, other, n)
    step(opt, other, n)
    opt.states = kept


def put_back(opt: optim.Optimizer, other: optim.Optimizer, n: int) -> None:
    """Other values for a step, as when averaged weights are tried, and then those from before, which it left alone."""
    p = opt.params[n % len(SHAPES)]
    kept = p.data
    assign(opt, other, n)
    step(opt, other, n)
    p.data = kept


EVENTS = [step, step_other, freeze_or_thaw, assign, change_in_place, swap, load, forget, remember, put_back]


def run(kind: str, events: list[tuple[Callable[..., None], int]], pays: bool) -> list[Array]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_tensor, "updates_together", lambda device: pays)
        params = parameters()
        opt, other = KINDS[kind](params), KINDS[kind](params[1:])
        for event, n in events:
            event(opt, other, n)
        step(opt, other, 0)
        return [p.data for p in params] + list(opt.state_dict().values()) + list(other.state_dict().values())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 31)), max_size=8))
def test_the_numbers_are_those_of_one_by_one(kind: str, events: list[tuple[Callable[..., None], int]]) -> None:
    for a, b in zip(run(kind, events, False), run(kind, events, True), strict=True):
        np.testing.assert_array_equal(b, a)


@pytest.mark.usefixtures("calls")
def test_a_copy_of_the_optimizer_goes_its_own_way() -> None:
    opt = optim.Adam(parameters())
    give_gradients(opt)
    opt.step()
    twin = copy.deepcopy(opt)
    before = [p.data.copy() for p in opt.params]
    for one in (twin, opt):
        give_gradients(one, 1)
        one.step()
        assert not np.array_equal(one.params[0].data, before[0])
    for p, q in zip(opt.params, twin.params):
        np.testing.assert_array_equal(p.data, q.data)
    for name, array in opt.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("wrong", [np.ones(3), np.ones(5, np.float32)])
def test_a_gradient_that_does_not_fit_is_named(wrong: Array) -> None:
    opt = optim.Adam(parameters())
    give_gradients(opt)
    opt.params[4].grad = Tensor(wrong)
    with pytest.raises(ValueError, match=rf"Adam.step: parameter 4: adam_update: g has shape \({wrong.size},\)"):
        opt.step()


@pytest.mark.usefixtures("calls")
def test_a_module_keeps_its_checkpoints() -> None:
    """`load_state_dict` of the module puts new arrays, which are taken over."""
    module = nn.Sequential(nn.Dense(3, 4), nn.Dense(4, 2))
    opt = optim.Adam(module.parameters())
    saved = module.state_dict()
    give_gradients(opt)
    opt.step()
    assert not np.array_equal(module[0].weight.data, saved["0.weight"])
    module.load_state_dict(saved)
    give_gradients(opt)
    for p in opt.params:
        p.grad = Tensor(np.zeros(p.shape, p.dtype))
    opt.lr = 0
    opt.step()
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, saved[name])


class Normed(optim.Optimizer):
    """An optimizer of a user's, which takes no lists."""

    def init_state(self, p: Array) -> multi_tensor.State:
        return {}

    def update(self, p: Array, g: Array, state: multi_tensor.State) -> None:
        p -= self.lr * g / np.sqrt((g * g).sum())


@pytest.mark.usefixtures("calls")
def test_an_optimizer_that_takes_no_lists_gets_one_parameter_at_a_time() -> None:
    opt = Normed([Tensor(np.zeros((2, 2)), requires_grad=True), Tensor(np.zeros(4), requires_grad=True)], 1.0)
    for p in opt.params:
        p.grad = Tensor(np.full(p.shape, 7.0))
    opt.step()
    assert all(np.array_equal(p.data, np.full(p.shape, -0.5)) for p in opt.params)
