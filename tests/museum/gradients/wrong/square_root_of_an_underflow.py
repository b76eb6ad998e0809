"""Spectral density of a Gaussian process: exp underflows to zero, and the square root after it has no derivative there.

Thread: seantalts/stanli#144
"""

import minigen as mg
from minigen import ops

VERDICT, KIND = "WRONG", "nan"


def spectrum(scale, frequency):
    return ops.sqrt(ops.exp(-(scale**2) * frequency)) + scale


def case(rng):
    frequency = mg.Tensor(rng.uniform(0.5, 3, rng.integers(2, 6)))
    frequency.data[0] = 2000.0
    return lambda scale: spectrum(scale, frequency), [rng.uniform(0.9, 1.1, 1)]
