"""Losses of a Wasserstein critic: the difference of its mean scores, and the penalty on its slope. Both are fused.

Imports: autograd, ops, kernels. Read next: ``penalty.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.autograd import FusedFunction, Tensor, as_tensor
from minigen_kernels import Array, for_array


class MeanDifference(FusedFunction):
    """The mean of a (N,) less that of b (M,)."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return for_array(a).mean_difference(a, b)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        a, b = (x.data for x in self.inputs)
        return for_array(gy).mean_difference_backward(gy, a.size, b.size)

    def definition(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.mean(a) - ops.mean(b)


class UnitNormPenalty(FusedFunction):
    """(||g_n|| - 1)^2, mean over the samples of g (N, ...)."""

    norms: Array  # (N,); saved by forward

    def forward(self, g: Array) -> Array:
        y, self.norms = for_array(g).unit_norm_penalty(g)
        return y

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return for_array(gy).unit_norm_penalty_backward(gy, self.inputs[0].data, self.norms)

    def definition(self, g: Tensor) -> Tensor:
        norms = ops.sqrt(ops.sum(g * g, axis=tuple(range(1, g.ndim))) + 1e-12)
        return ops.mean((norms - 1) ** 2)


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """The loss of a critic with scores real (N,) and fake (M,): mean fake less mean real, minus the estimated distance.

    Unit: that of the scores. Arjovsky et al. 2017, arXiv:1701.07875, equation 3. Derived in docs/guide/14_gans.md.
    """
    real, fake = as_tensor(real), as_tensor(fake)
    for name, x in (("real", real), ("fake", fake)):
        if x.dtype.kind != "f" or x.ndim != 1 or not x.size:
            raise ValueError(f"wasserstein_critic: {name} has to be scores (N,) of floats, N above 0, got {x!r}")
    return MeanDifference.apply(fake, real)


def unit_norm_penalty(g: Tensor) -> Tensor:
    """(||g_n|| - 1)^2, mean over samples: g (N, ...) are gradients of scores, whose slope is to be 1.

    The norm is sqrt(sum g_n^2 + 1e-12): at 0 the root has no finite derivative. Gulrajani et al. 2017,
    arXiv:1704.00028, equation 3.
    """
    g = as_tensor(g)
    if g.dtype.kind != "f" or not g.ndim or not len(g):
        raise ValueError(f"unit_norm_penalty: g has to be floats (N, ...), N above 0, got {g!r}")
    return UnitNormPenalty.apply(g)
