"""The exercises of docs/guide/10_losses.md: a mean of exponentials, a gradient of a mean, two Gaussians.

Imports: exercise, minigen. Read next: ``docs/guide/10_losses.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Losses that stay finite"


def check_log_mean_exp(answers: Any) -> None:
    """10.1: rows of ordinary numbers, of large ones of both signs, and with some -Inf."""
    rows = {
        "[0, 1, 2]": [0.0, 1.0, 2.0],
        "[1000, 999, 0]": [1000.0, 999.0, 0.0],
        "[-1000, -1001, -1002]": [-1000.0, -1001.0, -1002.0],
        "[-inf, 3, -inf]": [-np.inf, 3.0, -np.inf],
    }
    x = np.array(list(rows.values()))
    wanted = mg.ops.logsumexp(mg.Tensor(x), axis=1).data - np.log(3)
    got = answers.log_mean_exp(x.copy())
    if np.shape(got) != (4,):
        raise Mistake(f"log_mean_exp(x) has shape {np.shape(got)} for x (4, 3), wanted (4,)")
    for i, row in enumerate(rows):
        same(got[i], wanted[i], f"log_mean_exp of the row {row}, in one array with rows of other sizes,")


def check_cross_entropy_gradient(answers: Any) -> None:
    """10.2: by `mg.gradcheck` at ordinary logits, by its value at large ones."""
    labels = np.array([2, 0, 1, 1, 3])

    class Loss(mg.FusedFunction):
        def forward(self, x: Array) -> Array:
            return mg.losses.cross_entropy(mg.Tensor(x), labels).data

        def backward_arrays(self, gy: Array, y: Array) -> Array:
            (x,) = self.inputs
            return gy * np.asarray(answers.cross_entropy_gradient(x.data.copy(), labels.copy()))

    mg.gradcheck(Loss.apply, np.random.default_rng(0).standard_normal((5, 4)))
    x = np.array([[1000.0, 0.0, -1000.0], [-2000.0, -2000.0, -1000.0]])
    wanted = [[0.5, 0.0, -0.5], [-0.5, 0.0, 0.5]]
    same(answers.cross_entropy_gradient(x, np.array([2, 0])), wanted, "the gradient at logits of 1000 and -2000")


def check_gaussian_kl_between(answers: Any) -> None:
    """10.3: the value, both orders of the gradient, and log-variances whose exponential overflows."""
    rng = np.random.default_rng(0)
    four = [rng.standard_normal((2, 3)) for _ in range(4)]
    tensors = [mg.Tensor(array) for array in four]
    got = answers.gaussian_kl_between(*tensors)
    if not isinstance(got, mg.Tensor):
        raise Mistake(f"gaussian_kl_between returned {type(got).__name__}, wanted a Tensor: use ops.exp, +, *, ...")
    same(got, mg.losses.gaussian_kl_between(*tensors, reduction="none"), "gaussian_kl_between(...)")
    mg.gradcheck(answers.gaussian_kl_between, *four, order=2)
    zero, large = mg.Tensor(np.zeros(1, np.float32)), mg.Tensor(np.full(1, 95, np.float32))
    alike = answers.gaussian_kl_between(zero, large, zero, large)
    same(alike, [0.0], "the divergence for both log-variances 95, float32,")


EXERCISES = (
    Exercise(
        "10.1",
        "The mean of exponentials",
        start='''import numpy as np


def log_mean_exp(x):
    """The logarithm of the mean of exp(x) over each row: x (N, K) -> (N,)."""
    ...
''',
        check=check_log_mean_exp,
        task=r"""
Write `log_mean_exp(x)` for an array x (N, K): the logarithm of the mean of $e^{x_k}$ over each row, (N,), without
overflow. A row may hold some -inf (a probability of 0), but not only these. Chapter 13 estimates likelihoods with
it.
""",
    ),
    Exercise(
        "10.2",
        "The gradient of a mean",
        start='''import numpy as np


def cross_entropy_gradient(logits, labels):
    """The gradient (N, K) of the mean cross-entropy of logits (N, K) and labels (N,)."""
    ...
''',
        check=check_cross_entropy_gradient,
        task=r"""
Write `cross_entropy_gradient(logits, labels)`, arrays (N, K) and whole numbers (N,) in, the gradient (N, K) of the
*mean* cross-entropy over the samples out, finite for logits of any size.
""",
    ),
    Exercise(
        "10.3",
        "Two Gaussians",
        start='''from minigen import ops


def gaussian_kl_between(mu1, logvar1, mu2, logvar2):
    """KL(N(mu1, exp(logvar1)) || N(mu2, exp(logvar2))) of each element, in Tensor operations."""
    ...
''',
        check=check_gaussian_kl_between,
        task=r"""
Derive $\mathrm{KL}(N(\mu_1, v_1) \Vert N(\mu_2, v_2))$ as above; now $r$ has a mean and a variance, too. Write
`gaussian_kl_between(mu1, logvar1, mu2, logvar2)` in Tensor operations (`ops.exp`, `+`, `*`, ...): the divergence of
each element. It must be finite for float32 log-variances of 95, where $e^{95}$ is not: no variance, only a ratio of
variances, is ever needed.
""",
    ),
)
