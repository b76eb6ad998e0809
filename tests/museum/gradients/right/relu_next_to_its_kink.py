"""ReLU 1e-4 to 1e-6 away from zero: many usual steps walk over the kink."""

import numpy as np

from minigen import ops


def case(rng):
    n = rng.integers(3, 8)
    x = rng.standard_normal(n)
    x[:2] = 10.0 ** rng.uniform(-6, -4, 2) * rng.choice([-1.0, 1.0], 2)
    return ops.relu, [np.append(x, 1.0)]
