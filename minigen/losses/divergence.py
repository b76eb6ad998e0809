"""How far one distribution is from another: KL(p || q) = E_p[log p - log q], never negative, 0 for equals, in nats.

By default these are reduced to nats per sample ("batchmean"), as a term of an evidence bound has to be.

Imports: tensor, ops, reconstruction, kernels. Read next: ``penalty.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.losses.reconstruction import clamped_log
from minigen.losses.reduction import Reduction, alike, check_unit_interval, reduced, scale_of_sum
from minigen.tensor import FusedFunction, Tensor
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
    return (mu**2 + ops.exp(logvar) - logvar - 1) * 0.5


def gaussian_kl(mu: Tensor, logvar: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) = (mu^2 + exp(logvar) - logvar - 1) / 2 (arXiv:1312.6114, appendix B).

    Both of one shape, (N, D). Unit: nats; per sample ("batchmean"), per dimension of the code and sample ("mean"), per
    batch ("sum"); "none" gives (N, D).
    """
    mu, logvar = alike("gaussian_kl", mu=mu, logvar=logvar)
    if reduction == "none":
        return _gaussian_kl_elements(mu, logvar)
    return GaussianKlSum.apply(mu, logvar, scale=scale_of_sum("gaussian_kl", mu, reduction))


def gaussian_kl_between(
    mu1: Tensor, logvar1: Tensor, mu2: Tensor, logvar2: Tensor, *, reduction: Reduction = "batchmean"
) -> Tensor:
    """KL(N(mu1, v1) || N(mu2, v2)) = (log v2 - log v1 + (v1 + (mu1 - mu2)^2) / v2 - 1) / 2, with v = exp(logvar).

    All four of one shape, (N, D). Unit: nats, as in `gaussian_kl`.
    """
    mu1, logvar1, mu2, logvar2 = alike("gaussian_kl_between", mu1=mu1, logvar1=logvar1, mu2=mu2, logvar2=logvar2)
    log_ratio = logvar1 - logvar2
    kl = ops.exp(log_ratio) - log_ratio - 1 + (mu1 - mu2) ** 2 * ops.exp(-logvar2)
    return reduced("gaussian_kl_between", kl * 0.5, reduction)


def bernoulli_kl(p: Tensor, q: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(Bernoulli(p) || Bernoulli(q)) = p log(p / q) + (1 - p) log((1 - p) / (1 - q)), both (N, D) and in [0, 1].

    A logarithm counts as -100 where it is smaller, so that this is finite where q is 0 or 1. Unit: nats, as in
    `gaussian_kl`.
    """
    p, q = alike("bernoulli_kl", p=p, q=q)
    check_unit_interval("bernoulli_kl", "p", p)
    check_unit_interval("bernoulli_kl", "q", q)
    kl = p * (clamped_log(p) - clamped_log(q)) + (1 - p) * (clamped_log(1 - p) - clamped_log(1 - q))
    return reduced("bernoulli_kl", kl, reduction)


def categorical_kl(p_logits: Tensor, q_logits: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """KL(p || q) = sum over k of p_k (log p_k - log q_k), for p and q the softmax of the logits over the last axis.

    Both of one shape, (N, K) or (N, ..., K). Unit: nats; per sample ("batchmean"), per distribution ("mean"), per batch
    ("sum"); "none" gives (N,) or (N, ...).
    """
    p_logits, q_logits = alike("categorical_kl", p_logits=p_logits, q_logits=q_logits)
    if not p_logits.ndim:
        raise ValueError("categorical_kl: expected logits (N, K) or (N, ..., K), got shape ()")
    log_p, log_q = ops.log_softmax(p_logits), ops.log_softmax(q_logits)
    return reduced("categorical_kl", ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1), reduction)
