"""Moving averages and running sums: every room of the CPU against the formulas, one number at a time.

Read next: ``cuda/test_host_running.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
SHAPES = [(3, 5), (), (2, 0), (7,)]


def arrays(seed: int, dtype) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(count=st.integers(1, 10**5), decay=st.sampled_from([0.1, 0.99, 0.9999]), copied=st.integers(0, 4))
def test_an_average(room, dtype, count, decay, copied):
    mine, new = arrays(0, dtype), arrays(1, dtype)
    before, same = [a.copy() for a in mine], [v.copy() for v in new]
    room.average_update(mine, new, np.array(count, np.float32), decay, copied)
    rest = np.float32(1) - min(np.float32(decay), np.float32(1 + count) / np.float32(10 + count))
    for k, (a, old, v) in enumerate(zip(mine, before, new)):
        wanted = old + (v - old) * dtype(rest) if k < len(mine) - copied else v
        np.testing.assert_array_equal(a, wanted)
        assert a.dtype == dtype and np.array_equal(v, same[k])


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(weight=st.integers(1, 1000))
def test_a_sum(room, dtype, weight):
    totals, terms = arrays(0, np.float64), arrays(1, dtype)
    before = [a.copy() for a in totals]
    room.total_update(totals, terms, weight)
    for t, old, x in zip(totals, before, terms):
        assert t.shape == old.shape
        assert [float(n) for n in t.flat] == [float(o) + float(v) * weight for o, v in zip(old.flat, x.flat)]


@pytest.mark.parametrize("room", ROOMS)
def test_one_array_is_a_list_of_one(room):
    (one,), (many,) = [np.ones(3)], [np.ones(3)]
    room.total_update(one, np.full(3, 0.1), 2)
    room.total_update([many], [np.full(3, 0.1)], 2)
    np.testing.assert_array_equal(one, many)
    assert one[0] == 1.2


@pytest.mark.parametrize("room", ROOMS)
def test_errors(room):
    with pytest.raises(ValueError, match=r"average_update: shapes \[\(3,\)\] are kept, but \[\(1,\)\] are new"):
        room.average_update(np.ones(3), np.ones(1), np.array(1, np.float32), 0.9, 0)
    with pytest.raises(ValueError, match=r"total_update: shapes \[\(\)\] are kept, but \[\(\), \(\)\] are new"):
        room.total_update([np.ones(())], [np.ones(())] * 2, 1)
