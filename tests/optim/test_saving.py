"""Optimizers: what is saved resumes bit for bit, and every fault is named.

Read next: ``test_optim.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optim.test_optim import both_layouts, cases, descend, make, parameters

from minigen import nn, optim
from minigen.autograd import Tensor
from minigen.optim import multi_tensor
from minigen_kernels import Array

# Saving.


@cases
@pytest.mark.parametrize("arrangement", ["each by itself", "together"])
@settings(max_examples=5)
@given(cut=st.integers(0, 12), seed=st.integers(0, 100), dtype=st.sampled_from([np.float32, np.float64]))
def test_resuming_gives_the_same_bits(
    arrangement: str, kind: str, options: dict[str, Any], cut: int, seed: int, dtype: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multi_tensor, "updates_together", lambda device: arrangement == "together")
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
