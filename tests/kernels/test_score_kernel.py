"""Statistics of scores, in every room: against the formulas, number by number."""

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


@pytest.mark.parametrize("room", [reference, cpu])
def test_scores_of_another_kind_are_refused(room):
    three = np.ones(3)
    for real, fake in ((three[:0], three), (three[None], three), (three, three.astype(np.float32))):
        with pytest.raises(ValueError, match="score_statistics: expected scores real"):
            room.score_statistics(real, fake, 0.0, True)
