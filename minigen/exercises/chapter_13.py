"""The exercises of docs/guide/13_vae.md: a divergence, a bound that does not overflow, the score function.

Imports: exercise, minigen. Read next: ``docs/guide/13_vae.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same

TITLE = "The variational autoencoder"


def check_kl(answers: Any) -> None:
    """13.1: `kl` of two Gaussians, held to an integral and to `mg.losses.gaussian_kl_between`; differentiable."""
    z = np.linspace(-30, 30, 60_001)

    def log_density(mean: float, logvar: float) -> Any:
        return -0.5 * (math.log(2 * math.pi) + logvar + (z - mean) ** 2 / math.exp(logvar))

    for numbers in ((1.0, -1.0, 0.0, 0.0), (0.5, 0.7, 0.5, -0.4), (2.0, 0.0, -1.0, 1.2)):
        p, q = log_density(*numbers[:2]), log_density(*numbers[2:])
        wanted = (np.exp(p) * (p - q)).sum() * (z[1] - z[0])
        got = answers.kl(*(mg.Tensor(np.array([[x]])) for x in numbers))
        same(got, [[wanted]], f"kl{numbers}, each as a Tensor (1, 1),", rtol=1e-6, atol=1e-8)
    rng = np.random.default_rng(0)
    mg.gradcheck(answers.kl, *(rng.normal(size=(2, 3)) for _ in range(4)))


def check_bound(answers: Any) -> None:
    """13.2: `bound(log_w)` is the logarithm of a mean, for large and small weights."""
    same(answers.bound(np.log([[1.0, 2.0], [3.0, 4.0]])), np.log([2.0, 3.0]), "bound(log([[1, 2], [3, 4]]))")
    small = np.log([[1.0, 5.0], [3.0, 0.5], [2.0, 1.0]]) - 800
    wanted = np.log([2.0, 6.5 / 3]) - 800
    got = answers.bound(small.copy())
    if not np.isfinite(np.asarray(got, np.float64)).all():
        raise Mistake(f"bound(log_w) is {got} for log w near -800, wanted {wanted}: take the largest out before exp")
    same(got, wanted, "bound(log_w) for log w near -800", rtol=1e-9)
    apart = np.array([[-800.0, 800.0], [-900.0, 700.0]])
    same(answers.bound(apart.copy()), np.array([-800.0, 800.0]) - math.log(2), f"bound({apart.tolist()})", rtol=1e-9)


def check_score(answers: Any) -> None:
    """13.3: `score_gradient` is right on average, exactly: the mean over the nodes of a quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    # E z^2 = mean^2 + var; E z^3 = mean^3 + 3 mean var
    cases: tuple[tuple[str, Callable[[Any], Any], Callable[[float, float], tuple[float, float]]], ...] = (
        ("z**2", lambda z: z**2, lambda m, v: (2 * m, v)),
        ("z**3", lambda z: z**3, lambda m, v: (3 * m * m + 3 * v, 3 * m * v)),
    )
    for name, f, wanted in cases:
        for mean, logvar in ((0.0, 0.0), (0.7, -0.8), (-0.4, 0.9)):
            got = answers.score_gradient(f, mean, logvar, nodes.copy())
            if not isinstance(got, (tuple, list)) or len(got) != 2:
                raise Mistake(f"score_gradient gives {type(got).__name__}, wanted two arrays: for the mean, for logvar")
            for what, array, right in zip(("mean", "logvar"), got, wanted(mean, math.exp(logvar)), strict=True):
                same(np.shape(array), nodes.shape, f"the shape of the estimates for {what}")
                average = float((np.asarray(array, np.float64) * weights).sum())
                call = f"f(z) = {name}, mean {mean}, logvar {logvar}: the mean of the estimates for {what}"
                same(average, right, call, rtol=1e-6, atol=1e-8)
    once = answers.score_gradient(lambda z: z + 1, 0.0, 0.0, np.array([1.0]))
    same(once[0], [2.0], "score_gradient(z + 1, 0, 0, [1])[0]: not f'(z) but f(z) d log q / d mean,")


EXERCISES = (
    Exercise(
        "13.1",
        "Two Gaussians",
        start='''from minigen import ops


def kl(mean1, logvar1, mean2, logvar2):
    """KL(N(mean1, exp(logvar1)) || N(mean2, exp(logvar2))) of each element; Tensors of one shape."""
    ...
''',
        check=check_kl,
        task=r"""
Write `kl(mean1, logvar1, mean2, logvar2)` for Tensors of one shape: the divergence of $N(\mu_1, \sigma_1^2)$ from
$N(\mu_2, \sigma_2^2)$ of each element, $E_1[\log (p_1 / p_2)]$, with the logarithms of the variances given. Start as
the derivation above does. For $\mu_2 = 0$, $\sigma_2 = 1$ it has to be the formula above.
""",
    ),
    Exercise(
        "13.2",
        "A bound that does not overflow",
        start='''import numpy as np


def bound(log_w):
    """log(mean of exp(log_w) over the first axis): (k, N) -> (N,)."""
    ...
''',
        check=check_bound,
        task=r"""
Write `bound(log_w)` for logarithms of importance weights, an array (k, N): $\log \frac{1}{k} \sum_i w_i$ of each
image, (N,). Images have $\log w$ near $-800$, where $e^{\log w}$ is 0 in float64: take the largest out first.
""",
    ),
    Exercise(
        "13.3",
        "The score function",
        start='''import numpy as np


def score_gradient(f, mean, logvar, noise):
    """Score-function estimates of the derivatives of E f(z) in mean and in logvar: two arrays (N,)."""
    ...
''',
        check=check_score,
        task=r"""
Write `score_gradient(f, mean, logvar, noise)`: NumPy arrays, `noise` of shape (N,), numbers `mean` and `logvar`.
Return two arrays (N,): for each $z = \mu + \sigma \epsilon$ the score-function estimate of the derivative of $E f(z)$
in $\mu$ and in $\log \sigma^2$. You may call `f` on arrays but not differentiate it.
""",
    ),
)
