"""Dense layers, embeddings, PReLU, dropout, changes of shape. What has neither parameters nor state is in `ops`.

The names, shapes and initial values of parameters are PyTorch's, so weights can be exchanged. Every layer that draws
random numbers takes a `Generator` as `rng`; without one it uses `init.default_rng()`.

A layer with `takes_activation` can be called with an activation, which it computes in the same pass over memory;
`Sequential` makes use of that.

Imports: autograd, ops, module, init, checks. Read next: ``conv.py``, ``normalization.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor
from minigen.called import called
from minigen.device import to_device
from minigen.nn import init
from minigen.nn.checks import check_initializer, positive_int, shape_errors
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.ops.bias_act import Activation
from minigen.ops.embedding import row
from minigen.random import Generator
from minigen.shapes import flag, is_whole, one_number, shown, whole_shape
from minigen_kernels import Array

Initializer = Callable[..., Array]  # (shape, *, rng) -> array


class Dense(Module):
    """y = x w^T + b: x (..., in_features) -> y (..., out_features); weight (out, in), bias (out,).

    `weight_init` is a function of `nn.init` (or any (shape, *, rng) -> array); by default weight and bias are uniform
    in +-1/sqrt(in). With a `weight_init` the initial bias is zero.
    """

    takes_activation = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.in_features = positive_int("Dense", "in_features", in_features)
        self.out_features = positive_int("Dense", "out_features", out_features)
        shape = (self.out_features, self.in_features)
        self.weight, self.bias = weight_and_bias(shape, self.in_features, self.out_features, bias, weight_init, rng)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        if not len(x.shape) or x.shape[-1] != self.in_features:
            hint = "Is a layer missing between them, or nn.Flatten()?"
            raise ShapeError(self, f"(N, {self.in_features})", x.shape, hint)
        return ops.linear(x, self.weight, self.bias, activation)


class EmbeddingIndexError(ShapeError, IndexError):
    """An input with an index out of range; the message names the layer by its path."""


class Embedding(Module):
    """y[...] = weight[indices[...]]: whole numbers of any shape -> (*indices.shape, embedding_dim).

    weight (num_embeddings, embedding_dim) is normal by default. The row `padding_idx`, for padding of sequences, is 0
    and gets no gradient, so it stays 0. See `ops.embedding`.
    """

    takes_indices = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        weight_init: Initializer | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.num_embeddings = positive_int("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = positive_int("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = None if padding_idx is None else row("Embedding", padding_idx, num_embeddings)
        shape, rng = (num_embeddings, embedding_dim), init.generator(rng)
        if weight_init is not None:
            check_initializer(weight_init)
        weight = init.normal(shape, rng=rng, std=1.0) if weight_init is None else weight_init(shape, rng=rng)
        if weight.shape != shape:
            raise ValueError(f"Embedding: weight_init returned shape {weight.shape}, the weight has {shape}")
        if self.padding_idx is not None:
            weight = np.array(weight)
            weight[self.padding_idx] = 0
        self.weight = Parameter(weight)

    def forward(self, indices: Any) -> Tensor:
        try:
            return ops.embedding(indices, self.weight, self.padding_idx)
        except IndexError as error:
            raise EmbeddingIndexError(
                self, f"of whole numbers below {self.num_embeddings}", as_tensor(indices).shape, str(error)
            ) from None


class PReLU(Module):
    """x where it is above 0, weight * x elsewhere: weight (1,), or (C,) for the channels of (N, C, ...).

    The initial slope is `init` (He et al. 2015, arXiv:1502.01852). Weight decay would pull it to a ReLU: put it into a
    parameter group without weight decay.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = positive_int("PReLU", "num_parameters", num_parameters)
        self.weight = Parameter(np.full(num_parameters, one_number("PReLU", "init", init), np.float32))

    def forward(self, x: Tensor) -> Tensor:
        n = self.num_parameters
        if n != 1 and x.shape[1:2] != (n,):
            raise ShapeError(self, f"(N, {n}, ...)", x.shape)
        return ops.prelu(x, self.weight)


class Dropout(Module):
    """In training each element is zero with probability p, the others are divided by 1 - p (Srivastava et al. 2014).

    With p = 1 all are zero. The numbers are the same on every device.
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | None = None) -> None:
        p = one_number("Dropout", "p", p)
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, from 0 to 1, got {p}")
        self.p, self.rng = float(p), init.generator(rng)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        x = as_tensor(x)
        kept = self.rng.bernoulli(1 - self.p, x.shape, dtype=x.dtype) / ((1 - self.p) or 1)
        return x * Tensor(to_device(kept, x.device))


class Flatten(Module):
    """(N, C, H, W) -> (N, C*H*W): merge all axes from `start_axis` on."""

    def __init__(self, start_axis: int = 1) -> None:
        if not is_whole(start_axis):
            raise TypeError(f"Flatten: start_axis is a whole number, got {shown(start_axis)}")
        self.start_axis = int(start_axis)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"with more than {self.start_axis} axes", x):
            return ops.flatten(x, self.start_axis)


class Reshape(Module):
    """(N, ...) -> (N, *shape): the elements of each sample in another shape; one length may be -1, and is inferred."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = whole_shape("Reshape", shape)

    def forward(self, x: Tensor) -> Tensor:
        with shape_errors(self, f"of a size that fits (N, {', '.join(map(str, self.shape))})", x):
            # The length for -1 is inferred from the shape of one sample, because a batch may be empty.
            rest = (
                ops.reshape(Tensor(np.empty(x.shape[1:], bool)), self.shape).shape if -1 in self.shape else self.shape
            )
            return ops.reshape(x, (x.shape[0], *rest))


def weight_and_bias(
    shape: tuple[int, ...], fan_in: int, width: int, bias: bool, weight_init: Initializer | None, rng: Generator | None
) -> tuple[Parameter, Parameter | None]:
    """The initial parameters of a layer; the bias has `width` elements, or is None."""
    rng, bias = init.generator(rng), flag(called("weight_and_bias"), "bias", bias)
    if weight_init is not None:
        check_initializer(weight_init)
        weight, offset = weight_init(shape, rng=rng), np.zeros(width, np.float32)
    else:
        weight = init.uniform_fan_in(shape, rng=rng, fan_in=fan_in)
        offset = init.uniform_fan_in((width,), rng=rng, fan_in=fan_in) if bias else np.zeros(width, np.float32)
    if weight.shape != shape:
        raise ValueError(f"{called('nn')}: weight_init returned shape {weight.shape}, the weight has {shape}")
    return Parameter(weight), Parameter(offset) if bias else None


__all__ = ["Dense", "Dropout", "Embedding", "Flatten", "PReLU", "Reshape"]
