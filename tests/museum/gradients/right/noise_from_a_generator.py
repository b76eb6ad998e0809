"""The reparameterization trick: noise from a generator among the inputs, which has to be the same at each call."""

import minigen as mg
from minigen import ops

ORDER = 2


def sample(mu, log_std, generator):
    return mu + ops.exp(log_std) * mg.Tensor(generator.normal(mu.shape, dtype=mu.dtype))


def case(rng):
    shape = rng.integers(1, 4, 2)
    return sample, [rng.standard_normal(shape), rng.standard_normal(shape), mg.Generator(int(rng.integers(1000)))]
