"""Rows of the op table: images at another size (`minigen/ops/interpolate.py`).

Read next: ``op_rows_norm.py``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Row, both, normal, ops, seeds, two, zeros

X = zeros(1, 1, 4, 4)
FACTORS = st.sampled_from([1, 1.125, 2, 3, 0.5, 0.75, 1.5, 2.25])  # exact in binary: no place is rounded across an edge


@st.composite
def interpolate_cases(draw: st.DrawFn) -> Case:
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    options = draw(
        st.one_of(
            st.fixed_dictionaries({"size": both(1, 8)}),
            st.fixed_dictionaries({"scale_factor": st.one_of(FACTORS, st.tuples(FACTORS, FACTORS))}),
        )
    )
    kind = draw(
        st.sampled_from([{}, {"mode": "nearest"}, {"mode": "bilinear"}, {"mode": "bilinear", "align_corners": True}])
    )
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), {**options, **kind})


def interpolate(
    x: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool = False
) -> Array:
    """One result at a time, its place in fractions; a weight for every pixel of the image."""
    hw = x.shape[2:]
    factors = (scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * 2) if size is None else None
    out = two(size) if factors is None else tuple(math.floor(n * f) for n, f in zip(hw, factors))
    steps = [Fraction(n, o) for n, o in zip(hw, out)] if factors is None else [1 / Fraction(f) for f in factors]
    if mode == "nearest":  # PyTorch leaves these two sizes to themselves, whatever the factor
        steps = [Fraction(n, o) if o in (n, 2 * n) else step for n, o, step in zip(hw, out, steps)]
    else:  # and this one
        steps = [Fraction(1) if o == n else step for n, o, step in zip(hw, out, steps)]
    if align_corners:
        steps = [Fraction(n - 1, o - 1) if o > 1 else Fraction(0) for n, o in zip(hw, out)]
    y = np.zeros((*x.shape[:2], *out))
    for i in np.ndindex(*out):
        weights = []
        for k in (0, 1):
            if mode == "nearest":
                weights.append(np.arange(hw[k]) == min(math.floor(i[k] * steps[k]), hw[k] - 1))
                continue
            half = 0 if align_corners else Fraction(1, 2)
            place = min(max((i[k] + half) * steps[k] - half, Fraction(0)), Fraction(hw[k] - 1))
            weights.append(np.array([float(max(0, 1 - abs(place - a))) for a in range(hw[k])]))
        y[:, :, i[0], i[1]] = np.einsum("nchw,h,w->nc", x, *weights)
    return y


ROWS = [
    Row(
        "interpolate",
        interpolate_cases(),
        interpolate,
        (
            Bad(lambda: ops.interpolate(zeros(4, 4), 2), ValueError, "expected x (N, C, H, W), got (4, 4)"),
            Bad(lambda: ops.interpolate(X), ValueError, "give size or scale_factor, one of them; got None and None"),
            Bad(lambda: ops.interpolate(X, 3, 2), ValueError, "one of them; got 3 and 2"),
            Bad(lambda: ops.interpolate(X, 0), ValueError, "size is a whole number of at least 1, or a pair"),
            Bad(lambda: ops.interpolate(X, 2.0), ValueError, "size is a whole number"),
            Bad(lambda: ops.interpolate(X, (2, 3, 4)), ValueError, "or a pair of them; got (2, 3, 4)"),
            Bad(lambda: ops.interpolate(X, scale_factor=0), ValueError, "scale_factor is a number above 0"),
            Bad(
                lambda: ops.interpolate(X, scale_factor=math.nan),
                ValueError,
                "a number above 0, or a pair of them; got nan",
            ),
            Bad(lambda: ops.interpolate(X, scale_factor="2"), ValueError, "a pair of them; got '2'"),
            Bad(lambda: ops.interpolate(X, scale_factor=0.1), ValueError, "0.1 leaves no pixel of images (4, 4)"),
            Bad(
                lambda: ops.interpolate(X, 2, mode="cubic"), ValueError, "mode is 'nearest' or 'bilinear', got 'cubic'"
            ),
            Bad(
                lambda: ops.interpolate(X, 2, align_corners=True), ValueError, "align_corners goes with mode 'bilinear'"
            ),
            Bad(lambda: ops.interpolate(zeros(1, 1, 0, 4), 2), ValueError, "images (0, 4) have no pixel"),
        ),
    ),
]
