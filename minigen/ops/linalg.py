"""Products of matrices: matmul, and linear, which is a dense layer's whole computation.

Imports: tensor, activation, kernels. Read next: ``conv.py``.
"""

from __future__ import annotations

from minigen.autograd import FusedFunction, Tensor, as_tensor, gemm, matmul, reshape, sum, transpose
from minigen.ops.activation import NOTHING, Activation, Fused, check_activation, split, through
from minigen_kernels import Array, for_array


class Linear(FusedFunction):
    one_dtype = True
    fused: Fused

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        z = gemm(x, w.T)
        return z if b is None else for_array(z).bias_act(z[:, :, None], b, *self.fused)[:, :, 0]

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        x, w = self.inputs[0].data, self.inputs[1].data
        gz, gb = gy, None
        if len(self.inputs) == 3 and (self.fused is not NOTHING or self.needs(2)):
            gz, gb = for_array(y).bias_act_backward(gy[:, :, None], y[:, :, None], *self.fused)
            gz = gz[:, :, 0]
        gx = gemm(gz, w) if self.needs(0) else None
        gw = gemm(gz.T, x) if self.needs(1) else None
        return (gx, gw, gb)[: len(self.inputs)]

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.inputs[:2]
        gz = through(self.fused, gy, y)
        gx = matmul(gz, w) if self.needs(0) else None
        gw = matmul(transpose(gz), x) if self.needs(1) else None
        gb = sum(gz, 0) if len(self.inputs) == 3 and self.needs(2) else None
        return (gx, gw, gb)[: len(self.inputs)]


def linear(x: Tensor, w: Tensor, b: Tensor | None = None, activation: Activation | None = None) -> Tensor:
    """The dense layer y = activation(x w^T + b) for x (..., in), w (out, in), b (out,): y (..., out).

    With a bias, an activation that `bias_act` knows is computed in the same pass.
    """
    x, w = as_tensor(x), as_tensor(w)
    size, weights = x.shape, w.shape
    if len(weights) != 2 or not size or size[-1] != weights[1]:
        raise ValueError(f"linear: expected x (..., in) and w (out, in), got x {size} and w {weights}")
    if b is not None and as_tensor(b).shape != weights[:1]:
        raise ValueError(f"linear: expected b ({weights[0]},) for w {weights}, got {as_tensor(b).shape}")
    check_activation("linear", activation)
    fused, left = (NOTHING, activation) if b is None else split(activation)
    flat = x if len(size) == 2 else reshape(x, (-1, size[-1]))
    y = Linear.apply(flat, w, fused=fused) if b is None else Linear.apply(flat, w, b, fused=fused)
    y = y if len(size) == 2 else reshape(y, (*size[:-1], weights[0]))
    return y if left is None else left(y)


__all__ = ["linear", "matmul"]
