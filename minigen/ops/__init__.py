"""The differentiable operations, one family a file. Everything here takes and returns Tensors.

What treats each element alone (exp, relu, ...) takes any shape and keeps it; two operands are broadcast as in NumPy.
Arrays, numbers and lists of numbers are taken as constants. An argument that does not fit is a TypeError (of the wrong
kind, or two dtypes) or a ValueError (of the wrong size or value), which begins with the name of the operation.

Imports: autograd, kernels. Read next: ``arithmetic.py``, ``shape.py``, ``reduce.py``, ``indexing.py``,
``linalg.py``; then ``elementwise.py`` and ``conv.py``.
"""

from typing import TYPE_CHECKING

from minigen.names import asked_of_module
from minigen.ops import tensor_methods as tensor_methods
from minigen.ops.activations import celu, elu, gelu, hardswish, leaky_relu, mish, prelu, relu, selu, silu
from minigen.ops.arithmetic import abs, power
from minigen.ops.bias_act import bias_act
from minigen.ops.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen.ops.conv1d import avg_pool1d, conv1d, conv_transpose1d, max_pool1d
from minigen.ops.einsum import einsum
from minigen.ops.elementwise import clip, maximum, minimum, reparameterize, where
from minigen.ops.embedding import embedding
from minigen.ops.indexing import getitem
from minigen.ops.interpolate import interpolate
from minigen.ops.linalg import linear, matmul
from minigen.ops.norm import (
    batch_norm,
    batch_norm_inference,
    batch_norm_with_statistics,
    group_norm,
    instance_norm,
    layer_norm,
)
from minigen.ops.order import argmax, argmin, argsort, sort
from minigen.ops.padding import pad
from minigen.ops.pool import (
    avg_pool2d,
    bias_act_max_pool2d,
    max_pool2d,
    max_pool2d_with_indices,
    max_unpool2d,
    upsample,
)
from minigen.ops.reduce import broadcast_to, cumsum, max, mean, min, norm, prod, sum, sum_to, var
from minigen.ops.shape import concat, flatten, pixel_shuffle, pixel_unshuffle, reshape, stack, transpose
from minigen.ops.softmax import log_softmax, logaddexp, logsumexp, softmax
from minigen.ops.transcendental import cos, erf, erfc, exp, expm1, log, log1p, sigmoid, sin, softplus, sqrt, tanh

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "abs", "argmax", "argmin", "argsort", "avg_pool1d", "avg_pool2d", "batch_norm", "batch_norm_inference",
    "batch_norm_with_statistics", "bias_act", "bias_act_max_pool2d", "broadcast_to", "celu", "clip", "concat",
    "conv1d", "conv2d", "conv2d_weight_grad", "conv_transpose1d", "conv_transpose2d", "cos", "cumsum", "einsum",
    "elu", "embedding", "erf", "erfc", "exp", "expm1", "flatten", "gelu", "getitem", "group_norm", "hardswish",
    "instance_norm", "interpolate", "layer_norm", "leaky_relu", "linear", "log", "log1p", "log_softmax",
    "logaddexp", "logsumexp", "matmul", "max", "max_pool1d", "max_pool2d", "max_pool2d_with_indices",
    "max_unpool2d", "maximum", "mean", "min", "minimum", "mish", "norm", "pad", "pixel_shuffle", "pixel_unshuffle",
    "power", "prelu", "prod", "relu", "reparameterize", "reshape", "selu", "sigmoid", "silu", "sin", "softmax",
    "softplus", "sort", "sqrt", "stack", "sum", "sum_to", "tanh", "transpose", "upsample", "var", "where",
]  # fmt: skip
