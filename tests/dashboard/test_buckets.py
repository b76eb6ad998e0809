"""Short series that stand for long ones: held to a plain loop, and nothing of the curve is hidden.

Read next: ``test_table.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.dashboard.buckets import buckets

values = st.floats(-1e30, 1e30) | st.sampled_from([math.nan, math.inf, -math.inf])
series = st.lists(st.tuples(st.integers(1, 9), values), max_size=60)


def columns(rows: list[tuple[int, float]]) -> tuple[Any, Any, Any]:
    step = np.cumsum([gap for gap, _ in rows]) if rows else np.empty(0, np.int64)
    return step, step * 0.5, np.array([value for _, value in rows], np.float64)


@given(series, st.integers(1, 70))
def test_every_row_is_in_one_bucket_which_says_what_is_in_it(rows: list[tuple[int, float]], most: int) -> None:
    step, seconds, value = columns(rows)
    found = buckets(step, seconds, value, most)
    count = len(found["count"])
    assert count <= most and all(len(x) == count for x in found.values())
    start = 0
    for b in range(count):
        stop = start + int(found["count"][b])
        inside = value[start:stop].tolist()
        finite = [x for x in inside if math.isfinite(x)]
        assert found["first"][b] == step[start] and found["last"][b] == step[stop - 1]
        assert found["seconds"][b] == seconds[stop - 1]
        assert found["nan"][b] == sum(map(math.isnan, inside))
        assert (found["above"][b], found["below"][b]) == (inside.count(math.inf), inside.count(-math.inf))
        if finite:
            assert (found["low"][b], found["high"][b]) == (min(finite), max(finite))
            scale = max(map(abs, finite))  # of which the sum's rounding errors are parts
            assert abs(found["mean"][b] - math.fsum(finite) / len(finite)) <= 1e-13 * scale
        else:
            assert all(math.isnan(found[name][b]) for name in ("low", "high", "mean"))
        start = stop
    assert start == len(rows)


@given(series)
def test_a_short_series_is_left_as_it_is(rows: list[tuple[int, float]]) -> None:
    step, seconds, value = columns(rows)
    found = buckets(step, seconds, value, max(1, len(rows)))
    np.testing.assert_array_equal(found["mean"], np.where(np.isfinite(value), value, np.nan))
    np.testing.assert_array_equal(found["last"], step)


@given(series, st.integers(0, 300), st.integers(0, 300), st.integers(1, 70))
def test_a_range_has_its_rows_and_a_neighbour_on_each_side(
    rows: list[tuple[int, float]], a: int, b: int, most: int
) -> None:
    step, seconds, value = columns(rows)
    low, high = sorted((a, b))
    found = buckets(step, seconds, value, most, low, high)
    inside = np.flatnonzero((step >= low) & (step <= high))
    assert len(inside) <= found["count"].sum() <= len(inside) + 2
    if len(inside):
        assert found["first"][0] <= step[inside[0]] and found["last"][-1] >= step[inside[-1]]


def test_one_spike_among_three_hundred_thousand_rows_is_seen() -> None:
    step = np.arange(1, 300_001)
    value = np.ones(len(step))
    value[123_456], value[200_000] = 50.0, np.nan
    found = buckets(step, step * 0.01, value, 1000)
    assert len(found["count"]) == 1000
    (spike,) = np.flatnonzero(found["high"] > 1)
    assert found["first"][spike] <= 123_457 <= found["last"][spike] and found["high"][spike] == 50
    assert found["low"].min() == 1 and found["nan"].sum() == 1


def test_rows_out_of_order_are_put_in_order() -> None:
    found = buckets(np.array([5, 1, 3]), np.array([5.0, 1, 3]), np.array([50.0, 10, 30]), 10)
    assert found["last"].tolist() == [1, 3, 5] and found["mean"].tolist() == [10, 30, 50]


def test_at_least_one_bucket() -> None:
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        buckets(np.arange(3), np.arange(3), np.arange(3.0), 0)
