"""The exercises of docs/guide/11_optimizers.md: the rate of convergence, AdamW, a count of bytes.

Imports: exercise, minigen. Read next: ``docs/guide/11_optimizers.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import reference

TITLE = "Optimizers"

LR, BETA1, BETA2, EPS, DECAY = 0.1, 0.8, 0.95, 0.01, 0.2


def check_factor(answers: Any) -> None:
    """11.1: real roots, complex ones, no momentum, and rates at which it diverges."""
    cases = ((1.0, 0.5, 0.0), (1.0, 2.5, 0.0), (1.0, 0.1, 0.9), (25.0, 0.1, 0.5), (1.0, 0.001, 0.5), (2.0, 3.0, 0.5))
    for curvature, lr, momentum in cases:
        middle = 1 + momentum - lr * curvature
        root = np.sqrt(complex(middle**2 - 4 * momentum))
        wanted = max(abs(middle + root), abs(middle - root)) / 2
        same(answers.factor(curvature, lr, momentum), wanted, f"factor({curvature}, {lr}, {momentum})")


def check_adamw(answers: Any) -> None:
    """11.2: four steps beside `adam_update`, with an epsilon so large that its place is seen."""
    rng = np.random.default_rng(0)
    p = rng.standard_normal((2, 3))
    m, v = np.zeros_like(p), np.zeros_like(p)
    own = [p.copy(), m.copy(), v.copy()]
    for t in range(1, 5):
        g = rng.standard_normal(p.shape)
        before = [array.copy() for array in (*own, g)]
        got = answers.adamw(*own[:1], g, *own[1:], t, LR, BETA1, BETA2, EPS, DECAY)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Mistake(f"adamw returned {type(got).__name__}, wanted a tuple (p, m, v)")
        for name, array, old in zip("pmvg", (*own, g), before, strict=True):
            if not np.array_equal(array, old):
                raise Mistake(f"adamw changed the array {name} that it was given; make a new one")
        reference.adam_update(p, g, m, v, t, LR, BETA1, BETA2, EPS, DECAY, True)
        for name, one, wanted in zip("mvp", (got[1], got[2], got[0]), (m, v, p), strict=True):
            same(one, wanted, f"{name} after step {t}")
        own = [np.asarray(one, np.float64) for one in got]


def check_traffic(answers: Any) -> None:
    """11.3: arrays read and written by each kernel."""
    arrays = {"sgd": (2, 1), "momentum": (3, 2), "rmsprop": (3, 2), "adam": (4, 3)}
    for parameters in (1, 1000):
        got = answers.traffic(parameters)
        if not isinstance(got, dict) or set(got) != set(arrays):
            raise Mistake(f"traffic({parameters}) is {got!r}, wanted a dict with the keys {', '.join(arrays)}")
        for name, (read, written) in arrays.items():
            wanted = (4 * read * parameters, 4 * written * parameters)
            same(got[name], wanted, f'traffic({parameters})["{name}"], bytes read and written,')


EXERCISES = (
    Exercise(
        "11.1",
        "How fast does it converge?",
        start='''import numpy as np


def factor(curvature, lr, momentum):
    """By what the distance to the minimum of curvature p^2 / 2 is multiplied in each step, in the long run."""
    ...
''',
        check=check_factor,
        task=r"""
Write `factor(curvature, lr, momentum)`: by what factor the distance to the minimum shrinks in each step, in the
long run, for SGD with momentum on $L = \frac{1}{2} a p^2$. It is the larger one of the sizes of the two roots;
above 1 it diverges. `np.roots` solves a quadratic equation.
""",
    ),
    Exercise(
        "11.2",
        "AdamW",
        start='''import numpy as np


def adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    """Step t, from 1 on: the new (p, m, v)."""
    ...
''',
        check=check_adamw,
        task=r"""
Write `adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay)`, arrays and numbers in, the new `(p, m, v)` out,
with the decoupled decay, both bias corrections, and epsilon outside of the root. Leave the arrays that come in as
they are.
""",
    ),
    Exercise(
        "11.3",
        "Count the bytes",
        start='''def traffic(parameters):
    """Bytes (read, written) in a step of "sgd", "momentum", "rmsprop" and "adam", float32."""
    ...
''',
        check=check_traffic,
        task=r"""
Write `traffic(parameters)`, which returns a dict from `"sgd"`, `"momentum"`, `"rmsprop"`, `"adam"` to a pair: the
different bytes that one step must read and write for so many float32 parameters, each array once. (RMSprop without
momentum.) `minigen kernel sgd_update` and `rmsprop_update` show the kernels.
""",
    ),
)
