"""Kullback-Leibler divergences KL(p || q) = E_p[log p - log q], at least 0, and 0 for p = q, in nats.

For nearly equal p and q the divergence is of second order, while log p - log q is of first order: a direct sum would
lose digits, and might be negative. So each divergence is written as a sum of non-negative terms (``tangent.py``). It is
accurate there, and so are its gradients.

The default reduction gives nats per sample ("batchmean"), as in the evidence lower bound.

Imports: autograd, ops, reconstruction, tangent, kernels. Read next: ``penalty.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import ops
from minigen.autograd import Function, FusedFunction, Tensor
from minigen.device import array_module
from minigen.losses.reconstruction import clamped_log, clamped_log1m
from minigen.losses.reduction import (
    Reduction,
    check_reduction,
    check_same_shape,
    check_unit_interval,
    reduce,
    reduction_scale,
)
from minigen.losses.tangent import exp_excess, log_deficit
from minigen.ops.elementwise import ScaleWhere
from minigen.ops.reduce import sum_axes
from minigen_kernels import Array, for_array


class GaussianKlSum(FusedFunction):
    """The sum of (mu^2 + exp(logvar) - logvar - 1) / 2 times `scale`, in one pass over memory."""

    scale: float

    def forward(self, mu: Array, logvar: Array) -> Array:
        return for_array(mu).gaussian_kl_sum(mu, logvar, self.scale)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        mu, logvar = (x.data for x in self.inputs)
        return for_array(mu).gaussian_kl_sum_backward(gy, mu, logvar, self.scale)

    def definition(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return ops.sum(_gaussian_kl_elements(mu, logvar)) * self.scale


def _gaussian_kl_elements(mu: Tensor, logvar: Tensor) -> Tensor:
    return (mu**2 + exp_excess(logvar)) * 0.5


def gaussian_kl(mu: Tensor, logvar: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) = (mu^2 + exp(logvar) - logvar - 1) / 2 (arXiv:1312.6114, appendix B).

    Both of one shape, (N, D). Unit: nats; per sample ("batchmean"), per dimension of the code and sample ("mean"), per
    batch ("sum"); "none" gives (N, D). Derived in docs/guide/13_vae.md.
    """
    mu, logvar = check_same_shape("gaussian_kl", mu=mu, logvar=logvar)
    if check_reduction("gaussian_kl", reduction) == "none":
        return _gaussian_kl_elements(mu, logvar)
    return GaussianKlSum.apply(mu, logvar, scale=reduction_scale("gaussian_kl", mu, reduction))


def gaussian_kl_between(
    mu1: Tensor, logvar1: Tensor, mu2: Tensor, logvar2: Tensor, *, reduction: Reduction = "batchmean"
) -> Tensor:
    """KL(N(mu1, v1) || N(mu2, v2)) = (log v2 - log v1 + (v1 + (mu1 - mu2)^2) / v2 - 1) / 2, with v = exp(logvar).

    All four of one shape, (N, D). Unit: nats, as in `gaussian_kl`.
    """
    mu1, logvar1, mu2, logvar2 = check_same_shape(
        "gaussian_kl_between", mu1=mu1, logvar1=logvar1, mu2=mu2, logvar2=logvar2
    )
    kl = exp_excess(logvar1 - logvar2) + (mu1 - mu2) ** 2 * ops.exp(-logvar2)
    return reduce("gaussian_kl_between", kl * 0.5, reduction)


