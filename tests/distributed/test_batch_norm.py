"""Batch norm over all replicas: the numbers of the whole batch, and gradients of both orders, on two ranks.

Read next: ``tests/nn/test_layers.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Function, Tensor, grad
from minigen.distributed import Local, Team
from minigen.distributed.operation import TotalOverReplicas, total_over_replicas
from minigen.gradcheck import gradcheck


class Shared(Function):
    """What all replicas have alike, as parameters are: its gradient is the mean of theirs."""

    def forward(self, x):
        return x

    def backward(self, gy, y):
        return total_over_replicas(gy, self.replica) / self.replica.count


def norm_of_parts(channels, replica):
    norm = nn.BatchNorm(channels)
    norm.across = lambda: ((lambda x: total_over_replicas(x, replica)), replica.count)
    return norm


def whole_batch(x, w, b, replica, norm):
    """Batch norm of a whole batch, of which this replica computes a part; the result is whole again, and everywhere."""
    x, w, b = (Shared.apply(t, replica=replica) for t in (x, w, b))
    size = x.shape[0] // replica.count
    part = slice(replica.number * size, (replica.number + 1) * size)
    vars(norm).update(weight=w, bias=b)
    y = norm(x[part])
    zeros = [
        Tensor(np.zeros((k * size, *x.shape[1:]), x.dtype))
        for k in (replica.number, replica.count - replica.number - 1)
    ]
    return total_over_replicas(ops.concat([zeros[0], y, zeros[1]]), replica)


@pytest.mark.parametrize("shape", [(6, 2), (4, 2, 2, 1)])
@pytest.mark.parametrize("ranks", [1, 2])
def test_gradients_of_both_orders_on_two_ranks(shape, ranks):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=shape), rng.normal(size=2), rng.normal(size=2)

    def check(replica):
        norm = norm_of_parts(2, replica)
        return gradcheck(lambda x, w, b: whole_batch(x, w, b, replica, norm), x, w, b, order=2)

    def rank(world):
        team = Team(world, 2)
        return team.run([lambda r=r: check(r) for r in team.replicas])

    for reports in Local.run(ranks, rank):
        assert all(report.ok for report in reports)


def test_a_sum_whose_gradient_stays_at_home_is_found(monkeypatch):
    """Without this the tests here could not fail."""
    monkeypatch.setattr(TotalOverReplicas, "backward", lambda self, gy, y: gy)
    with pytest.raises(AssertionError):
        test_numbers_are_those_of_one_process((12, 3))


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_wrong_collective_is_found_and_ends_all(ranks, monkeypatch):
    """The evidence of a failure calls the function, too: no replica may hold a lock that another one wants."""
    monkeypatch.setattr(TotalOverReplicas, "backward", lambda self, gy, y: gy)
    x = np.random.default_rng(2).normal(size=(2, 5))

    def rank(world):
        replicas = Team(world, 2).replicas
        check = [lambda r=r: gradcheck(lambda t: total_over_replicas(t * t, r), x[r.number]) for r in replicas]
        return replicas[0]._team.run(check)

    with pytest.raises(mg.GradientMismatch):
        Local.run(ranks, rank)


@pytest.mark.parametrize("shape", [(12, 3), (12, 3, 4, 4)])
def test_numbers_are_those_of_one_process(shape):
    rng = np.random.default_rng(1)
    x, gy = rng.normal(2, 3, shape), rng.normal(size=shape)
    norm = nn.BatchNorm(3).to(dtype="float64")
    whole = Tensor(x, requires_grad=True)
    y = norm(whole, ops.relu)
    gx, gw, gb = grad(y, [whole, norm.weight, norm.bias], Tensor(gy))

    def rank(world):
        (replica,) = Team(world, 3).replicas
        norm = norm_of_parts(3, replica).to(dtype="float64")
        part = slice(4 * world.rank, 4 * world.rank + 4)
        mine = Tensor(x[part], requires_grad=True)
        y = norm(mine, ops.relu)
        found = [g.numpy() for g in grad(y, [mine, norm.weight, norm.bias], Tensor(gy[part]))]
        return y.numpy(), *found, norm.running_mean.numpy(), norm.running_var.numpy()

    parts = Local.run(3, rank)
    ys, gxs, gws, gbs, means, variances = zip(*parts)
    assert np.allclose(np.concatenate(ys), y.numpy(), rtol=1e-12, atol=1e-12)
    assert np.allclose(np.concatenate(gxs), gx.numpy(), rtol=1e-10, atol=1e-12)
    assert np.allclose(sum(gws), gw.numpy(), rtol=1e-12) and np.allclose(sum(gbs), gb.numpy(), rtol=1e-12)
    assert all(np.allclose(m, norm.running_mean.numpy(), rtol=1e-12) for m in means)
    assert all(np.allclose(v, norm.running_var.numpy(), rtol=1e-12) for v in variances)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_model_without_batch_norm_has_no_statistics_to_share(replicas):
    images = np.arange(24 * 64, dtype=np.uint8).reshape(24, 1, 8, 8)
    with pytest.raises(mg.ConfigError, match="--batch-norm global: the model has no batch norm; leave it out"):
        mg.train("ae", images, replicas=replicas, batch_norm="global", batch_size=4, max_steps=1, progress=False)
