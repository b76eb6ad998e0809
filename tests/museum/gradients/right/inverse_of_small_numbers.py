"""1 / x at 1e-3: values, slopes and curvatures are 1e3, 1e6 and 1e9."""

import numpy as np

ORDER = 2


def case(rng):
    n = rng.integers(2, 6)
    return lambda x: 1 / x, [np.exp(rng.uniform(-7, 0, n)) * rng.choice([-1.0, 1.0], n)]
