"""The gradient for another cotangent: of the first sample only, of all outputs but one, of gy transposed.

A gradient is a sum over the elements of the output, weighted with the cotangent gy. If a part of that sum is missing,
the analytic gradient equals the numeric one for a gy that is zero there.

Imports: the files of the checker. Read next: ``detached.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.failed_check import RESIDUAL, FailedCheck
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 48  # directions that are differentiated again

Variant = tuple[str, str, Array]  # kind, description, the other cotangent (m,)


def other_cotangent(failed: FailedCheck) -> Iterator[Explanation]:
    """Analytic = numeric for a cotangent with zeros in it, or with its elements in another order."""
    draws = list(range(len(failed.analytic)))[-2:]
    variants = [list(_variants(failed, k)) for k in draws]
    if not variants[0]:
        return
    order = np.argsort(-np.abs(failed.comparison.excess(failed.comparison.analytic)).max(0))[:MOST]
    worst = [failed.directions.direction(int(j)) for j in order]
    weights = np.stack([v[2] for some in variants for v in some])
    slopes = [failed.derivative_along(d, weights) for d in worst]
    projected = [np.array([failed.analytic[k] @ d for d in worst]) for k in draws]
    analytic = np.concatenate([np.tile(p, (len(some), 1)) for p, some in zip(projected, variants)])
    comparison = failed.compare(analytic, slopes)
    fits = (comparison.excess(analytic) <= 1).all(1)
    off = np.linalg.norm(analytic - comparison.numeric, axis=1)
    fits &= off <= RESIDUAL * np.linalg.norm(comparison.numeric, axis=1)
    both = fits[: len(variants[0])]
    for n in range(1, len(draws)):
        both = both & fits[n * len(both) : (n + 1) * len(both)]
    enough = len(worst) * len(draws) > 1
    for (kind, text, _), good in zip(variants[0], both, strict=True):
        if good and enough and not (kind == "missing-sum" and not failed.comparison.analytic[failed.wrong].any()):
            yield Explanation(kind, text)
            return


def _variants(failed: FailedCheck, k: int) -> Iterator[Variant]:
    """Cotangents that a mistake would put in the place of number k."""
    w, shapes, names = failed.lin.weights[k], failed.lin.output_shapes, failed.lin.function.output_names
    for name, shape, part in zip(names, shapes, failed.lin.output_slices, strict=True):
        gy = w[part].reshape(shape)

        def put(new: Array, part: slice = part) -> Array:
            other = w.copy()
            other[part] = new.ravel()
            return other

        if len(shapes) > 1:
            yield "missing-term", f"What comes through {name} is missing: without it both sides agree.", put(0 * gy)
        for axis, n in enumerate(shape):
            if n > 1:
                for place, index in (("first", 0), ("last", n - 1)):
                    only = np.zeros_like(gy)
                    at = (slice(None),) * axis + (index,)
                    only[at] = gy[at]
                    yield "missing-sum", (f"It is the gradient of the {place} slice of {name} along axis {axis} alone: "
                                          f"the sum over that axis (length {n}) is missing."), put(only)  # fmt: skip
        for i, j in itertools.combinations(range(len(shape)), 2):
            if shape[i] == shape[j] > 1:
                yield (
                    "transposed",
                    f"It is right for a gy whose axes {i} and {j} are exchanged.",
                    put(gy.swapaxes(i, j)),
                )
        for axis, n in enumerate(shape):
            if n > 1:
                yield "flipped", f"It is right for a gy that is reversed along axis {axis}.", put(np.flip(gy, axis))
    if len(shapes) > 1:
        for name, part in zip(names, failed.lin.output_slices, strict=True):
            alone = np.zeros_like(w)
            alone[part] = w[part]
            yield "missing-term", f"Only what comes through {name} is there: for it alone both sides agree.", alone


def extra_sum(failed: FailedCheck) -> Iterator[Explanation]:
    """Analytic = the sum or mean of the numeric gradient along an axis, broadcast along it."""
    if failed.numeric is None or failed.error is None:
        return
    n, error = (a.reshape(-1, *failed.shape) for a in (failed.numeric, failed.error))
    for count in range(1, n.ndim):
        for axes in itertools.combinations(range(1, n.ndim), count):
            if any(n.shape[a] == 1 for a in axes):
                continue
            total = np.broadcast_to(n.sum(axes, keepdims=True), n.shape).reshape(failed.analytic.shape)
            tolerance = np.broadcast_to(error.sum(axes, keepdims=True), n.shape).reshape(failed.analytic.shape)
            length = int(np.prod([n.shape[a] for a in axes]))
            for what, scale in (("sum", 1), ("mean", length)):
                if failed.agree(failed.analytic, total / scale, tolerance / scale):
                    names = " and ".join(str(a - 1) for a in axes)
                    over = f"ax{'is' if count == 1 else 'es'} {names}"
                    yield Explanation("extra-sum", f"It is the {what} of the right gradient along {over}, the same in "
                                      f"all {length} places.")  # fmt: skip
                    return
