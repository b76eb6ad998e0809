"""A draw from the Gaussian that an encoder describes, and its divergence from N(0, 1), in one kernel.

The encoder's last layers give m and v, (N, D), without their biases. With these,

    mean = m + b_mean,  t = tanh((v + b_logvar) / limit),  logvar = limit t      a log-variance within +-limit
    z = mean + exp(logvar / 2) noise                                             `reparameterize`
    kl = scale sum of (mean^2 + exp(logvar) - 1 - logvar) / 2                    `gaussian_kl_sum`

Imports: NumPy; ``activation.py``, ``elementwise.py``, ``loss.py``, ``random.py``. Read next: the same file in ``cuda``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.reference.activation import bias_act, bias_act_backward
from minigen_kernels.reference.elementwise import check_like, reparameterize, reparameterize_backward
from minigen_kernels.reference.loss import check_gradient, gaussian_kl_sum, gaussian_kl_sum_backward
from minigen_kernels.reference.random import normal


def posterior_sample(
    m: Array,
    v: Array,
    b_mean: Array,
    b_logvar: Array,
    limit: float,
    seed: int,
    stream: int,
    position: int,
    scale: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """A draw and its divergence: m, v (N, D), b_mean, b_logvar (D,) -> z (N, D), kl (), and mean, t, noise (N, D).

    `noise` is the draw `normal` of seed, stream and position.
    """
    check_posterior("posterior_sample", m, v, b_mean, b_logvar)
    mean = bias_act(m[:, :, None], b_mean, "identity", 0.0)[:, :, 0]
    t = np.tanh(bias_act(v[:, :, None], b_logvar, "identity", 0.0)[:, :, 0] * (1 / limit))
    noise = normal(seed, stream, position, m.size, m.dtype).reshape(m.shape)
    logvar = t * limit
    return reparameterize(mean, logvar, noise), gaussian_kl_sum(mean, logvar, scale), mean, t, noise


def posterior_sample_backward(
    gz: Array, gkl: Array, mean: Array, t: Array, noise: Array, limit: float, scale: float
) -> tuple[Array, Array, Array, Array]:
    """Gradients in m, v, b_mean and b_logvar from those of z and kl, gz (N, D) and gkl (), and what was kept."""
    check_like("posterior_sample_backward", gz, mean=mean, t=t, noise=noise)
    check_gradient("posterior_sample_backward", gkl, gz)
    logvar = t * limit
    gmean, glogvar = gaussian_kl_sum_backward(gkl, mean, logvar, scale)
    glogvar = glogvar + reparameterize_backward(gz, logvar, noise)[0]
    gv = glogvar * limit * (1 - t * t) * (1 / limit)
    gm, gb_mean = _through_bias(gz + gmean)
    gv, gb_logvar = _through_bias(gv)
    return gm, gv, gb_mean, gb_logvar


def _through_bias(g: Array) -> tuple[Array, Array]:
    """The gradients before and in a bias: g (N, D) itself, and its sum (D,)."""
    gx, gb = bias_act_backward(g[:, :, None], g[:, :, None], "identity", 0.0)
    return gx[:, :, 0], gb


def check_posterior(name: str, m: Array, v: Array, b_mean: Array, b_logvar: Array) -> None:
    """Raise ValueError for arrays that do not fit each other. All versions call this."""
    check_like(name, m, v=v)
    for argument, b in (("b_mean", b_mean), ("b_logvar", b_logvar)):
        if m.ndim != 2 or b.shape != m.shape[1:] or b.dtype != m.dtype:
            got = f"shape {b.shape} and dtype {b.dtype}"
            raise ValueError(f"{name}: {argument} has {got}, but m (N, D) = {m.shape} asks for (D,) and {m.dtype}")
