"""Where the boxes of a graph stand, and how its arrows run: the layered layout of Sugiyama, Tagawa and Toda (1981).

1. Layers: an operation stands one below the lowest of its inputs (longest path), a leaf just above its first user.
2. An arrow over several layers gets a place in each of them, so that boxes make room for it.
3. Order: again and again, downwards and upwards, each layer is sorted by the mean position of the neighbours
   (barycentre). The order with the fewest crossings is kept.
4. Positions: each place is drawn to the mean of its neighbours, as near as the order and the widths allow. That is a
   least-squares problem in a line, solved exactly by pooling adjacent violators (Ayer et al., 1955).

Nothing is drawn at random: the same graph gets the same layout.

Imports: nothing. Read next: ``picture.py``.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

BESIDE, ALONG = 22.0, 12.0  # pixels between boxes, and beside an arrow that passes
BETWEEN = 38.0  # between layers
ORDER_SWEEPS, PLACE_SWEEPS = 24, 24
STRAIGHT = 16.0  # how much the parts of a long arrow want to stand below each other
LOOSE = 0.2  # how much an operation wants to stand below a leaf, which can move itself

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The centre of each box, the way of each arrow as points to pass, and the size of the whole, in pixels."""

    centres: list[Point]
    ways: list[list[Point]]  # from below a box to above another; straight down within a layer, in a curve between two
    width: float
    height: float


