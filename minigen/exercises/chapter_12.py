"""The exercises of docs/guide/12_autoencoders.md: PCA, the gradients of a linear autoencoder, a contractive penalty.

Imports: exercise, minigen. Read next: ``docs/guide/12_autoencoders.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Autoencoders and PCA"


def _data() -> Array:
    """(40, 5) with a mean, and with variances that differ."""
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    return rng.standard_normal((40, 5)) * [5, 3, 2, 1, 0.5] @ turned + [3, 0, -2, 1, 4]


def check_pca(answers: Any) -> None:
    """12.1: mean, orthonormal rows, the right subspace in the right order up to signs, and the error."""
    x = _data()
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    for k in (1, 3):
        got = answers.pca(x.copy(), k)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Mistake(f"pca returned {type(got).__name__}, wanted a tuple (mean, components, error)")
        same(got[0], x.mean(0), "the mean")
        components = np.asarray(got[1])
        if components.shape != (k, 5):
            raise Mistake(f"the components of pca(x, {k}) have shape {components.shape} for x (40, 5), wanted ({k}, 5)")
        same(components @ components.T, np.eye(k), f"components @ components.T for k = {k}")
        wanted = vectors[:, ::-1].T[:k]
        signs = np.sign((components * wanted).sum(1, keepdims=True))
        same(components * signs, wanted, f"the components for k = {k}, up to their signs,", atol=1e-6)
        same(got[2], values[: 5 - k].sum(), f"the error for k = {k}")


def check_gradients(answers: Any) -> None:
    """12.2: by `mg.gradcheck`."""

    class Error(mg.FusedFunction):
        def forward(self, x: Array, w: Array, v: Array) -> Array:
            residual = x @ w.T @ v.T - x
            return np.array((residual**2).sum() / len(x))

        def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
            x, w, v = (t.data for t in self.inputs)
            got = answers.gradients(x.copy(), w.copy(), v.copy())
            if not isinstance(got, (tuple, list)) or len(got) != 2:
                raise Mistake(f"gradients returned {type(got).__name__}, wanted a tuple (gW, gV)")
            for name, one, wanted in zip(("gW", "gV"), got, (w, v), strict=True):
                if np.shape(one) != wanted.shape:
                    raise Mistake(f"{name} has shape {np.shape(one)}, wanted that of {name[1]}, {wanted.shape}")
            return None, gy * np.asarray(got[0]), gy * np.asarray(got[1])

    rng, x = np.random.default_rng(1), mg.Tensor(_data()[:6])
    w, v = rng.standard_normal((2, 5)), rng.standard_normal((5, 2))

    def error_of_weights(W: mg.Tensor, V: mg.Tensor) -> mg.Tensor:
        return Error.apply(x, W, V)

    mg.gradcheck(error_of_weights, w, v)


def check_contraction(answers: Any) -> None:
    """12.3: beside the norm made of gradients, one code unit after the other."""
    rng = np.random.default_rng(2)
    w, b = rng.standard_normal((3, 5)), rng.standard_normal(3)
    for n in (1, 4):
        x = mg.Tensor(rng.standard_normal((n, 5)), requires_grad=True)
        code = mg.ops.sigmoid(x @ mg.Tensor(w.T) + mg.Tensor(b))
        rows = [mg.grad(code[:, j].sum(), [x])[0].data for j in range(3)]
        wanted = sum(float((row**2).sum()) for row in rows) / n
        same(answers.contraction(x.data.copy(), w.copy(), b.copy()), wanted, f"contraction(x, W, b) for {n} samples")


EXERCISES = (
    Exercise(
        "12.1",
        "PCA",
        start='''import numpy as np


def pca(x, k):
    """The mean (D,), the first k principal components (k, D) and the least error, of data x (N, D)."""
    ...
''',
        check=check_pca,
        task=r"""
Write `pca(x, k)` for data x (N, D) that are not centred. It returns a tuple: the mean (D,), the first k principal
components as rows (k, D), and the least error $E_{\min}$ of the text, a number: per sample, the sum over D, by the
eigenvalues.
""",
    ),
    Exercise(
        "12.2",
        "The gradients",
        start='''import numpy as np


def gradients(x, W, V):
    """The gradients (gW, gV) of the mean over samples of |x - V W x|^2."""
    ...
''',
        check=check_gradients,
        task=r"""
Write `gradients(x, W, V)`, for x (N, D), W (k, D), V (D, k), which returns `(gW, gV)`: the gradients of
$E = \frac{1}{N} \sum_n |x_n - V W x_n|^2$ in W and V, of their shapes. With an image a row, $Z = X W^T$ and the
residual is $R = Z V^T - X$. At PCA's solution both are 0.
""",
    ),
    Exercise(
        "12.3",
        "The contractive penalty",
        start='''import numpy as np


def contraction(x, W, b):
    """The squared norm of the Jacobian of sigmoid(W x + b), mean over the samples x (N, D)."""
    ...
''',
        check=check_contraction,
        task=r"""
For the code $h = \sigma(W x + b)$, W (k, D) and b (k,), the derivative of $h_j$ in $x_i$ is $h_j (1 - h_j) W_{ji}$.
Write `contraction(x, W, b)` for x (N, D): the squared norm of the Jacobian, the sum of the squares over all i and
j, mean over the samples. It needs no array of N k D numbers: the sum over i can be done beforehand.
""",
    ),
)
