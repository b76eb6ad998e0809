"""Every kernel for one processor, in Numba and BLAS, under the names of ``reference``.

Compiled on first use, then cached on disk (see ``jit.py``). Read ``conv.py`` first.
"""

from minigen_kernels.cpu.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.cpu.pool import (
    avg_pool2d,
    avg_pool2d_adjoint,
    max_pool2d,
    plane_gather,
    plane_scatter,
)
from minigen_kernels.cpu.upsample import (
    block_sum2d,
    upsample_bilinear2d,
    upsample_bilinear2d_adjoint,
    upsample_nearest2d,
)

__all__ = [
    "avg_pool2d",
    "avg_pool2d_adjoint",
    "block_sum2d",
    "conv2d",
    "conv2d_weight_grad",
    "conv_transpose2d",
    "max_pool2d",
    "plane_gather",
    "plane_scatter",
    "upsample_bilinear2d",
    "upsample_bilinear2d_adjoint",
    "upsample_nearest2d",
]
