"""Where the boxes of a graph stand, and how its arrows run: the layered layout of Sugiyama, Tagawa and Toda (1981).

1. Layers: an operation stands one below the lowest of its inputs (longest path), a leaf just above its first user, and
   so does what is made of leaves alone.
2. Arrows over several layers get a place in each of them, so that boxes make room; those from one box share it.
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
STRAIGHT = 16.0  # how much the parts of a trunk want to stand below each other
LOOSE = 0.2  # how much an operation wants to stand below a leaf, which can move itself

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """In pixels: the centre of each box, the ways of trunks and arrows, the size of the whole.

    A way is a list of points: straight down within a layer, in a curve from one to the next. What all arrows from a box
    to others far below share is its trunk; each arrow begins at the box, or where it leaves the trunk.
    """

    centres: list[Point]
    trunks: dict[int, list[Point]]  # by box
    ways: list[list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[Point], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Boxes of these sizes (width, height), and arrows from one to another, each to a box of a higher number."""
    boxes, layer = len(sizes), _layers(len(sizes), arrows)
    places = list(layer)  # the layer of each box, then of each part of a trunk
    links: dict[tuple[int, int], None] = {}  # between places of neighbouring layers
    trunks: dict[int, list[int]] = {}
    ends: list[int] = []  # the last place before the box that an arrow leads to
    for a, b in arrows:
        trunk = trunks.setdefault(a, [])
        while layer[a] + len(trunk) + 1 < layer[b]:
            links[trunk[-1] if trunk else a, len(places)] = None
            trunk.append(len(places))
            places.append(layer[a] + len(trunk))
        ends.append(([a, *trunk])[layer[b] - layer[a] - 1])
        links[ends[-1], b] = None
    rows = _ordered(places, list(links))
    widths = [width for width, _ in sizes] + [0.0] * (len(places) - boxes)
    x = _positions(rows, list(links), [trunk for trunk in trunks.values() if trunk], widths, boxes)
    left = min(x[v] - widths[v] / 2 for v in range(len(places)))
    x = [middle - left for middle in x]
    heights = [max((sizes[v][1] for v in row if v < boxes), default=0.0) for row in rows]
    tops = [sum(heights[:i]) + BETWEEN * i for i in range(len(rows))]
    bottoms = [top + height for top, height in zip(tops, heights)]
    centres = [(x[v], (tops[layer[v]] + bottoms[layer[v]]) / 2) for v in range(boxes)]

    def leaving(v: int) -> list[Point]:  # from the lower side of a box, or out of a trunk
        bottom = bottoms[places[v]]
        return [(x[v], centres[v][1] + sizes[v][1] / 2 if v < boxes else bottom), (x[v], bottom)]

    ways = []
    for (_, b), end, arrival in zip(arrows, ends, _arrivals(arrows, ends, x, widths)):
        ways.append([*leaving(end), (arrival, tops[layer[b]]), (arrival, centres[b][1] - sizes[b][1] / 2)])
    drawn = {
        a: [*leaving(a), *((x[v], y) for v in trunk for y in (tops[places[v]], bottoms[places[v]]))]
        for a, trunk in trunks.items()
        if trunk
    }
    return Layout(centres, drawn, ways, max(x[v] + widths[v] / 2 for v in range(len(places))), bottoms[-1])


def _layers(boxes: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box, from 0 at the top."""
    into: list[set[int]] = [set() for _ in range(boxes)]
    out: list[set[int]] = [set() for _ in range(boxes)]
    for a, b in arrows:
        into[b].add(a)
        out[a].add(b)
    layer = [0] * boxes
    loose = [True] * boxes  # a leaf, or made only for one other from what is loose: these stand as low as they can
    for v in range(boxes):
        layer[v] = 1 + max((layer[u] for u in into[v]), default=-1)
        loose[v] = all(loose[u] and (not into[u] or len(out[u]) == 1) for u in into[v])
    for v in reversed(range(boxes)):
        if loose[v] and out[v]:
            layer[v] = min(layer[w] for w in out[v]) - 1
    return layer


def _ordered(places: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The places of each layer from left to right."""
    rows: list[list[int]] = [[] for _ in range(max(places) + 1)]
    for v, layer in enumerate(places):
        rows[layer].append(v)
    above, below = _neighbours(len(places), links)
    index = [0] * len(places)
    for row in rows:
        _count(row, index)
    best, fewest = [list(row) for row in rows], _crossings(rows, below, index)
    for sweep in range(ORDER_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            _sort(row, above if down else below, index)
        for row in rows:
            _exchange(row, above, below, index)
        crossings = _crossings(rows, below, index)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _count(row: Sequence[int], index: list[int]) -> None:
    """Note the index of each place in its layer."""
    for i, v in enumerate(row):
        index[v] = i


def _sort(row: list[int], near: Sequence[Sequence[int]], index: list[int]) -> None:
    """Sort a layer by the mean index of the neighbours; places that have none stay where they are."""
    movable = [v for v in row if near[v]]
    movable.sort(key=lambda v: sum(index[u] for u in near[v]) / len(near[v]))
    after = iter(movable)
    row[:] = [next(after) if near[v] else v for v in row]
    _count(row, index)


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
            index[v], index[w] = i + 1, i


def _neighbours(n: int, links: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    return above, below


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]], index: Sequence[int]) -> int:
    """How many pairs of links cross: the inversions of their ends, where they are sorted by their beginnings."""
    crossings = 0
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
    trunks: Sequence[Sequence[int]],
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
    of = {v: i for i, trunk in enumerate(trunks) for v in trunk}
    x = [0.0] * len(widths)
    for row in rows:
        for v, place in zip(row, _nearest([0.0] * len(row), [1.0] * len(row), _gaps(row, widths, boxes))):
            x[v] = place
    for sweep in range(PLACE_SWEEPS):
        both = sweep >= PLACE_SWEEPS // 2
        middles = [sum(x[v] for v in trunk) / len(trunk) for trunk in trunks]
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted, weights = [], []
            for v in row:
                near = pulls[0][v] + pulls[1][v] if both else pulls[sweep % 2][v]
                weight, pull = sum(w for _, w in near), sum(w * x[u] for u, w in near)
                if v in of:
                    weight, pull = weight + STRAIGHT, pull + STRAIGHT * middles[of[v]]
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


def _arrivals(
    arrows: Sequence[tuple[int, int]], ends: Sequence[int], x: Sequence[float], widths: Sequence[float]
) -> list[float]:
    """Where each arrow meets the upper side of its box: beside each other, in the order in which they come."""
    coming: dict[int, list[int]] = {}
    for i, (_, b) in enumerate(arrows):
        coming.setdefault(b, []).append(i)
    arrivals = [0.0] * len(arrows)
    for b, several in coming.items():
        several.sort(key=lambda i: x[ends[i]])
        step = min(36.0, (widths[b] - 16) / max(1, len(several) - 1))
        for k, i in enumerate(several):
            arrivals[i] = x[b] + (k - (len(several) - 1) / 2) * step
    return arrivals
