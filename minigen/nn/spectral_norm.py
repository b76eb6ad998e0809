"""Spectral normalisation: a layer whose weight is divided by its largest singular value, as discriminators want it.

Imports: tensor, ops, module, layers. Read next: ``moving_average.py``.
"""

from __future__ import annotations

from typing import get_args

from minigen import ops
from minigen.autograd import Tensor, no_grad, note_change
from minigen.device import array_module
from minigen.nn import init
from minigen.nn.conv1d import Conv1d, ConvTranspose1d
from minigen.nn.embedding import Embedding
from minigen.nn.layers import Conv2d, ConvTranspose2d, Dense
from minigen.nn.module import Module, ShapeError, check_module
from minigen.random import Generator
from minigen_kernels import Array

Weighted = Dense | Conv1d | Conv2d | ConvTranspose1d | ConvTranspose2d | Embedding
_TINY = 1e-12  # keeps a weight of zeros finite


class SpectralNorm(Module):
    """`layer` with the weight W / sigma(W), sigma its largest singular value: then ||f(a) - f(b)|| <= ||a - b||.

    For a convolution that holds of the matrix (out, in kh kw). sigma = u^T W v with singular vectors u (out,) and v,
    which are buffers. `power_iteration` moves them; `forward` never does, in training as little as in evaluation, so
    that the two batches of a discriminator's update see one network. The gradient flows through sigma too, u and v
    being constants: d sigma / dW = u v^T (Miyato et al. 2018, arXiv:1802.05957, equations 8 to 12).
    """

    def __init__(self, layer: Weighted, *, rng: Generator | None = None) -> None:
        if not isinstance(layer, Weighted):
            names = ", ".join(kind.__name__ for kind in get_args(Weighted))
            raise TypeError(f"SpectralNorm: expected a layer with one weight ({names}), got {layer!r}")
        self.layer, self.transposed = layer, isinstance(layer, (ConvTranspose1d, ConvTranspose2d))
        w = self._matrix().data
        draw = init.generator(rng)
        self.u, self.v = Tensor(_unit(draw.normal(w.shape[:1]))), Tensor(_unit(draw.normal(w.shape[1:])))
        self.iterate(15)  # from anywhere to near the singular vectors; later one step at a time follows the weight

    def _matrix(self) -> Tensor:
        """The weight as a matrix (out, everything else)."""
        w: Tensor = self.layer.weight
        if self.transposed:  # the only one whose weight begins with the input's channels
            w = ops.transpose(w, (1, 0, *range(2, w.ndim)))
        return ops.reshape(w, (w.shape[0], -1))

    def iterate(self, steps: int = 1) -> None:
        """Steps of the power method: v <- W^T u / ||W^T u||, u <- W v / ||W v|| (algorithm 1)."""
        with no_grad():
            w = self._matrix().data
        u, v = self.u.data, self.v.data
        for _ in range(steps):
            v = _unit(w.T @ u)
            u = _unit(w @ v)
        self.u.data, self.v.data = u, v
        note_change(self.u)
        note_change(self.v)

    def sigma(self) -> Tensor:
        """The estimate u^T W v of the largest singular value, shape (): never above it but for rounding."""
        return ops.sum(self.u * ops.matmul(self._matrix(), self.v))

    def forward(self, x: Tensor) -> Tensor:
        layer = object.__new__(type(self.layer))  # the same layer with another weight; that of the network stays
        vars(layer).update(vars(self.layer), weight=self.layer.weight / (self.sigma() + _TINY))
        try:
            return layer(x)
        except ShapeError as error:
            error.module = self  # the copy stands in no network: the path is that of this module
            raise


def power_iteration(network: Module) -> None:
    """One step of the power method in every `SpectralNorm` of a network: once for each update of its weights."""
    for _, module in check_module("power_iteration", network).named_modules():
        if isinstance(module, SpectralNorm):
            module.iterate()


def _unit(x: Array) -> Array:
    xp = array_module(x)
    unit: Array = x / (xp.sqrt((x * x).sum()) + _TINY)
    return unit
