"""The operators of a Tensor and the operations of `ops`, each with its cases.

Imports: ops, autograd. Read next: ``layers.py``.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.inventory.cases import (
    Case,
    Inputs,
    Item,
    arrays,
    case,
    distinct,
    distinct_sizes,
    normal,
    normal_away_from,
    positive,
)
from minigen_kernels import Array


def op(name: str, *inputs: Inputs, **options: Any) -> tuple[str, Case]:
    """One case of an operation of `ops`."""
    return f"ops.{name}", case(getattr(ops, name), *inputs, **options)


def _items(*cases: tuple[str, Case]) -> tuple[Item, ...]:
    """Items of cases; those of one name become one item."""
    names = dict.fromkeys(name for name, _ in cases)
    return tuple(Item(name, tuple(one for other, one in cases if other == name)) for name in names)


def separated(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two operands that broadcast and differ by at least 0.1 everywhere."""
    return rng.integers(-8, 8, (3, 4)) * 0.25, rng.integers(-8, 8, (4,)) * 0.25 + 0.125


def where_inputs(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A condition and two operands, of shapes that broadcast."""
    return rng.random((2, 3)) < 0.5, normal(rng, (3,)), normal(rng, (2, 3))


def power_inputs(rng: np.random.Generator) -> tuple[Array, Array]:
    """A positive base and any exponent."""
    return positive(rng, (3, 4)), normal(rng, (4,))


def batch_norm_inference_inputs(rng: np.random.Generator) -> tuple[Array, ...]:
    """x, mean, var, w, b of a batch normalisation with given statistics."""
    return normal(rng, (3, 2, 2, 2)), normal(rng, (2,)), positive(rng, (2,)), normal(rng, (2,)), normal(rng, (2,))


def norm_inputs(*shapes: Any) -> Inputs:
    """x with clearly different values (their variance is divided by), w and b."""
    return lambda rng: (distinct(rng, shapes[0]), *(normal(rng, shape) for shape in shapes[1:]))


def unpool_inputs(rng: np.random.Generator) -> tuple[Any, ...]:
    """Pooled values, the indices of the maxima, and the kernel size."""
    _, indices = ops.max_pool2d_with_indices(Tensor(distinct(rng, (2, 2, 4, 6))), 2)
    return normal(rng, (2, 2, 2, 3)), indices, 2


OPERATORS = _items(
    ("Tensor +", case(operator.add, arrays(normal, (3, 4), (4,)))),
    ("Tensor -", case(operator.sub, arrays(normal, (3, 1), (2, 1, 4)))),
    ("Tensor -", case(operator.neg, arrays(normal, (3, 4)))),
    ("Tensor *", case(operator.mul, arrays(normal, (3, 4), (3, 1)))),
    ("Tensor /", case(operator.truediv, arrays(positive, (4,), (3, 4)))),
    ("Tensor **", case(operator.pow, power_inputs)),
    ("Tensor **", case(lambda x: x**3, arrays(normal, (3, 4)))),
    ("Tensor @", case(operator.matmul, arrays(normal, (2, 3, 4), (4, 2)))),
    ("number - Tensor", case(lambda x: 2.0 - x + 3.0 / x + 2.0**x, arrays(positive, (3, 4)))),
    ("Tensor []", case(lambda x: x[1:, [0, 2, 2], None], arrays(normal, (3, 4)))),
    ("Tensor.sum", case(lambda x: x.sum(1), arrays(normal, (2, 3, 4)))),
    ("Tensor.mean", case(lambda x: x.mean((0, 2)), arrays(normal, (2, 3, 4)))),
    ("Tensor.reshape", case(lambda x: x.reshape(4, -1), arrays(normal, (2, 3, 4)))),
    ("Tensor.transpose", case(lambda x: x.transpose(1, 2, 0), arrays(normal, (2, 3, 4)))),
)

IMAGE, STRIDED = (2, 4, 6, 5), dict(stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2)

OPERATIONS = _items(
    # Elementwise.
    op("exp", arrays(normal, (3, 4))),
    op("expm1", arrays(normal, (3, 4))),
    op("log", arrays(positive, (3, 4))),
    op("log1p", arrays(positive, (3, 4))),
    op("logaddexp", arrays(normal, (3, 4), (4,))),
    op("sin", arrays(normal, (3, 4))),
    op("cos", arrays(normal, (3, 4))),
    op("sqrt", arrays(positive, (3, 4))),
    op("abs", arrays(normal_away_from(0), (3, 4))),
    op("tanh", arrays(normal, (3, 4))),
    op("sigmoid", arrays(normal, (3, 4))),
    op("softplus", arrays(normal, (3, 4))),
    op("erf", arrays(normal, (3, 4))),
    op("erfc", arrays(normal, (3, 4))),
    op("relu", arrays(normal_away_from(0), (3, 4))),
    op("leaky_relu", arrays(normal_away_from(0), (3, 4))),
    op("leaky_relu", arrays(normal_away_from(0), (3, 4)), slope=0.2),
    op("elu", arrays(normal_away_from(0), (3, 4))),
    op("elu", arrays(normal_away_from(0), (3, 4)), alpha=0.5),
    op("gelu", arrays(normal, (3, 4))),
    op("gelu", arrays(normal, (3, 4)), approximate="tanh"),
    op("silu", arrays(normal, (3, 4))),
    op("mish", arrays(normal, (3, 4))),
    op("hardswish", arrays(normal_away_from(-3, 3), (3, 4))),
    op("selu", arrays(normal_away_from(0), (3, 4))),
    op("celu", arrays(normal_away_from(0), (3, 4)), alpha=0.5),
    op("prelu", arrays(normal_away_from(0), (3, 4, 2), (4,))),
    op("prelu", arrays(normal_away_from(0), (3, 4), (1,))),
    op("clip", arrays(normal_away_from(-0.5, 1), (3, 4)), low=-0.5, high=1.0),
    op("clip", arrays(normal_away_from(0.5), (3, 4)), high=0.5),
    op("maximum", separated),
    op("minimum", separated),
    op("where", where_inputs),
    op("power", power_inputs),
    op("power", lambda rng: (normal(rng, (3, 4)), 3)),
    op("power", lambda rng: (2.0, normal(rng, (3, 4)))),
    op("reparameterize", arrays(normal, (3, 4), (3, 4), (3, 4))),
    # Shapes, indexing, products of matrices.
    op("broadcast_to", arrays(normal, (3, 1)), shape=(2, 3, 4)),
    op("sum_to", arrays(normal, (2, 3, 4)), shape=(3, 1)),
    (
        "ops.concat",
        case(lambda a, b, c: ops.concat([a, b, c], axis=1), arrays(normal, (2, 1, 3), (2, 4, 3), (2, 2, 3))),
    ),
    ("ops.stack", case(lambda a, b: ops.stack([a, b], axis=1), arrays(normal, (2, 3), (2, 3)))),
    op("pad", arrays(normal, (2, 3)), pads=[(1, 0), (0, 2)], value=1.5),
    op("pad", arrays(normal, (2, 3)), pads=[(1, 0), (2, 1)], mode="reflect"),
    op("pad", arrays(normal, (2, 3)), pads=[(1, 0), (2, 1)], mode="replicate"),
    op("pad", arrays(normal, (2, 3)), pads=[(1, 0), (2, 4)], mode="circular"),
    op("pixel_shuffle", arrays(normal, (2, 8, 2, 3)), upscale_factor=2),
    op("pixel_unshuffle", arrays(normal, (2, 2, 4, 6)), downscale_factor=2),
    op("sort", arrays(distinct, (3, 4)), axis=0),
    op("sort", arrays(distinct, (3, 4)), descending=True),
    op("getitem", lambda rng: (normal(rng, (4, 3)), ([0, 2, 2, -1], slice(None, None, -1)))),
    op("getitem", lambda rng: (normal(rng, (4, 3)), (slice(1, None, 2), None, 0))),
    op("reshape", arrays(normal, (2, 6)), shape=(3, -1)),
    op("flatten", arrays(normal, (2, 3, 2))),
    op("transpose", arrays(normal, (2, 3, 4)), axes=(2, 0, 1)),
    op("transpose", arrays(normal, (2, 3))),
    op("matmul", arrays(normal, (3, 4), (4, 2))),
    op("matmul", arrays(normal, (2, 1, 3, 4), (3, 4, 2))),
    op("matmul", arrays(normal, (4,), (4, 2))),
    op("linear", arrays(normal, (3, 4), (2, 4), (2,))),
    op("linear", arrays(normal, (2, 3, 4), (2, 4)), activation=ops.tanh),
    ("ops.einsum", case(partial(ops.einsum, "bij,bjk->bik"), arrays(normal, (2, 3, 4), (2, 4, 2)))),
    ("ops.einsum", case(partial(ops.einsum, "ii...,ji,k"), arrays(normal, (3, 3, 2), (2, 3), (2,)))),
    # Reductions and scans.
    op("cumsum", arrays(normal, (3, 4)), axis=1),
    op("prod", arrays(normal, (2, 3, 4)), axis=(0, 2)),
    op("sum", arrays(normal, (2, 3, 4)), axis=(0, 2)),
    op("mean", arrays(normal, (2, 3, 4)), axis=1, keepdims=True),
    op("max", arrays(distinct, (2, 3, 4)), axis=1),
    op("max", arrays(distinct, (2, 3))),
    op("min", arrays(distinct, (2, 3, 4)), axis=(1, 2)),
    op("var", arrays(distinct, (2, 3, 4)), axis=(0, 2), correction=1),
    op("logsumexp", arrays(normal, (3, 4)), axis=1),
    op("norm", arrays(distinct_sizes, (3, 4)), axis=1),
    op("norm", arrays(distinct_sizes, (3, 4)), axis=0, order=1),
    op("norm", arrays(distinct_sizes, (3, 4)), order=np.inf),
    op("softmax", arrays(normal, (2, 3, 4)), axis=1),
    op("log_softmax", arrays(normal, (3, 4))),
    # Bias and activation, convolution, pooling, normalisation.
    op("bias_act", arrays(normal, (2, 3, 2), (3,))),
    op("bias_act", arrays(normal, (4, 3), (3,)), activation=ops.sigmoid),
    op("bias_act", arrays(normal, (2, 3), (3,)), activation=partial(ops.leaky_relu, slope=0.2)),
    op("conv2d", arrays(normal, IMAGE, (3, 4, 3, 2), (3,))),
    op("conv2d", arrays(normal, IMAGE, (6, 2, 3, 2), (6,)), **STRIDED),
    op("conv2d", arrays(normal, IMAGE, (3, 4, 2, 2)), stride=2, padding="same"),
    op("conv2d", arrays(normal, IMAGE, (3, 4, 2, 2), (3,)), stride=2, activation=ops.sigmoid, upsample=(1, 2)),
    op("conv_transpose2d", arrays(normal, (2, 4, 3, 2), (4, 3, 3, 2), (3,))),
    op("conv_transpose2d", arrays(normal, (2, 4, 3, 3), (4, 3, 3, 2), (6,)), **STRIDED, output_padding=(1, 0)),
    op("conv_transpose2d", arrays(normal, (2, 4, 3, 3), (4, 3, 4, 2)), stride=(2, 3), padding="same"),
    op("conv2d_weight_grad", arrays(normal, IMAGE, (2, 6, 2, 5)), **STRIDED, kernel_size=(3, 2)),
    op("conv1d", arrays(normal, (2, 4, 6), (6, 2, 3), (6,)), stride=2, padding=1, dilation=2, groups=2),
    op("conv1d", arrays(normal, (2, 4, 5), (3, 4, 2)), padding="same", activation=ops.tanh),
    op("conv_transpose1d", arrays(normal, (2, 4, 3), (4, 3, 3), (6,)), stride=2, groups=2, output_padding=1),
    op("max_pool1d", arrays(distinct, (2, 3, 7)), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    op("avg_pool1d", arrays(normal, (2, 3, 7)), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    op("bias_act_max_pool2d", arrays(distinct, IMAGE, (4,)), activation=ops.tanh, kernel_size=2, ceil_mode=True),
    op("max_pool2d", arrays(distinct, IMAGE), kernel_size=2),
    op("max_pool2d", arrays(distinct, IMAGE), kernel_size=3, stride=(1, 2), padding=1, ceil_mode=True),
    op("max_pool2d_with_indices", arrays(distinct, IMAGE), kernel_size=(2, 3), stride=1),
    op("avg_pool2d", arrays(normal, IMAGE), kernel_size=2),
    op("avg_pool2d", arrays(normal, IMAGE), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    op("max_unpool2d", unpool_inputs),
    op("upsample", arrays(normal, (2, 2, 3, 2)), scale_factor=(2, 3)),
    op("upsample", arrays(normal, (2, 2, 3, 2)), scale_factor=2, mode="bilinear"),
    op("interpolate", arrays(normal, (2, 2, 3, 4)), size=(5, 3)),
    op("interpolate", arrays(normal, (2, 2, 3, 4)), scale_factor=(1.7, 0.6), mode="bilinear"),
    op("interpolate", arrays(normal, (2, 2, 3, 4)), size=(5, 3), mode="bilinear", align_corners=True),
    op("batch_norm", norm_inputs((4, 3), (3,), (3,))),
    op("batch_norm", norm_inputs((2, 2, 3, 2), (2,), (2,)), eps=1e-3),
    (
        "ops.batch_norm_with_statistics",  # the statistics are constants to the engine
        case(lambda *xs: ops.batch_norm_with_statistics(*xs)[0], norm_inputs((2, 2, 3, 2), (2,), (2,))),
    ),
    op("batch_norm_inference", batch_norm_inference_inputs),
    op("layer_norm", norm_inputs((3, 4), (4,), (4,))),
    op("layer_norm", norm_inputs((2, 3, 2), (3, 2), (3, 2))),
    ("ops.group_norm", case(lambda x, w, b: ops.group_norm(x, 2, w, b), norm_inputs((2, 4, 3), (4,), (4,)))),
    op("group_norm", norm_inputs((1, 6, 2, 2)), num_groups=3, eps=1e-3),
    op("instance_norm", norm_inputs((2, 2, 3, 2), (2,), (2,))),
    ("ops.embedding", case(lambda w: ops.embedding([[0, 2, 2], [3, 2, 0]], w), arrays(normal, (4, 3)))),
)
