"""Enlarging images by whole factors: the Functions of `ops.upsample`. Each pair is each other's gradient.

    nearest        <-> block_sum
    bilinear       <-> bilinear_adjoint

Imports: autograd, kernels. Read next: ``pool.py``.
"""

from __future__ import annotations

from typing import Any

from minigen.autograd import Function, Tensor
from minigen_kernels import Array, Pair, for_array


class UpsampleNearest(Function):
    """Every pixel becomes a block of equal ones."""

    scale: Pair

    def forward(self, x: Array) -> Array:
        return for_array(x).upsample_nearest2d(x, self.scale)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.resize(x, self.scale, "nearest")

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return BlockSum.apply(gy, scale=self.scale)


class BlockSum(Function):
    """The sum of every block of pixels."""

    scale: Pair

    def forward(self, g: Array) -> Array:
        return for_array(g).block_sum2d(g, self.scale)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return UpsampleNearest.apply(gy, scale=self.scale)


class UpsampleBilinear(Function):
    """Straight lines between the centres of pixels."""

    scale: Pair

    def forward(self, x: Array) -> Array:
        return for_array(x).upsample_bilinear2d(x, self.scale)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.resize(x, self.scale, "linear")

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return UpsampleBilinearAdjoint.apply(gy, scale=self.scale)


class UpsampleBilinearAdjoint(Function):
    """The adjoint of `UpsampleBilinear`."""

    scale: Pair

    def forward(self, g: Array) -> Array:
        return for_array(g).upsample_bilinear2d_adjoint(g, self.scale)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return UpsampleBilinear.apply(gy, scale=self.scale)
