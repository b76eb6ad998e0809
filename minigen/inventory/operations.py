"""The operators of a Tensor and the operations of `ops`, each with its cases.

Imports: ops, tensor. Read next: ``layers.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.inventory.item import Case, Item, at, calling
from minigen.inventory.numbers import distinct, distinct_sizes, normal, off, positive
from minigen_kernels import Array

Inputs = Callable[[np.random.Generator], tuple[Any, ...]]


def op(name: str, *inputs: Inputs, **options: Any) -> tuple[str, Case]:
    """One case of an operation of `ops`."""
    return f"ops.{name}", calling(getattr(ops, name), *inputs, **options)


def _items(*cases: tuple[str, Case]) -> tuple[Item, ...]:
    """Items of cases; those of one name become one item."""
    names = dict.fromkeys(name for name, _ in cases)
    return tuple(Item(name, tuple(case for other, case in cases if other == name)) for name in names)


def apart(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two operands that broadcast and nowhere come closer to each other than 0.1."""
    return rng.integers(-8, 8, (3, 4)) * 0.25, rng.integers(-8, 8, (4,)) * 0.25 + 0.125


def with_mask(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A condition and two operands, of shapes that broadcast."""
    return rng.random((2, 3)) < 0.5, normal(rng, (3,)), normal(rng, (2, 3))


def bases(rng: np.random.Generator) -> tuple[Array, Array]:
    """A positive base and any exponent."""
    return positive(rng, (3, 4)), normal(rng, (4,))


def running(rng: np.random.Generator) -> tuple[Array, ...]:
    """x, mean, var, w, b of a batch normalisation with given statistics."""
    return normal(rng, (3, 2, 2, 2)), normal(rng, (2,)), positive(rng, (2,)), normal(rng, (2,)), normal(rng, (2,))


def normed(*shapes: Any) -> Inputs:
    """x with clearly different values (their spread is divided by), w and b."""
    return lambda rng: (distinct(rng, shapes[0]), *(normal(rng, shape) for shape in shapes[1:]))


def pooled(rng: np.random.Generator) -> tuple[Any, ...]:
    """Values of a pooling, and where their maxima stood."""
    _, indices = ops.max_pool2d_with_indices(Tensor(distinct(rng, (2, 2, 4, 6))), 2)
    return normal(rng, (2, 2, 2, 3)), indices, 2


def _concat(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return ops.concat([a, b, c], axis=1)


def _stack(a: Tensor, b: Tensor) -> Tensor:
    return ops.stack([a, b], axis=1)


def _with_statistics(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return ops.batch_norm_with_statistics(x, w, b)[0]  # the statistics are constants to the engine


def _group_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return ops.group_norm(x, 2, w, b)


def _embedding(w: Tensor) -> Tensor:
    return ops.embedding([[0, 2, 2], [3, 2, 0]], w)


def _reversed(x: Tensor) -> Tensor:
    return 2.0 - x + 3.0 / x + 2.0**x


OPERATORS = _items(
    ("Tensor +", calling(operator.add, at(normal, (3, 4), (4,)))),
    ("Tensor -", calling(operator.sub, at(normal, (3, 1), (2, 1, 4)))),
    ("Tensor -", calling(operator.neg, at(normal, (3, 4)))),
    ("Tensor *", calling(operator.mul, at(normal, (3, 4), (3, 1)))),
    ("Tensor /", calling(operator.truediv, at(positive, (4,), (3, 4)))),
    ("Tensor **", calling(operator.pow, bases)),
    ("Tensor **", calling(lambda x: x**3, at(normal, (3, 4)))),
    ("Tensor @", calling(operator.matmul, at(normal, (2, 3, 4), (4, 2)))),
    ("number - Tensor", calling(_reversed, at(positive, (3, 4)))),
    ("Tensor []", calling(lambda x: x[1:, [0, 2, 2], None], at(normal, (3, 4)))),
    ("Tensor.sum", calling(lambda x: x.sum(1), at(normal, (2, 3, 4)))),
    ("Tensor.mean", calling(lambda x: x.mean((0, 2)), at(normal, (2, 3, 4)))),
    ("Tensor.reshape", calling(lambda x: x.reshape(4, -1), at(normal, (2, 3, 4)))),
    ("Tensor.transpose", calling(lambda x: x.transpose(1, 2, 0), at(normal, (2, 3, 4)))),
)

IMAGE, SHIFTED = (2, 4, 6, 5), dict(stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2)

OPERATIONS = _items(
    # Each element alone.
    op("exp", at(normal, (3, 4))),
    op("expm1", at(normal, (3, 4))),
    op("log", at(positive, (3, 4))),
    op("log1p", at(positive, (3, 4))),
    op("logaddexp", at(normal, (3, 4), (4,))),
    op("sin", at(normal, (3, 4))),
    op("cos", at(normal, (3, 4))),
    op("sqrt", at(positive, (3, 4))),
    op("abs", at(off(0), (3, 4))),
    op("tanh", at(normal, (3, 4))),
    op("sigmoid", at(normal, (3, 4))),
    op("softplus", at(normal, (3, 4))),
    op("erf", at(normal, (3, 4))),
    op("erfc", at(normal, (3, 4))),
    op("relu", at(off(0), (3, 4))),
    op("leaky_relu", at(off(0), (3, 4))),
    op("leaky_relu", at(off(0), (3, 4)), slope=0.2),
    op("elu", at(off(0), (3, 4))),
    op("elu", at(off(0), (3, 4)), alpha=0.5),
    op("gelu", at(normal, (3, 4))),
    op("gelu", at(normal, (3, 4)), approximate="tanh"),
    op("silu", at(normal, (3, 4))),
    op("mish", at(normal, (3, 4))),
    op("hardswish", at(off(-3, 3), (3, 4))),
    op("selu", at(off(0), (3, 4))),
    op("celu", at(off(0), (3, 4)), alpha=0.5),
    op("prelu", at(off(0), (3, 4, 2), (4,))),
    op("prelu", at(off(0), (3, 4), (1,))),
    op("clip", at(off(-0.5, 1), (3, 4)), low=-0.5, high=1.0),
    op("clip", at(off(0.5), (3, 4)), high=0.5),
    op("maximum", apart),
    op("minimum", apart),
    op("where", with_mask),
    op("power", bases),
    op("power", lambda rng: (normal(rng, (3, 4)), 3)),
    op("power", lambda rng: (2.0, normal(rng, (3, 4)))),
    op("reparameterize", at(normal, (3, 4), (3, 4), (3, 4))),
    # Elements moved, and products of matrices.
    op("broadcast_to", at(normal, (3, 1)), shape=(2, 3, 4)),
    op("sum_to", at(normal, (2, 3, 4)), shape=(3, 1)),
    ("ops.concat", calling(_concat, at(normal, (2, 1, 3), (2, 4, 3), (2, 2, 3)))),
    ("ops.stack", calling(_stack, at(normal, (2, 3), (2, 3)))),
    op("pad", at(normal, (2, 3)), pads=[(1, 0), (0, 2)], value=1.5),
    op("pad", at(normal, (2, 3)), pads=[(1, 0), (2, 1)], mode="reflect"),
    op("pad", at(normal, (2, 3)), pads=[(1, 0), (2, 1)], mode="replicate"),
    op("pad", at(normal, (2, 3)), pads=[(1, 0), (2, 4)], mode="circular"),
    op("pixel_shuffle", at(normal, (2, 8, 2, 3)), upscale_factor=2),
    op("pixel_unshuffle", at(normal, (2, 2, 4, 6)), downscale_factor=2),
    op("sort", at(distinct, (3, 4)), axis=0),
    op("sort", at(distinct, (3, 4)), descending=True),
    op("getitem", lambda rng: (normal(rng, (4, 3)), ([0, 2, 2, -1], slice(None, None, -1)))),
    op("getitem", lambda rng: (normal(rng, (4, 3)), (slice(1, None, 2), None, 0))),
    op("reshape", at(normal, (2, 6)), shape=(3, -1)),
    op("flatten", at(normal, (2, 3, 2))),
    op("transpose", at(normal, (2, 3, 4)), axes=(2, 0, 1)),
    op("transpose", at(normal, (2, 3))),
    op("matmul", at(normal, (3, 4), (4, 2))),
    op("matmul", at(normal, (2, 1, 3, 4), (3, 4, 2))),
    op("matmul", at(normal, (4,), (4, 2))),
    op("linear", at(normal, (3, 4), (2, 4), (2,))),
    op("linear", at(normal, (2, 3, 4), (2, 4)), activation=ops.tanh),
    ("ops.einsum", calling(partial(ops.einsum, "bij,bjk->bik"), at(normal, (2, 3, 4), (2, 4, 2)))),
    ("ops.einsum", calling(partial(ops.einsum, "ii...,ji,k"), at(normal, (3, 3, 2), (2, 3), (2,)))),
    # Many numbers to one, and one after another.
    op("cumsum", at(normal, (3, 4)), axis=1),
    op("prod", at(normal, (2, 3, 4)), axis=(0, 2)),
    op("sum", at(normal, (2, 3, 4)), axis=(0, 2)),
    op("mean", at(normal, (2, 3, 4)), axis=1, keepdims=True),
    op("max", at(distinct, (2, 3, 4)), axis=1),
    op("max", at(distinct, (2, 3))),
    op("min", at(distinct, (2, 3, 4)), axis=(1, 2)),
    op("var", at(distinct, (2, 3, 4)), axis=(0, 2), correction=1),
    op("logsumexp", at(normal, (3, 4)), axis=1),
    op("norm", at(distinct_sizes, (3, 4)), axis=1),
    op("norm", at(distinct_sizes, (3, 4)), axis=0, order=1),
    op("norm", at(distinct_sizes, (3, 4)), order=np.inf),
    op("softmax", at(normal, (2, 3, 4)), axis=1),
    op("log_softmax", at(normal, (3, 4))),
    # Bias and activation, convolution, pooling, normalisation.
    op("bias_act", at(normal, (2, 3, 2), (3,))),
    op("bias_act", at(normal, (4, 3), (3,)), activation=ops.sigmoid),
    op("bias_act", at(normal, (2, 3), (3,)), activation=partial(ops.leaky_relu, slope=0.2)),
    op("conv2d", at(normal, IMAGE, (3, 4, 3, 2), (3,))),
    op("conv2d", at(normal, IMAGE, (6, 2, 3, 2), (6,)), **SHIFTED),
    op("conv2d", at(normal, IMAGE, (3, 4, 2, 2)), stride=2, padding="same"),
    op("conv_transpose2d", at(normal, (2, 4, 3, 2), (4, 3, 3, 2), (3,))),
    op("conv_transpose2d", at(normal, (2, 4, 3, 3), (4, 3, 3, 2), (6,)), **SHIFTED, output_padding=(1, 0)),
    op("conv_transpose2d", at(normal, (2, 4, 3, 3), (4, 3, 4, 2)), stride=(2, 3), padding="same"),
    op("conv2d_weight_grad", at(normal, IMAGE, (2, 6, 2, 5)), **SHIFTED, kernel_size=(3, 2)),
    op("conv1d", at(normal, (2, 4, 6), (6, 2, 3), (6,)), stride=2, padding=1, dilation=2, groups=2),
    op("conv1d", at(normal, (2, 4, 5), (3, 4, 2)), padding="same", activation=ops.tanh),
    op("conv_transpose1d", at(normal, (2, 4, 3), (4, 3, 3), (6,)), stride=2, groups=2, output_padding=1),
    op("max_pool1d", at(distinct, (2, 3, 7)), kernel_size=3, stride=2, padding=1, ceil_mode=True),
    op("avg_pool1d", at(normal, (2, 3, 7)), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    op("max_pool2d", at(distinct, IMAGE), kernel_size=2),
    op("max_pool2d", at(distinct, IMAGE), kernel_size=3, stride=(1, 2), padding=1, ceil_mode=True),
    op("max_pool2d_with_indices", at(distinct, IMAGE), kernel_size=(2, 3), stride=1),
    op("avg_pool2d", at(normal, IMAGE), kernel_size=2),
    op("avg_pool2d", at(normal, IMAGE), kernel_size=3, stride=2, padding=1, count_include_pad=False),
    op("max_unpool2d", pooled),
    op("upsample", at(normal, (2, 2, 3, 2)), scale_factor=(2, 3)),
    op("upsample", at(normal, (2, 2, 3, 2)), scale_factor=2, mode="bilinear"),
    op("interpolate", at(normal, (2, 2, 3, 4)), size=(5, 3)),
    op("interpolate", at(normal, (2, 2, 3, 4)), scale_factor=(1.7, 0.6), mode="bilinear"),
    op("interpolate", at(normal, (2, 2, 3, 4)), size=(5, 3), mode="bilinear", align_corners=True),
    op("batch_norm", normed((4, 3), (3,), (3,))),
    op("batch_norm", normed((2, 2, 3, 2), (2,), (2,)), eps=1e-3),
    ("ops.batch_norm_with_statistics", calling(_with_statistics, normed((2, 2, 3, 2), (2,), (2,)))),
    op("batch_norm_inference", running),
    op("layer_norm", normed((3, 4), (4,), (4,))),
    op("layer_norm", normed((2, 3, 2), (3, 2), (3, 2))),
    ("ops.group_norm", calling(_group_norm, normed((2, 4, 3), (4,), (4,)))),
    op("group_norm", normed((1, 6, 2, 2)), num_groups=3, eps=1e-3),
    op("instance_norm", normed((2, 2, 3, 2), (2,), (2,))),
    ("ops.embedding", calling(_embedding, at(normal, (4, 3)))),
)
