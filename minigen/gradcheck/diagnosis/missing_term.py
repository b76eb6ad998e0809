"""A missing term: the residual, numeric - analytic, is compared with what a forgotten term would look like.

Imports: the files of the checker. Read next: ``recheck.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.failed_check import RESIDUAL, FailedCheck
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 200  # elements of a Jacobian whose diagonal is measured
SPARE_EQUATIONS = 3  # the least number of equations beyond the free parameters


def missing_term(failed: FailedCheck) -> Iterator[Explanation]:
    """The residual is a multiple of x, y or gy; or along an axis it is constant or a multiple of x."""
    yield from itertools.islice(_global_multiple(failed), 1)
    if failed.numeric is not None:
        yield from itertools.islice(_along_axes(failed), 1)
    yield from _jacobian_diagonal_only(failed)


def _jacobian_diagonal_only(failed: FailedCheck) -> Iterator[Explanation]:
    """Analytic = gy times the diagonal of the Jacobian, without the elements off the diagonal."""
    size = failed.x.size
    if (
        failed.numeric is None
        or failed.lin.y0.size != size
        or not 2 <= size <= MOST
        or len(failed.lin.output_shapes) > 1
    ):
        return
    gy = failed.lin.weights
    ratio = (failed.analytic * gy).sum(0) / (gy * gy).sum(0)
    if np.abs(failed.analytic - ratio * gy).max() > 1e-9 * np.abs(failed.analytic).max():
        return
    slopes = [failed.derivative_along(failed.directions.direction(j), np.eye(size)[j : j + 1]) for j in range(size)]
    e = failed.compare(failed.directions.project(ratio[None]), slopes)
    if e.agrees(e.analytic):
        yield Explanation("missing-term", "Each output is treated as if it had an input of its own: element i of the "
                          "gradient is gy_i * dy_i/dx_i, which is right, but what x_i does to the other outputs is "
                          "missing.")  # fmt: skip


def _global_multiple(failed: FailedCheck) -> Iterator[Explanation]:
    """numeric - analytic = c * (an array of this shape), with one c for all elements and cotangents."""
    e, usable = failed.comparison, failed.usable
    residual = np.where(usable, e.numeric - e.analytic, 0.0)
    if failed.independent < 2:
        return
    for name, basis in _candidates(failed):
        along = np.where(usable, failed.directions.project(basis), 0.0)
        norm = float((along**2).sum())
        if norm == 0:
            continue
        c = float((along * residual).sum()) / norm
        if np.isfinite(c) and abs(c - round(c)) < 1e-4 and round(c):
            c = float(round(c))
        if np.isfinite(c) and c != 0 and failed.accepts_numbers(e.analytic + c * along):
            much = "" if c == 1 else "-1 times " if c == -1 else f"{c:.6g} times "
            yield Explanation("missing-term", f"A term is missing or wrong: numeric - analytic is {much}{name}, in all "
                              f"{int(usable.sum())} numbers.")  # fmt: skip


def _candidates(failed: FailedCheck) -> Iterator[tuple[str, Array]]:
    """Name and array (K, size) of which a forgotten term may be a multiple."""
    k, size, shape = len(failed.analytic), failed.x.size, failed.shape
    x = failed.x.ravel()
    ones = np.ones((k, 1))
    same: list[tuple[str, Array]] = [("1", np.ones(size)), (failed.name, x)]
    for check in failed.checks:
        if check is not failed.check and check.x.size:
            try:
                same.append((check.name, np.broadcast_to(check.x, shape).ravel()))
            except ValueError:
                continue
    yield from ((name if name != "1" else "a constant", ones * array) for name, array in same)
    for part, y_shape in zip(failed.lin.output_slices, failed.lin.output_shapes, strict=True):
        gy, y = failed.lin.weights[:, part], failed.lin.y0[part]
        if y_shape == shape:
            for name, array in [*same, ("the output", y), (f"{failed.name} squared", x * x)]:
                yield ("gy" if name == "1" else f"gy * {name}"), gy * array
        elif y.size == 1:
            for name, array in [*same, (f"{failed.name} squared", x * x)]:
                yield ("gy" if name == "1" else f"gy * {name}"), gy * array
    for name, array in same[1:]:
        yield f"the analytic gradient * {name}", failed.analytic * array


def _along_axes(failed: FailedCheck) -> Iterator[Explanation]:
    """Along some axes the residual is constant, or a multiple of x, or a sum of both."""
    assert failed.numeric is not None and failed.error is not None
    residual = (failed.numeric - failed.analytic).reshape(-1, *failed.shape)
    tolerance = failed.error.reshape(-1, *failed.shape)
    if not np.isfinite(residual).all():
        return
    for count in range(failed.x.ndim, 0, -1):  # the more axes, the fewer free parameters
        for axes in itertools.combinations(range(failed.x.ndim), count):
            length = int(np.prod([failed.shape[a] for a in axes]))
            for text, free, basis in _bases(failed, axes):
                lines = residual.size // length // len(residual) * min(len(residual), failed.lin.y0.size)
                if (
                    lines * (length - free) >= SPARE_EQUATIONS
                    and length > free
                    and _explains(residual, tolerance, axes, basis)
                ):
                    names = " and ".join(map(str, axes))
                    over = f"ax{'is' if count == 1 else 'es'} {names}"
                    what = f"A term is missing or wrong: {text.format(over=over)}"
                    yield Explanation("missing-term", f"{what}, which all {residual.size} numbers show.")
                    return


def _bases(failed: FailedCheck, axes: tuple[int, ...]) -> Iterator[tuple[str, int, list[Array]]]:
    """Description, number of free parameters, and the arrays that the residual may be a combination of along `axes`."""
    ones = np.ones(failed.shape)
    through = "that passes through a sum or mean over {over}"
    follows = f"numeric - analytic is a multiple of {failed.name} along {{over}}"
    yield "numeric - analytic is the same all along {over}: the part " + through, 1, [ones]
    yield follows + ": the part " + "that passes through a norm or sum of squares over {over}", 1, [failed.x]
    yield (
        follows + " plus a constant: the part that passes through the mean and variance over {over}",
        2,
        [ones, failed.x],
    )
    for shape, part in zip(failed.lin.output_shapes, failed.lin.output_slices, strict=True):
        if shape == failed.shape:
            y = failed.lin.y0[part].reshape(shape)
            what = "numeric - analytic is a multiple of the output along {over}"
            yield what + ": the part that passes through what it is divided by, summed over {over}", 1, [y]


def _explains(residual: Array, tolerance: Array, axes: tuple[int, ...], basis: list[Array]) -> bool:
    """Is `residual` (K, *shape) a linear combination of `basis`, with coefficients for each line along `axes`?"""
    moved = tuple(a + 1 for a in axes)
    lines = _lines(residual, moved)
    bases = [_lines(np.broadcast_to(b, residual.shape), moved) for b in basis]
    matrix = np.stack(bases, -1)  # (lines, length, free)
    if not matrix.any():
        return False
    scale = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = matrix / np.where(scale == 0, 1, scale)
    solution = np.linalg.pinv(matrix, rcond=1e-10) @ lines[..., None]
    off = np.abs(lines - (matrix @ solution)[..., 0])
    small = np.linalg.norm(off) <= RESIDUAL * np.linalg.norm(lines)
    return bool(small and (off <= _lines(tolerance, moved)).all())


def _lines(array: Array, axes: tuple[int, ...]) -> Array:
    """(K, *shape) as (lines, length): the given axes together are the last one."""
    last = tuple(range(array.ndim - len(axes), array.ndim))
    moved = np.moveaxis(array, axes, last)
    return moved.reshape(-1, int(np.prod(moved.shape[array.ndim - len(axes) :])))
