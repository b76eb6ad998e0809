"""Sums over ranks that are threads: the order of the replicas, whatever their number a rank.

Read next: ``test_same_bits.py``.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import distributed
from minigen.autograd import Tensor
from minigen.distributed import Alone, Local, ReplicasDiffer, Team, local
from minigen.distributed.communicator import SMALL, RankEnded, agreed, mean, pack, total, unpack

SHARED = [(1, 1), (2, 1), (3, 1), (4, 1), (4, 2), (6, 2), (6, 3), (3, 3), (4, 4)]  # replicas, ranks


def on_ranks(replicas, ranks, function):
    """`function(replica)` for every replica; the results in their order."""

    def rank(world):
        team = Team(world, replicas)
        return team.run([lambda r=r: function(r) for r in team.replicas])

    return [found for part in Local.run(ranks, rank) for found in part]


def vector(number, size, dtype=np.float32):
    """Numbers of very different sizes, so that the order of a sum decides its bits."""
    rng = np.random.default_rng(number)
    return (rng.normal(size=size) * 10.0 ** rng.integers(-6, 6, size)).astype(dtype)


@given(
    size=st.integers(1, 70) | st.integers(SMALL // 4 - 3, SMALL // 4 + 70),
    shared=st.sampled_from(SHARED),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_sum_has_the_bits_of_the_sum_in_the_order_of_the_replicas(size, shared, dtype):
    replicas, ranks = shared
    vectors = [vector(r, size, dtype) for r in range(replicas)]
    wanted = vectors[0].copy()
    for v in vectors[1:]:
        wanted = wanted + v
    found = on_ranks(replicas, ranks, lambda replica: replica.total([vectors[replica.number]])[0])
    means = on_ranks(replicas, ranks, lambda replica: replica.mean([vectors[replica.number]])[0])
    assert all(a.tobytes() == wanted.tobytes() for a in found)
    assert all(a.tobytes() == (wanted / dtype(replicas)).tobytes() for a in means)


def test_the_order_of_a_sum_shows_in_its_bits():
    """Without this the test above could not fail."""
    a, b, c = (vector(r, 1000) for r in range(3))
    assert ((a + b) + c).tobytes() != ((a + c) + b).tobytes()


@pytest.mark.parametrize("layout", ["C", "F", "reversed", "transposed"])
def test_a_buffer_has_one_layout_whatever_that_of_the_arrays(layout):
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    laid = {"C": a, "F": np.asfortranarray(a), "reversed": a[::-1, ::-1][::-1, ::-1], "transposed": a.T.copy().T}[
        layout
    ]
    found = on_ranks(2, 2, lambda replica: replica.total([laid if replica.number else a])[0])
    assert all(np.array_equal(x, 2 * a) for x in found)


def test_arrays_of_several_dtypes_and_shapes_come_back_each_in_its_own():
    arrays = [np.ones((2, 3), np.float32), np.full((), 5, np.float64), np.zeros((0, 4), np.float32), np.ones(3, "i4")]
    for found in on_ranks(6, 3, lambda replica: replica.total(arrays)):
        assert [(a.shape, a.dtype) for a in found] == [(a.shape, a.dtype) for a in arrays]
        assert all(np.array_equal(a, 6 * b) for a, b in zip(found, arrays))


def test_what_all_have_alike_stays_as_it_is():
    """Three times a number by three is another number for some: a constant buffer would wander."""
    x = vector(0, 10_000)
    assert ((x + x + x) / np.float32(3) != x).any()
    assert agreed([x, x, x]).tobytes() == x.tobytes()
    nan = np.array([np.nan, 1, np.inf, 1], np.float32)
    other = np.array([np.nan, 1, np.inf, 3], np.float32)
    assert np.array_equal(agreed([nan, other]), [np.nan, 1, np.inf, 2], equal_nan=True)
    assert np.isnan(agreed([nan, np.zeros(4, np.float32)])[0])
    assert np.array_equal(agreed([np.array([3, 4]), np.array([3, 9])]), [3, 4])


def test_the_result_is_the_callers_own():
    def step(replica):
        (found,) = replica.mean([np.ones(5, np.float32)])
        found *= replica.number + 2
        return replica.mean([found])[0]

    assert all(np.array_equal(x, np.full(5, 3.5)) for x in on_ranks(4, 2, step))


def test_packing_is_undone():
    arrays = [np.arange(4.0).reshape(2, 2).T, np.float64(7).reshape(()), np.arange(3.0)]
    pack(arrays, vector := np.empty(8))
    assert all(np.array_equal(a, b) for a, b in zip(unpack(vector, arrays), arrays))
    assert np.array_equal(total([arrays[2]]), mean([arrays[2]]))


def test_a_replica_that_fails_ends_the_others_of_its_rank_and_all_ranks():
    def step(replica):
        replica.total([np.ones(3)])
        if replica.number == 2:
            raise ZeroDivisionError("two")
        return replica.total([np.ones(3)])

    with pytest.raises(ZeroDivisionError, match="two"):
        on_ranks(4, 2, step)
    with pytest.raises(ZeroDivisionError, match="two"):
        on_ranks(4, 1, step)


@pytest.mark.parametrize("who", [0, 1, 2])
def test_replicas_that_ask_for_different_sums_are_an_error_and_no_deadlock(who):
    def more(replica):
        if replica.number == who:
            replica.total([np.ones(3)])

    def other(replica):
        replica.total([np.ones(4 if replica.number == who else 3)])

    for step in (more, other):
        with pytest.raises(ReplicasDiffer):
            on_ranks(3, 1, step)


@pytest.mark.parametrize("who", [0, 1, 2])
def test_a_rank_that_has_ended_is_not_waited_for(who):
    def rank(world):
        world.gather(0)
        if world.rank != who:
            world.gather(1)

    with pytest.raises(RankEnded, match=f"rank {who} has ended, and rank [012] waits for it"):
        Local.run(3, rank)


@pytest.mark.parametrize(("count", "ranks"), [(3, 2), (1, 2), (0, 1)])
def test_replicas_that_the_ranks_cannot_share(count, ranks):
    with pytest.raises(ValueError, match=f"{count} replicas cannot be shared by {ranks} ranks"):
        Local.run(ranks, lambda world: Team(world, count))


def test_average_gradients_of_a_library_loop():
    def rank(world):
        a, b, c = (Tensor(np.zeros(3, np.float32), requires_grad=True) for _ in range(3))
        a.grad = Tensor(np.full(3, world.rank + 1, np.float32))
        if world.rank == 1:
            b.grad = Tensor(np.full(3, 6, np.float32))
        distributed.average_gradients([a, b, c], communicator=world)
        return [None if p.grad is None else p.grad.numpy() for p in (a, b, c)]

    for a, b, c in Local.run(3, rank):
        assert np.array_equal(a, [2, 2, 2]) and np.array_equal(b, [2, 2, 2]) and c is None


def test_a_missing_gradient_is_zeros_whatever_the_parameter_holds():
    def rank(world):
        p = Tensor(np.array([np.inf, np.nan], np.float32), requires_grad=True)
        if world.rank:
            p.grad = Tensor(np.asfortranarray([2, 4]).astype(np.float32))
        distributed.average_gradients([p], communicator=world)
        return p.grad.numpy().tolist()

    assert Local.run(2, rank) == [[1, 2]] * 2


@pytest.mark.parametrize(
    ("shapes", "dtypes", "said"),
    [
        ([[2], [2, 3]], ["f4", "f4"], "average_gradients: [12] parameters on rank [01], and [12] on rank [01]"),
        ([[], [2]], ["f4", "f4"], "average_gradients: [01] parameters on rank [01], and [01] on rank [01]"),
        ([[4], [5]], ["f4", "f4"], r"the gradient of parameter 0 is \([45],\) of float32 on rank"),
        ([[4], [4]], ["f4", "f8"], r"the gradient of parameter 0 is \(4,\) of float(32|64) on rank"),
    ],
)
def test_gradients_of_other_parameters_are_an_error_on_all_ranks(shapes, dtypes, said):
    def rank(world):
        params = [Tensor(np.zeros(n, dtypes[world.rank]), requires_grad=True) for n in shapes[world.rank]]
        for p in params:
            p.grad = Tensor(np.ones(p.shape, p.dtype))
        with pytest.raises(ValueError, match=said):
            distributed.average_gradients(params, communicator=world)
        return True

    assert Local.run(2, rank) == [True, True]


def test_alone_nothing_is_sent_and_nothing_changes():
    p = Tensor(np.zeros(2, np.float32), requires_grad=True)
    p.grad = gradient = Tensor(np.ones(2, np.float32))
    distributed.average_gradients([p], communicator=Alone())
    assert p.grad is gradient
    assert distributed.init().size == 1 and (distributed.rank, distributed.size) == (0, 1)
    with pytest.raises(TypeError, match="average_gradients: params are Tensors"):
        distributed.average_gradients([np.ones(2)])
    with pytest.raises(AttributeError, match="no attribute 'ranks'"):
        distributed.ranks  # noqa: B018


@pytest.mark.parametrize(("numbers", "exchanges"), [(1000, 1), (1_000_000, 2)])
def test_what_a_sum_costs_is_what_the_page_says(numbers, exchanges, monkeypatch):
    """docs/distributed.md: the time that a slow network takes of each rank; a busy machine may add to it."""
    ranks, latency, bandwidth, slept, sleep = 4, 0.05, 50e6, [], time.sleep
    monkeypatch.setattr(local.time, "sleep", lambda seconds: (slept.append(seconds), sleep(seconds)))

    def rank(world):
        replica = Team(world, ranks).replicas[0]
        replica.mean([np.ones(numbers, np.float32)])
        return world.seconds, world.bytes

    piece = numbers / ranks
    sent = 4 * (ranks - 1) * (numbers if exchanges == 1 else 2 * piece)
    for seconds, told in Local.run(ranks, rank, latency=latency, bandwidth=bandwidth):
        assert told == sent
        model = exchanges * latency + sent / bandwidth
        assert seconds >= model
    assert len(slept) == ranks * exchanges and np.isclose(sum(slept), ranks * model)
