"""Is a term missing? What is left, numeric - analytic, is compared with what a forgotten term would look like.

Imports: the files of the checker. Read next: ``elsewhere.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import LEFT_OVER, Case
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 200  # elements of a Jacobian whose diagonal is measured
SPARE = 3  # so many more numbers than free ones have to fit


def rest(case: Case) -> Iterator[Explanation]:
    """The difference is a multiple of something at hand, or follows x or is constant along an axis."""
    yield from itertools.islice(_global_multiple(case), 1)
    if case.numeric is not None:
        yield from itertools.islice(_along_axes(case), 1)
    yield from _own_output_only(case)


def _own_output_only(case: Case) -> Iterator[Explanation]:
    """Analytic = gy * the derivative of each output in its own input: the diagonal of the Jacobian, and no more."""
    size = case.x.size
    if case.numeric is None or case.sides.y0.size != size or not 2 <= size <= MOST or len(case.sides.output_shapes) > 1:
        return
    gy = case.sides.weights
    ratio = (case.analytic * gy).sum(0) / (gy * gy).sum(0)
    if np.abs(case.analytic - ratio * gy).max() > 1e-9 * np.abs(case.analytic).max():
        return
    slopes = [case.slope(case.probes.direction(j), np.eye(size)[j : j + 1]) for j in range(size)]
    e = case.evidence_with(case.probes.project(ratio[None]), slopes)
    if e.agrees(e.analytic):
        yield Explanation("missing-term", "Each output is treated as if it had an input of its own: element i of the "
                          "gradient is gy_i * dy_i/dx_i, which is right, but what x_i does to the other outputs is "
                          "missing.")  # fmt: skip


def _global_multiple(case: Case) -> Iterator[Explanation]:
    """numeric - analytic = c * (something of this shape), with one c for all elements and cotangents."""
    e, usable = case.evidence, case.usable
    left = np.where(usable, e.numeric - e.analytic, 0.0)
    if case.independent < 2:
        return
    for name, basis in _things(case):
        along = np.where(usable, case.probes.project(basis), 0.0)
        norm = float((along**2).sum())
        if norm == 0:
            continue
        c = float((along * left).sum()) / norm
        if np.isfinite(c) and abs(c - round(c)) < 1e-4 and round(c):
            c = float(round(c))
        if np.isfinite(c) and c != 0 and case.accepts_numbers(e.analytic + c * along):
            much = "" if c == 1 else "-1 times " if c == -1 else f"{c:.6g} times "
            yield Explanation("missing-term", f"A term is missing or wrong: numeric - analytic is {much}{name}, in all "
                              f"{int(usable.sum())} numbers.")  # fmt: skip


def _things(case: Case) -> Iterator[tuple[str, Array]]:
    """Arrays (K, size) of which a forgotten term may be a multiple."""
    k, size, shape = len(case.analytic), case.x.size, case.shape
    x = case.x.ravel()
    ones = np.ones((k, 1))
    same: list[tuple[str, Array]] = [("1", np.ones(size)), (case.name, x)]
    for one in case.inspected:
        if one is not case.one and one.x.size:
            try:
                same.append((one.name, np.broadcast_to(one.x, shape).ravel()))
            except ValueError:
                continue
    yield from ((name if name != "1" else "a constant", ones * array) for name, array in same)
    starts = np.cumsum([0, *(int(np.prod(s)) for s in case.sides.output_shapes)])
    for start, stop, y_shape in zip(starts, starts[1:], case.sides.output_shapes, strict=False):
        if y_shape == shape:
            gy, y = case.sides.weights[:, start:stop], case.sides.y0[start:stop]
            for name, array in [*same, ("the output", y), (f"{case.name} squared", x * x)]:
                yield ("gy" if name == "1" else f"gy * {name}"), gy * array
        elif stop - start == 1:
            for name, array in [*same, (f"{case.name} squared", x * x)]:
                yield ("gy" if name == "1" else f"gy * {name}"), case.sides.weights[:, start:stop] * array
    for name, array in same[1:]:
        yield f"the analytic gradient * {name}", case.analytic * array


def _along_axes(case: Case) -> Iterator[Explanation]:
    """Along some axes the difference is constant, or a multiple of x, or both together."""
    assert case.numeric is not None and case.error is not None
    left = (case.numeric - case.analytic).reshape(-1, *case.shape)
    room = case.error.reshape(-1, *case.shape)
    if not np.isfinite(left).all():
        return
    for count in range(case.x.ndim, 0, -1):  # the more axes, the fewer free numbers
        for axes in itertools.combinations(range(case.x.ndim), count):
            length = int(np.prod([case.shape[a] for a in axes]))
            for text, free, basis in _bases(case, axes):
                lines = left.size // length // len(left) * min(len(left), case.sides.y0.size)
                if lines * (length - free) >= SPARE and length > free and _explains(left, room, axes, basis):
                    names = " and ".join(map(str, axes))
                    over = f"ax{'is' if count == 1 else 'es'} {names}"
                    what = f"A term is missing or wrong: {text.format(over=over)}"
                    yield Explanation("missing-term", f"{what}, which all {left.size} numbers show.")
                    return


def _bases(case: Case, axes: tuple[int, ...]) -> Iterator[tuple[str, int, list[Array]]]:
    """Words, the number of free numbers, and the arrays of which the difference is to be made up along `axes`."""
    one = np.ones(case.shape)
    through = "that passes through a sum or mean over {over}"
    follows = f"numeric - analytic is a multiple of {case.name} along {{over}}"
    yield "numeric - analytic is the same all along {over}: the part " + through, 1, [one]
    yield follows + ": the part " + "that passes through a norm or sum of squares over {over}", 1, [case.x]
    yield (
        follows + " plus a constant: the part that passes through the mean and variance over {over}",
        2,
        [one, case.x],
    )
    for shape, start in zip(case.sides.output_shapes, _starts(case), strict=False):
        if shape == case.shape:
            y = case.sides.y0[start : start + case.x.size].reshape(shape)
            what = "numeric - analytic is a multiple of the output along {over}"
            yield what + ": the part that passes through what it is divided by, summed over {over}", 1, [y]


def _starts(case: Case) -> list[int]:
    return [0, *np.cumsum([int(np.prod(s)) for s in case.sides.output_shapes]).tolist()]


def _explains(left: Array, room: Array, axes: tuple[int, ...], basis: list[Array]) -> bool:
    """Is `left` (K, *shape) made up of the arrays in `basis`, with numbers of its own in each line along `axes`?"""
    moved = tuple(a + 1 for a in axes)
    lines = _lines(left, moved)
    bases = [_lines(np.broadcast_to(b, left.shape), moved) for b in basis]
    matrix = np.stack(bases, -1)  # (lines, length, free)
    if not matrix.any():
        return False
    scale = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = matrix / np.where(scale == 0, 1, scale)
    solution = np.linalg.pinv(matrix, rcond=1e-10) @ lines[..., None]
    off = np.abs(lines - (matrix @ solution)[..., 0])
    small = np.linalg.norm(off) <= LEFT_OVER * np.linalg.norm(lines)
    return bool(small and (off <= _lines(room, moved)).all())


def _lines(array: Array, axes: tuple[int, ...]) -> Array:
    """(K, *shape) as (lines, length): the given axes together are the last one."""
    last = tuple(range(array.ndim - len(axes), array.ndim))
    moved = np.moveaxis(array, axes, last)
    return moved.reshape(-1, int(np.prod(moved.shape[array.ndim - len(axes) :])))
