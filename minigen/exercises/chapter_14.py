"""The exercises of docs/guide/14_gans.md: a smoothed label, the largest step, a penalty with a gradient.

Imports: exercise, minigen. Read next: ``docs/guide/14_gans.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same

TITLE = "Generative adversarial networks"


def check_best(answers: Any) -> None:
    """14.1: `best_discriminator(p, q, smoothing)`: its numbers, and that no other D is better."""
    p, q = np.array([0.1, 0.5, 2.0, 0.3]), np.array([0.4, 0.5, 0.1, 1.2])
    for s in (0.0, 0.1, 0.3):
        got = np.asarray(answers.best_discriminator(p.copy(), q.copy(), s), np.float64)
        call = f"best_discriminator(p, q, {s})"
        if got.shape == p.shape and ((got > 0) & (got < 1)).all():

            def value(d: Any, s: float = s) -> Any:
                return p * ((1 - s) * np.log(d) + s * np.log(1 - d)) + q * np.log(1 - d)

            worse = (value(got) < value((1 - s) * p / (p + q)) - 1e-9).nonzero()[0]
            if worse.size:
                k = int(worse[0])
                raise Mistake(
                    f"{call} is {got[k]:.4g} where p is {p[k]} and q is {q[k]}: there is a D with a larger value. Set "
                    "the derivative of the value in D to 0"
                )
        same(got, (1 - s) * p / (p + q), call)


def check_step(answers: Any) -> None:
    """14.2: `largest_step(gamma)`: games with smaller steps converge, with larger ones they do not."""

    def grows(gamma: float, h: float) -> bool:
        j = np.array([[0.0, 0.5], [-0.5, -gamma]])
        return bool(np.abs(np.linalg.eigvals(np.eye(2) + h * j)).max() > 1)

    for gamma in (0.1, 0.5, 1.0, 1.5, 4.0):
        h = answers.largest_step(gamma)
        call = f"largest_step({gamma})"
        same(np.shape(h), (), f"the shape of {call}")
        if h is None or not np.isreal(h) or not float(h) > 0:
            raise Mistake(f"{call} is {h}, wanted a number above 0")
        for factor, wanted, what in ((0.999, False, "still grows"), (1.001, True, "still converges")):
            if grows(gamma, factor * float(h)) != wanted:
                lead = "below" if factor < 1 else "above"
                kind = (
                    "complex, |1 + h lambda|^2 = 1 - h gamma + h^2 / 4" if gamma < 1 else "real, and both lie below 0"
                )
                raise Mistake(
                    f"{call} is {float(h):.4g}, but the game {what} with a step {lead} it, {factor * float(h):.4g}. "
                    f"The eigenvalues of J are {kind} for this gamma"
                )


def check_penalty(answers: Any) -> None:
    """14.3: `penalty`: its value, and its gradient in the weights, by `mg.gradcheck`."""
    rng = np.random.default_rng(1)
    real, fake = (mg.Tensor(rng.normal(size=(3, 2))) for _ in range(2))
    mix, first, last = rng.uniform(size=(3, 1)), rng.normal(size=(2, 4)), rng.normal(size=(4,))

    def critic_of(a: Any, b: Any) -> Any:
        return lambda x: mg.ops.sum(mg.ops.tanh(x @ a) * b, axis=1)

    x = mix * real.numpy() + (1 - mix) * fake.numpy()
    slopes = ((1 - np.tanh(x @ first) ** 2) * last) @ first.T
    wanted = ((np.sqrt((slopes**2).sum(1)) - 1) ** 2).mean()
    weights = [mg.Tensor(w, requires_grad=True) for w in (first, last)]
    got = answers.penalty(critic_of(*weights), real, fake, mix.copy())
    same(got, wanted, "penalty(critic, real, fake, mix)", rtol=1e-5)
    if not isinstance(got, mg.Tensor) or not got.requires_grad:
        raise Mistake(
            "penalty(...) has the right value and no history: its gradient in the critic's weights is lost. The first "
            "gradient has to be a Tensor that can be differentiated: mg.grad(..., create_graph=True)"
        )

    def value(a: Any, b: Any) -> Any:
        return answers.penalty(critic_of(a, b), real, fake, mix.copy())

    mg.gradcheck(value, first, last)


EXERCISES = (
    Exercise(
        "14.1",
        "A smoothed label",
        start='''import numpy as np


def best_discriminator(p, q, smoothing):
    """The D(x) that maximises the smoothed value, where the densities are p and q; arrays of one shape."""
    ...
''',
        check=check_best,
        task=r"""
With one-sided label smoothing a real image counts as real with the weight $1 - s$ and as fake with the weight $s$:
the discriminator maximises $E_p[(1 - s) \log D + s \log(1 - D)] + E_q[\log(1 - D)]$. Write
`best_discriminator(p, q, smoothing)`: the best $D$ where the densities are `p` and `q`, arrays of one shape.
""",
    ),
    Exercise(
        "14.2",
        "The largest step",
        start='''import math


def largest_step(gamma):
    """The step size up to which the Dirac-GAN with R1 converges, if both players step at once."""
    ...
''',
        check=check_step,
        task=r"""
Both players of the Dirac-GAN with R1 step at once, with step size $h$: the update's Jacobian is $I + hJ$. Write
`largest_step(gamma)` for $\gamma > 0$: the $h$ below which every such game that starts near the solution converges,
and above which it does not. The modulus of all eigenvalues of $I + hJ$ has to be below 1; take care of $\gamma \le 1$
and of $\gamma > 1$.
""",
    ),
    Exercise(
        "14.3",
        "A penalty with a gradient",
        start='''import minigen as mg
from minigen import ops


def penalty(critic, real, fake, mix):
    """The mean of (slope - 1)^2 of the critic between real and fake rows, as a Tensor of shape ()."""
    ...
''',
        check=check_penalty,
        task=r"""
Write `penalty(critic, real, fake, mix)`: Tensors `real` and `fake` (N, D), an array `mix` (N, 1) of numbers from 0 to
1, a function `critic` from a Tensor (N, D) to scores (N,), of which each depends on its own row. Return the Tensor
$\frac{1}{N} \sum_n (\Vert \nabla f(u_n)\Vert - 1)^2$ at $u$ = `mix * real + (1 - mix) * fake`. Its own gradient in
the weights of the critic has to be right.
""",
    ),
)
