"""The k largest code units of a sparse autoencoder.

Read next: ``test_autoencoder.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import build
from hypothesis import given
from hypothesis import strategies as st

from minigen import nn
from minigen.autograd import Tensor, grad
from minigen.models.autoencoder import TopK


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


@st.composite
def rows_with_ties(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], int]:
    n, d = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    values = st.sampled_from([-3.0, -1.5, -0.5, 0.0, 0.5, 2.0])  # few values, so that ties are the rule
    x = np.array(draw(st.lists(values, min_size=n * d, max_size=n * d)), np.float32).reshape(n, d)
    return x, draw(st.integers(1, d))


@given(rows_with_ties())
def test_top_k_keeps_exactly_the_k_largest(drawn: tuple[np.ndarray[Any, Any], int]) -> None:
    array, k = drawn
    x = Tensor(array, requires_grad=True)
    y = TopK(k)(x)
    (kept,) = grad(y.sum(), [x])  # 1 where an element went through, 0 where it did not
    kept = kept.numpy() == 1
    assert (kept.sum(1) == k).all()
    assert y.dtype == np.float32
    for row, mask, result in zip(array, kept, y.numpy(), strict=True):
        np.testing.assert_array_equal(result, np.where(mask, row, 0))
        assert sorted(row[mask]) == sorted(row)[len(row) - k :]


def test_top_k_refuses() -> None:
    with pytest.raises(ValueError, match="TopK: k must be at least 1, got 0"):
        TopK(0)
    with pytest.raises(nn.ShapeError, match=r"TopK: expected input \(N, D\) with D >= 3, got \(5, 2\)"):
        TopK(3)(zeros(5, 2))
    with pytest.raises(nn.ShapeError, match=r"TopK: expected input \(N, D\) with D >= 3, got \(5, 4, 4\)"):
        TopK(3)(zeros(5, 4, 4))
    with pytest.raises(ValueError, match="sparse-ae: --sparsity-k 9 is more than --latent 8"):
        build("sparse-ae", sparsity="topk", sparsity_k=9, latent=8)
