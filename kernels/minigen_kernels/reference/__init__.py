"""The obvious NumPy version of every kernel: the specification. Read ``conv.py`` first.

Slow and plain; the tests hold the other rooms to it.
"""

from minigen_kernels.reference.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.reference.pool import (
    avg_pool2d,
    avg_pool2d_adjoint,
    max_pool2d,
    plane_gather,
    plane_scatter,
)
from minigen_kernels.reference.upsample import (
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
