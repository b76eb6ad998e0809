"""The exercises of docs/guide/03_higher_orders.md: a backward for all orders, a Hessian-vector product, a penalty.

Imports: exercise, minigen. Read next: ``docs/guide/03_higher_orders.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Gradients that are operations"


def check_squash(answers: Any) -> None:
    """3.1: `Squash` is right to order 3, by `mg.gradcheck`."""
    x = np.array([-2.0, -0.3, 0.4, 1.5])
    same(answers.Squash.apply(mg.Tensor(x)), x / np.sqrt(1 + x * x), "Squash.apply(x)")
    try:
        mg.gradcheck(answers.Squash.apply, x, order=3)
    except mg.GradientMismatch as mismatch:
        if mismatch.order == 1:
            raise
        raise Mistake(
            f"the first derivative is right, that of order {mismatch.order} is not: something that depends on x is a "
            f"constant in backward\n{mismatch}"
        ) from None


def check_hvp(answers: Any) -> None:
    """3.2: `hvp(f, x, v)` is H v, by the Hessian of functions for which it is known."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 4))
    h = a + a.T
    x, v = rng.normal(size=4), np.array([1.0, 0.0, -2.0, 0.5])
    quadratic = mg.Tensor(h)
    got = answers.hvp(lambda x: mg.ops.sum(x * (quadratic @ x)) / 2, x.copy(), v.copy())
    for wrong, hint in ((h @ x, "that is the gradient"), (h.sum(1), "that is H times ones: where is v?"),
                        (h.sum(1) * v, "v belongs inside of the second derivative"),
                        ((h @ x) * v, "that is the gradient times v, before the second derivative")):  # fmt: skip
        if got is not None and np.shape(got) == (4,) and np.allclose(_array(got), wrong):
            raise Mistake(f"hvp(f, x, v) for f(x) = x^T H x / 2 is not H v: {hint}")
    same(got, h @ v, "hvp(f, x, v) for f(x) = x^T H x / 2, which has the Hessian H")
    for f, second in (
        (lambda x: mg.ops.sum(mg.ops.exp(x)), lambda x, v: np.exp(x) * v),
        (lambda x: mg.ops.sum(x) ** 3, lambda x, v: np.full(x.shape, 6 * x.sum() * v.sum())),
    ):  # type: tuple[Callable[[mg.Tensor], mg.Tensor], Callable[[Array, Array], Array]]
        same(answers.hvp(f, x.copy(), v.copy()), second(x, v), "hvp(f, x, v) for another f")


def _array(x: Any) -> Array:
    return x.numpy() if isinstance(x, mg.Tensor) else np.asarray(x)


def check_penalty(answers: Any) -> None:
    """3.3: the squared slope of a critic, and its gradient with respect to the weights, by `mg.gradcheck`."""
    rng = np.random.default_rng(0)
    x, w1, w2 = rng.normal(size=(3, 2)), rng.normal(size=(2, 4)), rng.normal(size=(4, 1))

    def critic(w1: mg.Tensor, w2: mg.Tensor) -> Callable[[mg.Tensor], mg.Tensor]:
        return lambda x: mg.ops.tanh(x @ w1) @ w2

    def penalty(w1: mg.Tensor, w2: mg.Tensor) -> mg.Tensor:
        result = answers.penalty(critic(w1, w2), x.copy())
        if not isinstance(result, mg.Tensor):
            raise Mistake(f"penalty(critic, x) is {result!r}, wanted a Tensor of one number")
        return result

    slopes = (1 - np.tanh(x @ w1) ** 2) * w2[:, 0] @ w1.T
    norms = np.sqrt((slopes**2).sum(1))
    got = penalty(*(mg.Tensor(w, requires_grad=True) for w in (w1, w2)))
    for wrong, hint in ((norms.mean(), "that is the mean of the norms: square them"),
                        ((slopes**2).mean(), "that is a mean over elements: sum up those of an image"),
                        ((slopes**2).sum(), "that is the sum over the images: take the mean")):  # fmt: skip
        if got.size == 1 and np.isclose(got.item(), wrong):
            raise Mistake(f"penalty(critic, x) is {got.item():.6g}, wanted {(norms**2).mean():.6g}: {hint}")
    same(got.reshape(()) if got.size == 1 else got, (norms**2).mean(), "penalty(critic, x)")
    if not got.requires_grad:
        raise Mistake(
            "penalty(critic, x) has the right value and no record, so the weights of the critic get nothing from it"
        )
    mg.gradcheck(penalty, w1, w2)


EXERCISES = (
    Exercise(
        "3.1",
        "A backward for all orders",
        start='''import numpy as np

import minigen as mg


class Squash(mg.Function):
    """x / sqrt(1 + x^2), element by element."""

    def forward(self, x):
        return x / np.sqrt(1 + x * x)

    def backward(self, gy, y):
        ...
''',
        check=check_squash,
        task=r"""
The function $y = x / \sqrt{1 + x^2}$ has a kernel, here in NumPy. Find its derivative and write `backward` so that it
is right to every order. (Tensors have `**` with a number. The derivative has a short form; any form that is made of
operations will do.) The check is `mg.gradcheck` up to order 3.
""",
    ),
    Exercise(
        "3.2",
        "A Hessian-vector product",
        start='''import numpy as np

import minigen as mg


def hvp(f, x, v):
    """H v, where H is the Hessian of f at x. f takes a Tensor and returns one number; x and v are arrays."""
    ...
''',
        check=check_hvp,
        task=r"""
Without looking at the chapter: write `hvp(f, x, v)`, the product of the Hessian of `f` at the array `x` with the array
`v`, in two gradients. `f` takes a Tensor and returns a Tensor of one number. Return an array or a Tensor. The check
compares it with Hessians that are known.
""",
    ),
    Exercise(
        "3.3",
        "A gradient penalty",
        start='''import numpy as np

import minigen as mg


def penalty(critic, x):
    """The squared norm of the gradient of critic(x), mean over images x (N, D), as a Tensor of one number."""
    ...
''',
        check=check_penalty,
        task=r"""
Write `penalty(critic, x)`: for images `x`, an array (N, D), the squared norm $\Vert \nabla_x D(x_n) \Vert^2$, mean
over the images. `critic` takes a Tensor (N, D) and returns scores (N, 1). The penalty must reach the weights of the
critic: the check is `mg.gradcheck` of the penalty as a function of these weights.
""",
    ),
)
