"""The exercises of docs/guide/15_measuring.md: a distance of two Gaussians, a paired comparison, recall.

Imports: exercise, minigen. Read next: ``docs/guide/15_measuring.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same

TITLE = "Measuring a generator honestly"


def check_distance(answers: Any) -> None:
    """15.1: `distance`, for one dimension, commuting, other, and singular covariances."""
    one = answers.distance(np.array([1.0]), np.array([[4.0]]), np.array([3.0]), np.array([[9.0]]))
    same(one, 4.0 + 1.0, "distance([1], [[4]], [3], [[9]]), which is (1 - 3)^2 + (2 - 3)^2,")
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(3, 3)) for _ in range(2))
    m1, m2, c1, c2 = rng.normal(size=3), rng.normal(size=3), a @ a.T, b @ b.T
    diagonal = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 1.0, 1.0])
    same(answers.distance(m1, diagonal[0], m1, diagonal[1]), 6.0, "distance of diag(1, 4, 9) and diag(4, 1, 1)")
    wanted = np.square(m1 - m2).sum() + np.trace(c1 + c2) - 2 * np.linalg.svd(_root(c1) @ _root(c2))[1].sum()
    same(answers.distance(m1, c1, m2, c2), wanted, "distance of two covariances that do not commute", rtol=1e-6)
    for rank in (1, 2) * 10:
        thin = rng.normal(size=(4, rank))
        flat, m = thin @ thin.T, np.zeros(4)
        try:
            got = answers.distance(m, flat, m, flat)
        except np.linalg.LinAlgError:  # of a matrix of NaN
            got = np.nan
        if not np.isfinite(np.asarray(got, np.float64)).all():
            raise Mistake(
                f"distance is {got} for a singular covariance and itself, wanted 0: rounding makes an eigenvalue "
                "-1e-16, whose root is NaN; take the larger of it and 0"
            )
        same(got, 0.0, "distance of a singular covariance and itself", atol=1e-5)


def _root(c: Any) -> Any:
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def check_compare(answers: Any) -> None:
    """15.2: `compare(a, b)`: the mean difference and its paired error."""
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 10, 50)
    a, b = hard + rng.normal(1, 0.5, 50), hard + rng.normal(0, 0.5, 50)
    got = answers.compare(a.copy(), b.copy())
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Mistake(f"compare(a, b) gives {type(got).__name__}, wanted two numbers: the mean and its standard error")
    same(got[0], (a - b).mean(), "the mean that compare(a, b) gives")
    wanted = (a - b).std(ddof=1) / np.sqrt(50)
    error = float(np.asarray(got[1], np.float64).mean())
    if error > 5 * wanted and not np.isclose(error, wanted * np.sqrt(50)):
        raise Mistake(
            f"the error that compare(a, b) gives is {error:.4g}, wanted {wanted:.4g}: what both models find hard "
            "cancels in a - b, image by image, so take the standard deviation of the differences"
        )
    same(got[1], wanted, "the error that compare(a, b) gives, s / sqrt(N) with s^2 a sum over N - 1,", rtol=1e-9)


def check_recall(answers: Any) -> None:
    """15.3: `recall`, on points of a line that can be counted, then as `mg`'s own."""
    real, fake = np.array([[0.0], [1.0], [5.0], [5.5], [9.0]]), np.array([[0.0], [2.0], [3.0], [4.0]])
    for k, wanted in ((1, 0.6), (2, 0.8)):
        call = f"recall([0, 1, 5, 5.5, 9], [0, 2, 3, 4], {k}), columns of numbers,"
        got = answers.recall(real.copy(), fake.copy(), k)
        if k == 1 and np.array_equal(np.asarray(got, np.float64), _in_balls(fake, real, k)):
            raise Mistake(f"{call} is {got}: that is the precision; wanted {wanted}, the share of *real* rows")
        same(got, wanted, call)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 4)), 0.6 * rng.normal(size=(50, 4))
    for k in (1, 3):
        same(answers.recall(x.copy(), y.copy(), k), _in_balls(x, y, k), f"recall of 60 rows by 50, 4 features, k {k},")


def _in_balls(x: Any, y: Any, k: int) -> Any:
    """The share of rows x that lie in the balls of rows y."""
    among, across = (np.sqrt(np.square(z[:, None] - y).sum(2)) for z in (y, x))
    return (across <= np.sort(among, 1)[:, k]).any(1).mean()


EXERCISES = (
    Exercise(
        "15.1",
        "The distance of two Gaussians",
        start='''import numpy as np


def distance(m1, c1, m2, c2):
    """The squared Frechet distance of N(m1, c1) and N(m2, c2): means (D,), covariances (D, D)."""
    ...
''',
        check=check_distance,
        task=r"""
Write `distance(m1, c1, m2, c2)`: the Fréchet distance $d^2$ of two Gaussians with means (D,) and covariances (D, D),
NumPy arrays. A covariance may be singular, and the two need not commute. Find the root of a symmetric matrix from its
eigenvalues and eigenvectors.
""",
    ),
    Exercise(
        "15.2",
        "A paired comparison",
        start='''import numpy as np


def compare(a, b):
    """The mean of a - b, and its standard error: two numbers, for scores (N,) on the same images."""
    ...
''',
        check=check_compare,
        task=r"""
Write `compare(a, b)` for the scores (N,) of two models on the same N images: the mean of $a - b$, and its standard
error.
""",
    ),
    Exercise(
        "15.3",
        "Recall",
        start='''import numpy as np


def recall(real, fake, k):
    """The share of real rows (N, D) that lie in the k-th-neighbour ball of at least one fake row (M, D)."""
    ...
''',
        check=check_recall,
        task=r"""
Write `recall(real, fake, k)` for features (N, D) and (M, D): the share of real rows that lie in the ball of at least
one fake row, whose radius is the distance to its k-th nearest *other* fake row. A point on the edge of a ball is in
it.
""",
    ),
)
