"""Is it the gradient for another cotangent? Of the first sample only, of all outputs but one, of gy transposed.

A gradient is a sum over the elements of the output, weighted with the cotangent gy. Where a part of that sum is
missing, the analytic side equals the numeric one for a gy that is zero there.

Imports: the files of the checker. Read next: ``detached.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from minigen.gradcheck.diagnosis.case import LEFT_OVER, Case
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

MOST = 48  # so many probes are measured again

Variant = tuple[str, str, Array]  # kind, words, the other cotangent (m,)


def cotangent(case: Case) -> Iterator[Explanation]:
    """Analytic = numeric for a cotangent that lacks something, or has it elsewhere."""
    draws = list(range(len(case.analytic)))[-2:]
    variants = [list(_variants(case, k)) for k in draws]
    if not variants[0]:
        return
    order = np.argsort(-np.abs(case.evidence.excess(case.evidence.analytic)).max(0))[:MOST]
    probes = [case.probes.direction(int(j)) for j in order]
    weights = np.stack([v[2] for some in variants for v in some])
    slopes = [case.slope(d, weights) for d in probes]
    projected = [np.array([case.analytic[k] @ d for d in probes]) for k in draws]
    analytic = np.concatenate([np.tile(p, (len(some), 1)) for p, some in zip(projected, variants)])
    evidence = case.evidence_with(analytic, slopes)
    fits = (evidence.excess(analytic) <= 1).all(1)
    off = np.linalg.norm(analytic - evidence.numeric, axis=1)
    fits &= off <= LEFT_OVER * np.linalg.norm(evidence.numeric, axis=1)
    both = fits[: len(variants[0])]
    for n in range(1, len(draws)):
        both = both & fits[n * len(both) : (n + 1) * len(both)]
    enough = len(probes) * len(draws) > 1
    for (kind, text, _), good in zip(variants[0], both, strict=True):
        if good and enough and not (kind == "missing-sum" and not case.analytic_where_wrong.any()):
            yield Explanation(kind, text)
            return


def _variants(case: Case, k: int) -> Iterator[Variant]:
    """Other cotangents than number k."""
    w, shapes, names = case.sides.weights[k], case.sides.output_shapes, case.sides.problem.output_names
    starts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    for name, shape, start, stop in zip(names, shapes, starts, starts[1:]):
        gy = w[start:stop].reshape(shape)

        def put(new: Array, start: int = start, stop: int = stop) -> Array:
            other = w.copy()
            other[start:stop] = new.ravel()
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
        for name, start, stop in zip(names, starts, starts[1:]):
            alone = np.zeros_like(w)
            alone[start:stop] = w[start:stop]
            yield "missing-term", f"Only what comes through {name} is there: for it alone both sides agree.", alone


def extra_sum(case: Case) -> Iterator[Explanation]:
    """Analytic = the numeric gradient summed (or averaged) along an axis, the same all along it."""
    if case.numeric is None or case.error is None:
        return
    n, error = (a.reshape(-1, *case.shape) for a in (case.numeric, case.error))
    for count in range(1, n.ndim):
        for axes in itertools.combinations(range(1, n.ndim), count):
            if any(n.shape[a] == 1 for a in axes):
                continue
            total = np.broadcast_to(n.sum(axes, keepdims=True), n.shape).reshape(case.analytic.shape)
            room = np.broadcast_to(error.sum(axes, keepdims=True), n.shape).reshape(case.analytic.shape)
            length = int(np.prod([n.shape[a] for a in axes]))
            for what, scale in (("sum", 1), ("mean", length)):
                if case.agree(case.analytic, total / scale, room / scale):
                    names = " and ".join(str(a - 1) for a in axes)
                    over = f"ax{'is' if count == 1 else 'es'} {names}"
                    yield Explanation("extra-sum", f"It is the {what} of the right gradient along {over}, the same in "
                                      f"all {length} places.")  # fmt: skip
                    return
