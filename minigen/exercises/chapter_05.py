"""The exercises of docs/guide/05_dense.md: gradients of another order, a batch at the ridge, weights for a leaky relu.

Imports: exercise, minigen. Read next: ``docs/guide/05_dense.md``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "The dense layer: its memory and its arithmetic"


def check_gradients(answers: Any) -> None:
    """5.1: the gradients of x k + b, by shape, then by `mg.gradcheck`; for a matrix and for more axes."""

    class Product(mg.FusedFunction):
        def forward(self, x: Array, k: Array, b: Array) -> Array:
            return x @ k + b

        def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
            x, k = (given.data.copy() for given in self.inputs[:2])
            found = answers.gradients(gy.copy(), x, k)
            if not isinstance(found, tuple | list) or len(found) != 3:
                raise Mistake(f"gradients(g, x, k) is {_told(found)}, wanted three arrays: those of x, k and b")
            for name, one, wanted in zip("xkb", found, (x.shape, k.shape, k.shape[1:])):
                if np.shape(one) != wanted:
                    what = f"for x {x.shape} and k {k.shape} the gradient in {name} has shape {np.shape(one)}"
                    raise Mistake(f"{what}, wanted {wanted}, that of {name} itself")
            return tuple(np.asarray(one, np.float64) for one in found)

    rng = np.random.default_rng(5)
    for shape in ((5, 4), (2, 5, 4), (4,)):
        mg.gradcheck(Product.apply, rng.normal(size=shape), rng.normal(size=(4, 3)), rng.normal(size=3))


def check_smallest_batch(answers: Any) -> None:
    """5.2: against a search, for batches that are just enough."""
    cases = [(4096, 4096, 4.4, 4), (784, 512, 10.0, 4), (784, 512, 10.0, 8), (64, 32, 4.0, 4), (10, 10, 100.0, 4)]
    cases += [(8, 8, 1.0, 4), (784, 128, 0.1, 4), (4, 4, 1.0, 4), (100, 100, 25.0, 4)]
    for i, o, ridge, size in cases:
        what = f"smallest_batch({i}, {o}, {ridge}, {size})"
        enough = [n for n in (*range(1, 3000), 10**9) if _intensity(n, i, o, size) >= ridge]
        wanted, got = enough[0] if enough and enough[0] < 10**9 else None, answers.smallest_batch(i, o, ridge, size)
        if wanted is None or got is None:
            if got is not wanted:
                most = _intensity(10**12, i, o, size)
                raise Mistake(f"{what} is {got}, wanted {wanted}: the largest batch comes near {most:.3g} FLOPs a byte")
            continue
        if got != wanted or isinstance(got, float) and got != int(got):
            near = f"with {wanted} samples there are {_intensity(wanted, i, o, size):.4g} FLOPs for each byte"
            fewer = f", with {wanted - 1} there are {_intensity(wanted - 1, i, o, size):.4g}" if wanted > 1 else ""
            raise Mistake(f"{what} is {got}, wanted {wanted}: {near}{fewer}, and {ridge} are asked for")


def check_weight_std(answers: Any) -> None:
    """5.3: relu and no activation first, which the text names; then slopes between."""
    for inputs, slope in ((100, 0.0), (100, 1.0), (400, 0.2), (7, 0.01)):
        wanted = math.sqrt(2 / ((1 + slope**2) * inputs))
        same(answers.weight_std(inputs, slope), wanted, f"weight_std({inputs}, {slope})", rtol=1e-9)


def _intensity(n: int, i: int, o: int, size: int) -> float:
    return 2 * n * i * o / (size * (n * i + i * o + n * o))


def _told(x: Any) -> str:
    return "None: is a `return` missing?" if x is None else f"of type {type(x).__name__}"


EXERCISES = (
    Exercise(
        "5.1",
        "The other order",
        start='''import numpy as np


def gradients(g, x, k):
    """The gradients in x, k and b of y = x k + b: g (..., O), x (..., I), k (I, O)."""
    ...
''',
        check=check_gradients,
        task=r"""
Keras stores the weight of a dense layer as `k` of shape $(I, O)$, and computes $y = x k + b$. Its inputs may have more
axes, `x` $(\ldots, I)$: every vector along the last axis is a sample. Write `gradients(g, x, k)`, which returns the
gradients in `x`, `k` and `b`, each of the shape of what it belongs to. The check is `mg.gradcheck`.
""",
    ),
    Exercise(
        "5.2",
        "The batch that reaches the ridge",
        start='''def smallest_batch(i, o, ridge, size):
    """The smallest N for which x w^T, x (N, i), w (o, i), of numbers of `size` bytes, has that intensity; or None."""
    ...
''',
        check=check_smallest_batch,
        task=r"""
Write `smallest_batch(i, o, ridge, size)`: the smallest whole $N$ at which the product $x w^T$ of a layer $(O, I)$, in
numbers of `size` bytes, has an arithmetic intensity of at least `ridge`, in FLOPs for each byte; `None` if no batch
reaches it. Derive the intensity for numbers of `size` bytes first.
""",
    ),
    Exercise(
        "5.3",
        "A leak in the relu",
        start='''def weight_std(inputs, slope):
    """The standard deviation of the weights that keeps the mean square, behind a leaky relu of that slope."""
    ...
''',
        check=check_weight_std,
        task=r"""
Leaky relu is $z$ for $z > 0$ and $a z$ elsewhere. Derive $E[x^2]$ for it as above, and write
`weight_std(inputs, slope)`: the standard deviation of the weights that keeps the mean square from layer to layer. What
must come out for slope 0, and what for slope 1?
""",
    ),
)
