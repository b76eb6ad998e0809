"""Room 2: the differentiable operations, one family a file. Everything here takes and returns Tensors.

What treats each element alone (exp, relu, ...) takes any shape and keeps it; two operands are broadcast as in NumPy.
Arrays, numbers and lists of numbers are taken as constants. An argument that does not fit is a TypeError (of the wrong
kind, or two dtypes) or a ValueError (of the wrong size or value), which begins with the name of the operation.

Imports: tensor, kernels. Read next: ``elementwise.py``, then ``conv.py``.
"""

from typing import TYPE_CHECKING

from minigen.names import asked_of_module
from minigen.ops.activation import bias_act
from minigen.ops.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen.ops.conv1d import avg_pool1d, conv1d, conv_transpose1d, max_pool1d
from minigen.ops.cumulative import cumsum, prod
from minigen.ops.einsum import einsum
from minigen.ops.elementwise import (
    abs,
    clip,
    elu,
    erf,
    erfc,
    exp,
    gelu,
    leaky_relu,
    log,
    maximum,
    minimum,
    power,
    relu,
    reparameterize,
    sigmoid,
    silu,
    softplus,
    sqrt,
    tanh,
    where,
)
from minigen.ops.embedding import embedding
from minigen.ops.grouped_norm import group_norm, instance_norm
from minigen.ops.interpolate import interpolate
from minigen.ops.linalg import linear, matmul
from minigen.ops.norm import batch_norm, batch_norm_inference, batch_norm_with_statistics, layer_norm
from minigen.ops.order import argmax, argmin, argsort, sort
from minigen.ops.padding import pad
from minigen.ops.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from minigen.ops.pool import avg_pool2d, max_pool2d, max_pool2d_with_indices, max_unpool2d, upsample
from minigen.ops.rectifier import celu, hardswish, mish, prelu, selu
from minigen.ops.reduce import log_softmax, logsumexp, max, mean, min, norm, softmax, sum, var
from minigen.ops.shape import broadcast_to, concat, flatten, getitem, reshape, stack, sum_to, transpose
from minigen.ops.transcendental import cos, expm1, log1p, logaddexp, sin

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "abs",
    "argmax",
    "argmin",
    "argsort",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "batch_norm_inference",
    "batch_norm_with_statistics",
    "bias_act",
    "broadcast_to",
    "celu",
    "clip",
    "concat",
    "conv1d",
    "conv2d",
    "conv2d_weight_grad",
    "conv_transpose1d",
    "conv_transpose2d",
    "cos",
    "cumsum",
    "einsum",
    "elu",
    "embedding",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "flatten",
    "gelu",
    "getitem",
    "group_norm",
    "hardswish",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log1p",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_unpool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mish",
    "norm",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "power",
    "prelu",
    "prod",
    "relu",
    "reparameterize",
    "reshape",
    "selu",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sort",
    "sqrt",
    "stack",
    "sum",
    "sum_to",
    "tanh",
    "transpose",
    "upsample",
    "var",
    "where",
]
