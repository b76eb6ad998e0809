"""Embedding: a table of learned vectors, one for each word, class or code.

Imports: tensor, ops, module, init, checks. Read next: ``pooling.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor, as_tensor
from minigen.nn import init
from minigen.nn.checks import check_initializer, count
from minigen.nn.layers import Initializer
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.ops.embedding import row
from minigen.random import Generator


class RowError(ShapeError, IndexError):
    """An input with a number that names no row of the table; the message names the layer by its path."""


class Embedding(Module):
    """y[...] = weight[indices[...]]: whole numbers of any shape -> (*indices.shape, embedding_dim).

    weight (num_embeddings, embedding_dim), normal numbers by default. The row `padding_idx` begins at 0 and gets no
    gradient, so it stays there: for what only fills a sequence up. See `ops.embedding`.
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
        self.num_embeddings = count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = count("Embedding", "embedding_dim", embedding_dim)
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
            raise RowError(
                self, f"of whole numbers below {self.num_embeddings}", as_tensor(indices).shape, str(error)
            ) from None


__all__ = ["Embedding"]
