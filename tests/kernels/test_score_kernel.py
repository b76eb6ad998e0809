"""Kernels of scores and of their gradients, in the rooms of the CPU: against the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

SCORES = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40)


def check(run, dtype, real, fake, threshold, logits) -> None:
    got = run(np.array(real, dtype), np.array(fake, dtype), threshold, logits)
    p = [[1 / (1 + math.exp(-v)) if logits else v for v in values] for values in (real, fake)]
    means = [sum(values) / len(values) for values in p]
    right = sum(v > threshold for v in real) / len(real), sum(v <= threshold for v in fake) / len(fake)
    wanted = [*means, means[0] - means[1], sum(right) / 2]
    assert got.shape == (4,) and got.dtype == dtype
    # A few roundings of numbers of at most 30, and a sum of 40 in the dtype of the room.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=40 * 30 * np.finfo(dtype).eps)


@pytest.mark.parametrize("room", [reference, cpu])
@given(real=SCORES, fake=SCORES, dtype=st.sampled_from([np.float32, np.float64]), logits=st.booleans())
def test_score_statistics(room, real, fake, dtype, logits):
    check(room.score_statistics, dtype, real, fake, 0.0, logits)
    check(room.score_statistics, dtype, real, fake, 0.5, logits)


def check_mean_difference(run, dtype, a, b) -> None:
    """`run` takes the name of a kernel and its arguments."""
    got = run("mean_difference", np.array(a, dtype), np.array(b, dtype))
    assert got.shape == () and got.dtype == dtype
    wanted = sum(a) / len(a) - sum(b) / len(b)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=40 * 30 * np.finfo(dtype).eps)  # as above
    ga, gb = run("mean_difference_backward", np.array(3, dtype), len(a), len(b))
    assert ga.shape == (len(a),) and gb.shape == (len(b),) and ga.dtype == gb.dtype == dtype
    np.testing.assert_allclose(ga, 3 / len(a), rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(gb, -3 / len(b), rtol=2 * np.finfo(dtype).eps)


def check_unit_norm_penalty(run, dtype, shape, seed) -> None:
    """Against the formulas in extended precision. A few roundings, some of a difference of numbers near the norm."""
    g = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    value, norms = run("unit_norm_penalty", g)
    flat = g.reshape(shape[0], -1).astype(np.longdouble)
    exact = np.sqrt((flat**2).sum(1) + 1e-12)
    eps, largest = np.finfo(dtype).eps, float(exact.max()) + 1
    assert value.shape == () and norms.shape == shape[:1] and value.dtype == norms.dtype == dtype
    np.testing.assert_allclose(norms, exact.astype(float), rtol=4 * eps)
    np.testing.assert_allclose(value, float(((exact - 1) ** 2).mean()), rtol=0, atol=20 * eps * largest**2)
    got = run("unit_norm_penalty_backward", np.array(0.5, dtype), g, norms)
    wanted = (0.5 * 2 / shape[0] * (exact - 1) / exact)[:, None] * flat
    assert got.shape == shape and got.dtype == dtype
    close = 20 * eps * largest * float(np.abs(flat / exact[:, None]).max())
    np.testing.assert_allclose(got.reshape(flat.shape), wanted.astype(float), rtol=0, atol=close)


#: Of gradients; the last has no axis but the samples'.
SHAPES = st.sampled_from([(1, 1), (3, 2, 3), (2, 1, 20, 17), (5,), (70, 3)])
ROOMS = pytest.mark.parametrize("room", [reference, cpu])


@ROOMS
@given(a=SCORES, b=SCORES, dtype=st.sampled_from([np.float32, np.float64]))
def test_mean_difference(room, a, b, dtype):
    check_mean_difference(lambda name, *arguments: getattr(room, name)(*arguments), dtype, a, b)


@ROOMS
@given(shape=SHAPES, seed=st.integers(0, 99), dtype=st.sampled_from([np.float32, np.float64]))
def test_unit_norm_penalty(room, shape, seed, dtype):
    check_unit_norm_penalty(lambda name, *arguments: getattr(room, name)(*arguments), dtype, shape, seed)


@ROOMS
def test_samples_of_another_kind_are_refused(room):
    with pytest.raises(ValueError, match="unit_norm_penalty: expected g"):
        room.unit_norm_penalty(np.ones((0, 3)))
    with pytest.raises(ValueError, match="unit_norm_penalty_backward: norms has"):
        room.unit_norm_penalty_backward(np.ones(()), np.ones((2, 3)), np.ones(3))


@pytest.mark.parametrize("room", [reference, cpu])
def test_scores_of_another_kind_are_refused(room):
    three = np.ones(3)
    for real, fake in ((three[:0], three), (three[None], three), (three, three.astype(np.float32))):
        with pytest.raises(ValueError, match="score_statistics: expected vectors"):
            room.score_statistics(real, fake, 0.0, True)
