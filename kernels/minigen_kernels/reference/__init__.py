"""The obvious NumPy version of every kernel: the specification. Read ``conv.py`` first.

Slow and plain; the tests hold the other rooms to it.
"""

from minigen_kernels.reference.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.reference.elementwise import erf, scale_where
from minigen_kernels.reference.norm import batch_norm, batch_norm_backward, layer_norm, layer_norm_backward
from minigen_kernels.reference.optim import adam_update, rmsprop_update, sgd_update
from minigen_kernels.reference.pool import avg_pool2d, avg_pool2d_adjoint, max_pool2d, plane_gather, plane_scatter
from minigen_kernels.reference.random import normal, philox, uniform
from minigen_kernels.reference.upsample import (
    block_sum2d,
    upsample_bilinear2d,
    upsample_bilinear2d_adjoint,
    upsample_nearest2d,
)

__all__ = [
    "adam_update",
    "avg_pool2d",
    "avg_pool2d_adjoint",
    "batch_norm",
    "batch_norm_backward",
    "block_sum2d",
    "conv2d",
    "conv2d_weight_grad",
    "conv_transpose2d",
    "erf",
    "layer_norm",
    "layer_norm_backward",
    "max_pool2d",
    "normal",
    "philox",
    "plane_gather",
    "plane_scatter",
    "rmsprop_update",
    "scale_where",
    "sgd_update",
    "uniform",
    "upsample_bilinear2d",
    "upsample_bilinear2d_adjoint",
    "upsample_nearest2d",
]
