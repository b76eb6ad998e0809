"""Spectral normalisation of discriminators: a layer whose weight is divided by its largest singular value.

Imports: autograd, ops, module, layers. Read next: ``moving_average.py``.
"""

from __future__ import annotations

from typing import get_args

from minigen import ops
from minigen.autograd import Tensor, no_grad, note_change
from minigen.device import array_module
from minigen.nn import init
from minigen.nn.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from minigen.nn.layers import Dense, Embedding
from minigen.nn.module import Module, ShapeError, check_module
from minigen.ops.linalg import gemm
from minigen.random import Generator
from minigen_kernels import Array

WeightedLayer = Dense | Conv1d | Conv2d | ConvTranspose1d | ConvTranspose2d | Embedding
_EPS = 1e-12  # a weight of zeros stays finite


class SpectralNorm(Module):
    """`layer` with the weight W / sigma(W), sigma its largest singular value: then ||f(a) - f(b)|| <= ||a - b||.

    For a convolution this holds for the matrix (out, in kh kw). sigma = u^T W v with singular vectors u (out,) and v,
    which are buffers. `power_iteration` updates them. `forward` does not, not even in training, so that both batches of
    a discriminator's update see the same network. The gradient flows through sigma too, with constant u and v:
    d sigma / dW = u v^T (Miyato et al. 2018, arXiv:1802.05957, equations 8 to 12).
    """

    def __init__(self, layer: WeightedLayer, *, rng: Generator | None = None) -> None:
        if not isinstance(layer, WeightedLayer):
            names = ", ".join(kind.__name__ for kind in get_args(WeightedLayer))
            raise TypeError(f"SpectralNorm: expected a layer with one weight ({names}), got {layer!r}")
        self.layer, self.transposed = layer, isinstance(layer, (ConvTranspose1d, ConvTranspose2d))
        w = self._weight_matrix().data
        draw = init.generator(rng)
        self.u, self.v = Tensor(_normalize(draw.normal(w.shape[:1]))), Tensor(_normalize(draw.normal(w.shape[1:])))
        self.iterate(15)  # from random vectors; later one step for each update of the weight is enough

    def _weight_matrix(self) -> Tensor:
        """The weight as a matrix (out, everything else)."""
        w: Tensor = self.layer.weight
        if self.transposed:  # its weight has the input's channels first
            w = ops.transpose(w, (1, 0, *range(2, w.ndim)))
        return ops.reshape(w, (w.shape[0], -1))

    def iterate(self, steps: int = 1) -> None:
        """`steps` steps of the power method: v <- W^T u / ||W^T u||, u <- W v / ||W v|| (algorithm 1)."""
        with no_grad():
            w = self._weight_matrix().data
        u, v = self.u.data, self.v.data
        for _ in range(steps):
            v = _normalize(gemm(w.T, u))
            u = _normalize(gemm(w, v))
        self.u.data, self.v.data = u, v
        note_change(self.u)
        note_change(self.v)

    def sigma(self) -> Tensor:
        """The estimate u^T W v of the largest singular value, shape (): at most that value, up to rounding."""
        return ops.sum(self.u * ops.matmul(self._weight_matrix(), self.v))

    def forward(self, x: Tensor) -> Tensor:
        layer = object.__new__(type(self.layer))  # a copy with another weight
        vars(layer).update(vars(self.layer), weight=self.layer.weight / (self.sigma() + _EPS))
        try:
            return layer(x)
        except ShapeError as error:
            error.module = self  # the copy is in no network: the path is that of this module
            raise


def power_iteration(network: Module) -> None:
    """One step of the power method in every `SpectralNorm` of a network; call it once per update of the weights."""
    for _, module in check_module("power_iteration", network).named_modules():
        if isinstance(module, SpectralNorm):
            module.iterate()


def _normalize(x: Array) -> Array:
    xp = array_module(x)
    unit: Array = x / (xp.sqrt((x * x).sum()) + _EPS)
    return unit
