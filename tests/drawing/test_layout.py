"""The layout of random graphs: nothing overlaps, all arrows lead down, the order has few crossings, places are nearest.

Read next: ``test_draw.py``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.drawing.layout import ALONG, BESIDE, BETWEEN, _crossings, _nearest, _neighbours, _ordered, layout


@st.composite
def graphs(draw: Any) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    """Sizes of boxes, and arrows between them, each to a later one."""
    n = draw(st.integers(1, 25))
    sizes = draw(st.lists(st.tuples(st.integers(40, 200), st.integers(20, 90)), min_size=n, max_size=n))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    arrows = draw(st.lists(pairs, max_size=40)) if n > 1 else []
    return [(float(w), float(h)) for w, h in sizes], [(min(p), max(p)) for p in arrows]


@given(graphs())
def test_boxes_stand_apart_and_arrows_lead_down(graph: tuple[Any, Any]) -> None:
    sizes, arrows = graph
    found = layout(sizes, arrows)
    sides = [(x - w / 2, x + w / 2, y - h / 2, y + h / 2) for (x, y), (w, h) in zip(found.centres, sizes)]
    for (l0, r0, t0, b0), (l1, r1, t1, b1) in itertools.combinations(sides, 2):
        beside = l1 - r0 >= BESIDE - 1e-6 or l0 - r1 >= BESIDE - 1e-6
        assert beside or t1 - b0 >= BETWEEN - 1e-6 or t0 - b1 >= BETWEEN - 1e-6
    for left, right, top, bottom in sides:
        assert -1e-6 <= left and right <= found.width + 1e-6 and 0 <= top and bottom <= found.height + 1e-6
    assert len(found.ways) == len(arrows)
    for (a, b), way in zip(arrows, found.ways):
        begin, end = way[0], way[-1]
        assert end[1] == pytest.approx(sides[b][2]) and sides[b][0] < end[0] < sides[b][1]
        trunk = found.trunks.get(a, [])
        assert begin == pytest.approx((found.centres[a][0], sides[a][3])) or begin in trunk
    for line in [*found.ways, *found.trunks.values()]:
        for (x0, y0), (x1, y1) in zip(line, line[1:]):
            assert y0 <= y1 + 1e-6
            if x0 == x1:
                for left, right, top, bottom in sides:
                    assert not (left < x0 < right and y0 < bottom - 1e-6 and top + 1e-6 < y1), "over a box"


@given(graphs())
def test_the_same_graph_has_the_same_layout(graph: tuple[Any, Any]) -> None:
    assert layout(*graph) == layout(*graph)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9), st.integers(0, 30)), min_size=1, max_size=8))
def test_places_are_the_nearest_that_leave_the_gaps(wanted: list[tuple[int, int, int]]) -> None:
    places, weights, gaps = ([float(v) for v in column] for column in zip(*wanted))
    x = _nearest(places, weights, gaps[1:])
    assert all(b - a >= gap - 1e-9 for a, b, gap in zip(x, x[1:], gaps[1:]))
    # The conditions of Karush, Kuhn and Tucker: those of a run that touch are, together, where they want to be; and no
    # part of it from the left would rather go left, since then it would have come away.
    pulls = [w * (p - v) for p, w, v in zip(places, weights, x)]
    run: list[float] = []
    for i, pull in enumerate(pulls):
        if i and x[i] - x[i - 1] > gaps[i] + 1e-9:
            assert abs(sum(run)) < 1e-6
            run = []
        run.append(pull)
        assert sum(run) >= -1e-6
    assert abs(sum(run)) < 1e-6


@given(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=5))
def test_crossings_are_counted(below: list[list[int]]) -> None:
    n = len(below)
    rows = [list(range(n)), list(range(n, n + 5))]
    links = [(v, n + u) for v, row in enumerate(below) for u in row]
    index = [*range(n), *range(5)]
    crossing = sum(a < c and b > d or a > c and b < d for (a, b), (c, d) in itertools.combinations(links, 2))
    assert _crossings(rows, _neighbours(n + 5, links)[1], index) == crossing


def test_a_knot_is_untied() -> None:
    """Two layers of a matching in random order: without crossings, whatever the order was."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        ends = rng.permutation(8)
        rows = _ordered([0] * 8 + [1] * 8, [(v, 8 + int(u)) for v, u in enumerate(ends)])
        assert [8 + int(ends[v]) for v in rows[0]] == rows[1]


def test_a_long_arrow_stands_straight_and_has_room() -> None:
    chain = [(i, i + 1) for i in range(9)]
    found = layout([(60.0, 30.0)] * 10, [*chain, (0, 9)])
    (trunk,) = found.trunks.values()
    xs = [x for x, _ in trunk[2:]]
    assert max(xs) - min(xs) < 2 and all(abs(x - xs[0]) >= 30 + ALONG - 2 for x, _ in found.centres[1:9])
