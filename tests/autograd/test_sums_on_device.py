"""Gradients that come in several terms, on a CUDA device: those of all leaves are added up together, in their order.

Read next: ``test_engine.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen.autograd import Tensor, grad
from minigen_kernels.cuda.backend import CupyBackend

pytestmark = pytest.mark.gpu


def terms(leaves: list[Tensor]) -> Tensor:
    """Leaf k is used k + 1 times, each time with another factor; the last is no leaf's, and is used twice."""
    total = Tensor(np.zeros((), leaves[0].dtype), device=leaves[0].device)
    for k, leaf in enumerate(leaves):
        for j in range(k + 1):
            total = total + (leaf * (0.1 + j)).sum() * (0.3 * (k + 1))
    inner = leaves[0] * leaves[1]
    return total + (inner * inner).sum() + (inner * 0.7).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_terms_are_added_in_the_order_of_the_cpu(dtype: Any, create_graph: bool, monkeypatch: Any) -> None:
    launched: list[str] = []
    run = CupyBackend.run
    monkeypatch.setattr(CupyBackend, "run", lambda *given: launched.append(given[2]) or run(*given))
    arrays = [np.random.default_rng(k).normal(size=(3, 2)).astype(dtype) for k in range(4)]
    found = []
    for device in ("cpu", "cuda"):
        leaves = [Tensor(a, requires_grad=True, device=device) for a in arrays]
        found.append([g.numpy() for g in grad(terms(leaves), leaves, create_graph=create_graph)])
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_array_equal(a, b)
    # The first leaf has two terms, the second three, the third three and the fourth four.
    assert launched.count("add_kernel") == (0 if create_graph else 3)
