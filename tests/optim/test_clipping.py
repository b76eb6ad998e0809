"""Clipping of gradients, and schedules of the learning rate.

Read next: ``test_optim.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optim.test_optim import SHAPES, parameters

from minigen import optim
from minigen.autograd import Tensor

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
