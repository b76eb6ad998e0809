"""A draw from the Gaussian that an encoder describes, and its divergence, in CUDA; the arithmetic: ``posterior.cu``.

Imports: NumPy, ``launch.py``, ``activation.py``, ``random.py``; from ``reference`` the checks of arguments.
Specification: the same file there. Read next: ``posterior.cu``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array
from minigen_kernels.cuda.activation import channel_sums
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, counters, empty, launch, zeros
from minigen_kernels.cuda.random import start
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
    z, mean, t, noise = (empty(m.shape, m.dtype) for _ in range(4))
    kl, blocks = empty((), m.dtype), blocks_for(-(-m.size * m.itemsize // 16))
    sums = empty((blocks,), np.float64), counters(1), kl, *start(seed, stream, position)
    operands = contiguous(m), contiguous(v), contiguous(b_mean), contiguous(b_logvar), z, mean, t, noise
    numbers = m.size, m.shape[1], limit, scale
    launch("posterior.cu", "posterior_sample_kernel", blocks, THREADS, *operands, *sums, *numbers)
    return z, kl, mean, t, noise


def posterior_sample_backward(
    gz: Array, gkl: Array, mean: Array, t: Array, noise: Array, limit: float, scale: float
) -> tuple[Array, Array, Array, Array]:
    """Gradients in m, v, b_mean and b_logvar from those of z and kl, gz (N, D) and gkl (), and what was kept."""
    check_like("posterior_sample_backward", gz, mean=mean, t=t, noise=noise)
    check_gradient("posterior_sample_backward", gkl, gz)
    N, D = gz.shape
    gm, gv = empty(gz.shape, gz.dtype), empty(gz.shape, gz.dtype)
    if not gz.size:
        return gm, gv, zeros((D,), gz.dtype), zeros((D,), gz.dtype)
    gb_mean, gb_logvar = empty((D,), gz.dtype), empty((D,), gz.dtype)
    grid, sums = channel_sums((N, D, 1), 2)
    operands = contiguous(gz), gkl, contiguous(mean), contiguous(t), contiguous(noise), gm, gv
    results = *sums[:2], gb_mean, gb_logvar, limit, scale
    launch("posterior.cu", "posterior_sample_backward_kernel", grid, THREADS, *operands, *results, *sums[2:])
    return gm, gv, gb_mean, gb_logvar
