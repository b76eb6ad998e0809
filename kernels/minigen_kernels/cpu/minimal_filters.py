"""Minimal filtering: m results of a filter of r taps for m + r - 1 multiplications instead of m * r.

Results of a filter are coefficients of a product of polynomials. A product of degree n - 1 is known from its values at
n points (one of them infinity: the leading coefficient), and each value takes one multiplication (Cook and Toom). The
transpose of that algorithm is F(m, r) (Winograd, Arithmetic Complexity of Computations, 1980), n = m + r - 1:

    y = R.T ((I d) * (K w)),    d (n,) the image, w (r,) the taps, y (m,) the results;

along both axes of an image m * m results take n * n multiplications (Lavin and Gray, Fast Algorithms for Convolutional
Neural Networks, CVPR 2016). With g the gradient of y, the gradient of w is K.T ((I d) * (R g)).

The matrices follow from the points p by Lagrange's formula, in fractions: row i of I are the coefficients of the
product of all x - p[j], j != i; of R the powers of p[i]; of K those divided by the product of all p[i] - p[j].

The points decide about the rounding error. Of F(4 x 4, 3 x 3) with the usual ones (0, 1, -1, 2, -2) it is, in the root
of the mean square, 12 times that of NumPy's direct sums in float32; with those below 5 times, 2 to 3 times that of
PyTorch 2.13's convolution. F(2 x 2, 3 x 3): 1.8 and 0.8 times; F(4 x 4, 2 x 2): 5 and 2; the gradient in w: 1 and 1.
The points were found by trying pairs of eighths; they are pairs of p and -p, so that rows share their sums.

Imports: nothing of the project. Read next: ``transform.py``.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import NamedTuple

Matrix = tuple[tuple[Fraction, ...], ...]

#: The finite points for n multiplications; infinity is the last one.
POINTS = {
    3: (Fraction(0), Fraction(1)),
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    5: (Fraction(1, 2), Fraction(-1, 2), Fraction(5, 4), Fraction(-5, 4)),
    6: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
}


class MinimalFilter(NamedTuple):
    """The matrices of F(m, r): image (n, n), kernel (n, r), result (n, m)."""

    image: Matrix
    kernel: Matrix
    result: Matrix


@lru_cache(maxsize=64)
def minimal_filter(m: int, r: int) -> MinimalFilter:
    """F(m, r): m results of r taps, for m + r - 1 in `POINTS`."""
    points = POINTS[m + r - 1]
    others = [[q for q in points if q != p] for p in points]
    image = [_coefficients(roots) for roots in others]
    width = len(points) + 1
    return MinimalFilter(
        image=(*(row + (Fraction(0),) * (width - len(row)) for row in image), _coefficients(points)),
        kernel=(
            *(tuple(p**u / prod(p - q for q in roots) for u in range(r)) for p, roots in zip(points, others)),
            _unit(r),
        ),
        result=(*(tuple(p**i for i in range(m)) for p in points), _unit(m)),
    )


def _coefficients(roots: tuple[Fraction, ...] | list[Fraction]) -> tuple[Fraction, ...]:
    """The coefficients of the product of all x - root, that of x**0 first."""
    found = [Fraction(1)]
    for root in roots:
        found = [above - root * here for above, here in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return tuple(found)


def _unit(size: int) -> tuple[Fraction, ...]:
    """What infinity sees: the leading coefficient."""
    return (Fraction(0),) * (size - 1) + (Fraction(1),)