def layout(sizes: Sequence[Point], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Boxes of these sizes (width, height), and arrows from one to another, each to a box of a higher number."""
    layer = _layers(len(sizes), arrows)
    widths = [width for width, _ in sizes]
    places = list(layer)  # of boxes, then of the parts of long arrows: the number of its layer
    links: list[tuple[int, int]] = []  # between places of neighbouring layers
    chains: list[list[int]] = []
    for a, b in arrows:
        chain = [a, *range(len(places), len(places) + layer[b] - layer[a] - 1), b]
        places += range(layer[a] + 1, layer[b])
        links += zip(chain, chain[1:])
        chains.append(chain)
    boxes = len(sizes)
    widths += [0.0] * (len(places) - boxes)
    rows = _ordered(places, links)
    x = _positions(rows, links, chains, widths, boxes)
    heights = [max((sizes[v][1] for v in row if v < boxes), default=0.0) for row in rows]
    tops = [sum(heights[:i]) + BETWEEN * i for i in range(len(rows))]
    left = min(x[v] - widths[v] / 2 for v in range(len(places)))
    right = max(x[v] + widths[v] / 2 for v in range(len(places)))
    centres = [(x[v] - left, tops[layer[v]] + heights[layer[v]] / 2) for v in range(boxes)]
    arrivals = _arrivals(chains, x, widths)
    ways = []
    for chain, arrival in zip(chains, arrivals):
        a, b = chain[0], chain[-1]
        way = [(x[a] - left, centres[a][1] + sizes[a][1] / 2), (x[a] - left, tops[layer[a]] + heights[layer[a]])]
        for v in chain[1:-1]:
            way += [(x[v] - left, tops[places[v]]), (x[v] - left, tops[places[v]] + heights[places[v]])]
        way += [(arrival - left, tops[layer[b]]), (arrival - left, centres[b][1] - sizes[b][1] / 2)]
        ways.append(way)
    return Layout(centres, ways, right - left, tops[-1] + heights[-1])


def _layers(boxes: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box, from 0 at the top."""
    layer, inner = [0] * boxes, set()
    for a, b in sorted(arrows, key=lambda arrow: arrow[1]):
        layer[b] = max(layer[b], layer[a] + 1)
        inner.add(b)
    first: dict[int, int] = {}
    for a, b in arrows:
        first[a] = min(first.get(a, layer[b]), layer[b])
    return [first[v] - 1 if v in first and v not in inner else layer[v] for v in range(boxes)]


def _ordered(places: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The places of each layer from left to right."""
    rows: list[list[int]] = [[] for _ in range(max(places) + 1)]
    for v, row in enumerate(places):
        rows[row].append(v)
    above, below = _neighbours(len(places), links)
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(ORDER_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        near = above if down else below
        for layer in rows if down else rows[::-1]:
            _sort(layer, near, _index(rows))
        for layer in rows:
            _exchange(layer, above, below, _index(rows))
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _sort(row: list[int], near: Sequence[Sequence[int]], index: Sequence[int]) -> None:
    """Sort a layer by the mean index of the neighbours; places that have none stay where they are."""
    movable = [v for v in row if near[v]]
    movable.sort(key=lambda v: sum(index[u] for u in near[v]) / len(near[v]))
    after = iter(movable)
    row[:] = [next(after) if near[v] else v for v in row]


def _exchange(row: list[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]], index: list[int]) -> None:
    """Exchange neighbours in a layer where fewer of their links cross then."""
    for i in range(len(row) - 1):
        v, w = row[i], row[i + 1]
        gain = 0
        for near in (above, below):
            for a in near[v]:
                for b in near[w]:
                    gain += (index[a] > index[b]) - (index[a] < index[b])
        if gain > 0:
            row[i], row[i + 1] = w, v


def _neighbours(n: int, links: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _index(rows: Sequence[Sequence[int]]) -> list[int]:
    index = [0] * sum(map(len, rows))
    for row in rows:
        for i, v in enumerate(row):
            index[v] = i
    return index


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """How many pairs of links cross: the inversions of their ends, where they are sorted by their beginnings."""
    index, crossings = _index(rows), 0
    for row in rows:
        ends: list[int] = []
        for v in row:
            for end in sorted(index[u] for u in below[v]):
                crossings += len(ends) - bisect.bisect_right(ends, end)
                bisect.insort(ends, end)
    return crossings


def _positions(
    rows: Sequence[Sequence[int]],
    links: Sequence[tuple[int, int]],
    chains: Sequence[Sequence[int]],
    widths: Sequence[float],
    boxes: int,
) -> list[float]:
    """The horizontal middle of each place."""
    above, below = _neighbours(len(widths), links)
    pulls: list[list[list[tuple[int, float]]]] = [[[] for _ in widths] for _ in range(2)]  # from above, from below
    for a, b in links:
        weight = 1.0 if above[a] else LOOSE
        pulls[0][b].append((a, weight))
        pulls[1][a].append((b, weight))
    inner = {v: i for i, chain in enumerate(chains) for v in chain[1:-1]}  # parts of long arrows
    x = [0.0] * len(widths)
    for row in rows:
        for v, place in zip(row, _nearest([0.0] * len(row), [1.0] * len(row), _gaps(row, widths, boxes))):
            x[v] = place
    for sweep in range(PLACE_SWEEPS):
        both = sweep >= PLACE_SWEEPS // 2
        middles = [sum(x[v] for v in chain[1:-1]) / max(1, len(chain) - 2) for chain in chains]
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted, weights = [], []
            for v in row:
                near = pulls[0][v] + pulls[1][v] if both else pulls[sweep % 2][v]
                weight, pull = sum(w for _, w in near), sum(w * x[u] for u, w in near)
                if v in inner:
                    weight, pull = weight + STRAIGHT, pull + STRAIGHT * middles[inner[v]]
                wanted.append(pull / weight if weight else x[v])
                weights.append(weight or LOOSE)
            for v, place in zip(row, _nearest(wanted, weights, _gaps(row, widths, boxes))):
                x[v] = place
    return x


def _gaps(row: Sequence[int], widths: Sequence[float], boxes: int) -> list[float]:
    """How far apart the middles of neighbours in a layer have to be."""
    return [(widths[a] + widths[b]) / 2 + (BESIDE if a < boxes and b < boxes else ALONG) for a, b in zip(row, row[1:])]


def _nearest(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The positions nearest to the wanted ones, by weighted squares, that leave at least these gaps."""
    shift, shifts = 0.0, [0.0]
    for gap in gaps:
        shift += gap
        shifts.append(shift)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for i, (place, weight) in enumerate(zip(wanted, weights)):
        mean, total, count = place - shifts[i], weight, 1
        while pools and pools[-1][0] >= mean:
            other, more, n = pools.pop()
            mean, total, count = (mean * total + other * more) / (total + more), total + more, count + n
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + shift for mean, shift in zip(means, shifts)]


def _arrivals(chains: Sequence[Sequence[int]], x: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Where each arrow meets the upper side of its box: beside each other, in the order in which they come."""
    coming: dict[int, list[int]] = {}
    for i, chain in enumerate(chains):
        coming.setdefault(chain[-1], []).append(i)
    arrivals = [0.0] * len(chains)
    for box, arrows in coming.items():
        arrows.sort(key=lambda i: x[chains[i][-2]])
        step = min(36.0, (widths[box] - 16) / max(1, len(arrows) - 1))
        for k, i in enumerate(arrows):
            arrivals[i] = x[box] + (k - (len(arrows) - 1) / 2) * step
    return arrivals
