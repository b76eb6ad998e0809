"""Batches: every image once an epoch, an order that depends on (seed, epoch) alone, and exact resume."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import Batches, Dataset


def numbered(n, labels=True):
    """A data set whose image k holds the number k, so that a batch shows what it is made of."""
    x = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8)
    return Dataset("numbered", "train", x, np.arange(n) % 3 if labels else None)


@given(n=st.integers(1, 60), batch_size=st.integers(1, 70), shuffle=st.booleans(), drop_last=st.booleans())
def test_one_epoch(n, batch_size, shuffle, drop_last):
    data = numbered(n)
    if drop_last and batch_size > n:
        with pytest.raises(ValueError, match="larger than the data set"):
            Batches(data, batch_size, shuffle=shuffle, drop_last=drop_last)
        return
    batches = Batches(data, batch_size, seed=1, shuffle=shuffle, drop_last=drop_last)
    got = list(batches)
    assert len(got) == len(batches) == (n // batch_size if drop_last else -(-n // batch_size))
    index = np.concatenate([b.index for b in got])
    assert len(set(index)) == len(index) == (n - n % batch_size if drop_last else n)
    assert shuffle or np.array_equal(index, np.arange(len(index)))
    for b in got:
        assert b.x.dtype == np.float32 and b.x.shape == (len(b), 1, 2, 2)
        assert np.array_equal(b.x[:, 0, 0, 0], b.index.astype(np.float32) / np.float32(255))
        assert np.array_equal(b.labels, b.index % 3)


def indices(batches):
    return [b.index.tolist() for b in batches]


@given(
    n=st.integers(2, 40),
    batch_size=st.integers(1, 12),
    drop_last=st.booleans(),
    stop=st.integers(0, 30),
    data=st.data(),
)
def test_resume_anywhere(n, batch_size, drop_last, stop, data):
    """Stop after any number of batches; a new object with the state gives exactly what was to come."""
    batch_size = min(n, batch_size)
    make = dict(seed=data.draw(st.integers(0, 2**64 - 1)), drop_last=drop_last)
    whole = Batches(numbered(n), batch_size, **make)
    epochs = stop // len(whole) + 2
    expected = [index for _ in range(epochs) for index in indices(whole)]

    interrupted = Batches(numbered(n), batch_size, **make)
    seen = []
    while len(seen) < stop:
        for b in interrupted:
            seen.append(b.index.tolist())
            if len(seen) == stop:
                break
    state = json.loads(json.dumps(interrupted.state))
    resumed = Batches(numbered(n), batch_size, **make)
    resumed.state = state
    while resumed.epoch < epochs:
        seen += indices(resumed)
    assert seen == expected


def test_order_depends_on_seed_and_epoch_alone():
    a, b = Batches(numbered(50), 10, seed=5), Batches(numbered(50), 10, seed=5)
    first, second = indices(a), indices(a)
    assert first != second
    b.state = {**b.state, "epoch": 1}
    assert indices(b) == second
    assert indices(Batches(numbered(50), 10, seed=6)) != first


def test_a_broken_off_loop_goes_on_and_the_state_names_the_next_batch():
    batches = Batches(numbered(10), 5, seed=0)
    expected = indices(Batches(numbered(10), 5, seed=0))
    assert next(iter(batches)).index.tolist() == expected[0]
    assert (batches.state["epoch"], batches.state["position"]) == (0, 1)
    for b in batches:
        assert b.index.tolist() == expected[1]
        assert (batches.epoch, batches.state["position"]) == (1, 0)  # already while the last one is at work


def test_defaults_without_labels():
    data = numbered(10, labels=False)
    train, evaluate = Batches(data, 4), Batches(data, 4, shuffle=False)
    assert train.drop_last and not evaluate.drop_last
    assert [len(b) for b in evaluate] == [4, 4, 2]
    assert next(iter(train)).labels is None


@pytest.mark.parametrize("size", [0, -1])
def test_batch_size_below_one(size):
    with pytest.raises(ValueError, match=f"at least 1, got {size}"):
        Batches(numbered(3), size)


@pytest.mark.parametrize("size", [2.0, "2", True, None])
def test_batch_size_of_another_type(size):
    with pytest.raises(TypeError, match="whole number"):
        Batches(numbered(3), size)


def test_a_state_that_does_not_fit_changes_nothing():
    batches = Batches(numbered(10), 5, seed=3)
    next(iter(batches))
    before = batches.state
    wrong = {
        "seed": {"seed": 4},
        "images": {"images": 11},
        "batch_size": {"batch_size": 2},
        "shuffle": {"shuffle": False},
        "drop_last": {"drop_last": False},
        "position": {"position": 2},
        "position -1": {"position": -1},
        "position 0.5": {"position": 0.5},
        "epoch -1": {"epoch": -1},
    }
    for name, change in wrong.items():
        with pytest.raises(ValueError, match=name.split()[0]):
            batches.state = {**before, **change}
        assert batches.state == before
    with pytest.raises(ValueError, match="lacks epoch"):
        batches.state = {k: v for k, v in before.items() if k != "epoch"}
