"""A draw from the Gaussian that an encoder describes, and its divergence, by the kernels that there are for each part.

All arrays are small, (N, D) with the dimension D of a code.

Imports: NumPy; ``activation.py``, ``elementwise.py``, ``loss.py``, ``random.py``; the check of arguments from
``reference``. Read next: ``random.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cpu.activation import bias_act, bias_act_backward
from minigen_kernels.cpu.elementwise import reparameterize, reparameterize_backward
from minigen_kernels.cpu.loss import gaussian_kl_sum, gaussian_kl_sum_backward
from minigen_kernels.cpu.random import normal
from minigen_kernels.reference.elementwise import check_like
from minigen_kernels.reference.loss import check_gradient
from minigen_kernels.reference.posterior import check_posterior


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
    """A draw and its divergence: m, v (N, D), b_mean, b_logvar (D,) -> z (N, D), kl (), and mean, t, noise (N, D)."""
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
