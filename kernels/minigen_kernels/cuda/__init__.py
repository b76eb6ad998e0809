"""Every kernel for a CUDA device, under the names of ``reference``: Python wrappers, each family beside its CUDA C++.

Compiled on first use, through CuPy. Read ``elementwise.cu`` first, then ``launch.py``, then ``conv.cu``.
"""

from minigen_kernels.cuda.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.cuda.elementwise import erf, scale_where
from minigen_kernels.cuda.norm import batch_norm, batch_norm_backward, layer_norm, layer_norm_backward
from minigen_kernels.cuda.optim import adam_update, rmsprop_update, sgd_update
from minigen_kernels.cuda.pool import avg_pool2d, avg_pool2d_adjoint, max_pool2d, plane_gather, plane_scatter
from minigen_kernels.cuda.random import normal, philox, uniform
from minigen_kernels.cuda.upsample import (
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
