"""Weight initialisation. Each function returns a float32 array of the given shape, drawn from a `Generator`.

For a weight (out, in) or (out, in, kh, kw), fan_in = in * kh * kw and fan_out = out * kh * kw.

Imports: random. Read next: ``layers.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.called import called
from minigen.device import array_module
from minigen.random import Generator
from minigen.shapes import one_number, shown, whole_number, whole_shape
from minigen_kernels import Array

Shape = tuple[int, ...]


def zeros(shape: Shape, *, rng: Generator | None = None) -> Array:
    """All zeros. `rng` is not used; every initialiser takes it."""
    return np.zeros(array_shape("zeros", shape), np.float32)


def normal(shape: Shape, *, rng: Generator, mean: float = 0.0, std: float = 0.02) -> Array:
    """Normal numbers; DCGAN's choice is the default (std 0.02, arXiv:1511.06434)."""
    mean, std = one_number("normal", "mean", mean), one_number("normal", "std", std)
    return generator(rng).normal(array_shape("normal", shape), mean, std)


def glorot_uniform(shape: Shape, *, rng: Generator, gain: float = 1.0) -> Array:
    """Uniform in +-gain * sqrt(6 / (fan_in + fan_out)): for linear, tanh, sigmoid (Glorot and Bengio 2010)."""
    shape, gain = weight_shape("glorot_uniform", shape), _nonnegative("glorot_uniform", "gain", gain)
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return generator(rng).uniform(shape, -bound, bound)


def glorot_normal(shape: Shape, *, rng: Generator, gain: float = 1.0) -> Array:
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    shape, gain = weight_shape("glorot_normal", shape), _nonnegative("glorot_normal", "gain", gain)
    return generator(rng).normal(shape, 0.0, gain * math.sqrt(2 / sum(fans(shape))))


def he_uniform(shape: Shape, *, rng: Generator, slope: float = 0.0) -> Array:
    """Uniform in +-sqrt(6 / ((1 + slope^2) fan_in)): for relu, leaky_relu (He et al. 2015, arXiv:1502.01852)."""
    shape, slope = weight_shape("he_uniform", shape), _nonnegative("he_uniform", "slope", slope)
    bound = math.sqrt(6 / ((1 + slope**2) * fans(shape)[0]))
    return generator(rng).uniform(shape, -bound, bound)


def he_normal(shape: Shape, *, rng: Generator, slope: float = 0.0) -> Array:
    """Normal with std = sqrt(2 / ((1 + slope^2) fan_in)) (He et al. 2015, arXiv:1502.01852)."""
    shape, slope = weight_shape("he_normal", shape), _nonnegative("he_normal", "slope", slope)
    return generator(rng).normal(shape, 0.0, math.sqrt(2 / ((1 + slope**2) * fans(shape)[0])))


def orthogonal(shape: Shape, *, rng: Generator, gain: float = 1.0) -> Array:
    """Orthogonal rows (or columns, whichever are fewer) of norm `gain` (Saxe et al. 2014, arXiv:1312.6120)."""
    shape, gain = weight_shape("orthogonal", shape), one_number("orthogonal", "gain", gain)
    rows, columns = shape[0], math.prod(shape[1:])
    square = generator(rng).normal((max(rows, columns), min(rows, columns)), dtype=np.float64)
    xp = array_module(square)
    q, r = xp.linalg.qr(square)
    q = q * xp.sign(xp.diagonal(r))  # makes Q uniformly (Haar) distributed
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(np.float32)


def uniform_fan_in(shape: Shape, *, rng: Generator, fan_in: int) -> Array:
    """Uniform in +-1 / sqrt(fan_in): PyTorch's default for dense and convolution layers."""
    shape, fan_in = array_shape("uniform_fan_in", shape), whole_number("uniform_fan_in", "fan_in", fan_in, 1)
    bound = 1 / math.sqrt(fan_in)
    return generator(rng).uniform(shape, -bound, bound)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, ...)."""
    shape = weight_shape("fans", shape)
    size = math.prod(shape[2:])
    return shape[1] * size, shape[0] * size


def array_shape(name: str, shape: Shape) -> Shape:
    """A shape as a tuple of whole numbers of at least 0; `name` is the function, for the error."""
    sizes = whole_shape(name, shape)
    if any(n < 0 for n in sizes):
        raise ValueError(f"{name}: the lengths of a shape are at least 0, got {sizes}")
    return sizes


def _nonnegative(name: str, argument: str, value: float) -> float:
    """A finite number of at least 0."""
    number = one_number(name, argument, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name}: {argument} is finite and at least 0, got {value}")
    return number


def weight_shape(name: str, shape: Shape) -> Shape:
    """A shape with a fan-in and a fan-out: at least two axes, none of length 0."""
    sizes = array_shape(name, shape)
    if len(sizes) < 2 or 0 in sizes:
        raise ValueError(f"{name}: a weight has shape (out, in, ...), none of them 0, got {sizes}")
    return sizes


_default = Generator(0)  # for layers without an rng: the same in every run, different for every layer


def default_rng() -> Generator:
    """The Generator of layers that are made without one. Its seed is 0; see `manual_seed`."""
    return _default


def generator(rng: Generator | None) -> Generator:
    """`rng`, or the default Generator for None. TypeError, naming the layer or function, for anything else."""
    if rng is None:
        return _default
    if not isinstance(rng, Generator):
        raise TypeError(f"{called('init')}: rng is a Generator, such as mg.Generator(seed), got {shown(rng)}")
    return rng


def manual_seed(seed: int) -> None:
    """Seed the default Generator."""
    global _default
    _default = Generator(whole_number("manual_seed", "seed", seed, 0))