def bernoulli_kl(p: Tensor, q: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(Bernoulli(p) || Bernoulli(q)) = p log(p / q) + (1 - p) log((1 - p) / (1 - q)), both (N, D) and in [0, 1].

    Logarithms are clamped to at least -100, so that this is finite where q is 0 or 1. Unit: nats, as in
    `gaussian_kl`.
    """
    p, q = check_same_shape("bernoulli_kl", p=p, q=q)
    check_unit_interval("bernoulli_kl", "p", p)
    check_unit_interval("bernoulli_kl", "q", q)
    return reduce("bernoulli_kl", bernoulli_kl_elements(p, q), reduction)


def bernoulli_kl_elements(p: Tensor, q: Tensor) -> Tensor:
    """KL(Bernoulli(p) || Bernoulli(q)) of each element.

    With u = (q - p) / p and v = (p - q) / (1 - p) it is p (u - log(1 + u)) + (1 - p) (v - log(1 + v)): the added
    p u + (1 - p) v is 0. This form is used where q / p and (1 - q) / (1 - p) are between 1/4 and 4.
    """
    near = _within_factor_4(p.data, q.data) & _within_factor_4(1 - p.data, 1 - q.data)
    d, one = _where(near, q - p), Tensor((~near).astype(p.dtype))  # avoids a division by 0 where the form is not used
    a, b = _where(near, p) + one, _where(near, 1 - p) + one
    direct = p * (clamped_log(p) - clamped_log(q)) + (1 - p) * (clamped_log1m(p) - clamped_log1m(q))
    return _where(near, a * log_deficit(d / a) + b * log_deficit(-d / b)) + _where(~near, direct)


def _within_factor_4(p: Array, q: Array) -> Array:
    """Where both ratios, p / q and q / p, are below 4."""
    near: Array = (q < 4 * p) & (p < 4 * q)
    return near


def _where(mask: Array, x: Tensor) -> Tensor:
    """x where the mask is true, else 0; faster than `ops.where`."""
    return ScaleWhere.apply(x, condition=mask, slope=0.0)


class CategoricalKl(Function):
    """KL(softmax(x) || softmax(z)) over the last axis.

    With d = z - x minus its mean under p, it is log(sum p exp(d)) = log(1 + sum p (exp(d) - 1 - d)), which is used for
    rows with |d| <= 1. Elsewhere it is the sum over k of q - p - p log(q / p) = p `exp_excess`(log(q / p)).
    """

    def forward(self, x: Array, z: Array) -> Array:
        xp, kernels, last = array_module(x), for_array(x), (x.ndim - 1,)
        log_p, log_q = (kernels.log_softmax(a.reshape(-1, a.shape[-1])).reshape(a.shape) for a in (x, z))
        p, q = xp.exp(log_p), xp.exp(log_q)
        with np.errstate(invalid="ignore", over="ignore"):
            d = z - x
            for _ in range(2):  # once more for what rounding left of a large mean
                d = d - sum_axes(p * d, last, keepdims=True)
            near = xp.abs(d).max(-1, keepdims=True) <= 1
            series = xp.log1p(sum_axes(p * kernels.exp_excess(xp.where(near, d, 0).astype(d.dtype, copy=False)), last))
            ratio = log_q - log_p
            terms = xp.where(ratio < 1, p * kernels.exp_excess(ratio), q - p - p * ratio)
            direct = sum_axes(xp.where(p == 0, q, terms), last)
        return xp.where(near[..., 0], series, direct)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, z = self.inputs
        gy, y = (ops.reshape(t, (*t.shape, 1)) for t in (gy, y))
        p = ops.softmax(x)
        d = z - x
        for _ in range(2):
            d = d - ops.sum(p * d, axis=-1, keepdims=True)
        ratio = d - y  # log(q / p)
        near = array_module(ratio.data).abs(ratio.data) < 1
        difference = _where(near, p * ops.expm1(_where(near, ratio))) + _where(~near, ops.softmax(z) - p)
        return gy * (-p * d) if self.needs(0) else None, gy * difference if self.needs(1) else None


def categorical_kl(p_logits: Tensor, q_logits: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(p || q) = sum over k of p_k (log p_k - log q_k), for p and q the softmax of the logits over the last axis.

    Both of one shape, (N, K) or (N, ..., K). Unit: nats; per sample ("batchmean"), per distribution ("mean"), per batch
    ("sum"); "none" gives (N,) or (N, ...).
    """
    p_logits, q_logits = check_same_shape("categorical_kl", p_logits=p_logits, q_logits=q_logits)
    if not p_logits.ndim:
        raise ValueError("categorical_kl: expected logits (N, K) or (N, ..., K), got shape ()")
    return reduce("categorical_kl", CategoricalKl.apply(p_logits, q_logits), reduction)
