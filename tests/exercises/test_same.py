"""`same`: what it says of numbers that differ.

Read next: ``test_exercises.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.exercises.exercise import Mistake, same

A = np.array([[1.0, 2.0], [3.0, 4.0]])

DIFFERENT = [
    (None, 1.0, "the result is None: is a `return` missing?"),
    (..., 1.0, "the result is Ellipsis, wanted numbers"),
    ([[1], [1, 2]], 1.0, "the result is of type list, wanted an array, a Tensor or a number"),
    (A[0], A, "the result has shape (2,), wanted (2, 2)"),
    (A[:1].T, A[:1], "the result has shape (2, 1), wanted (1, 2): it is the transpose of what is wanted"),
    (A * np.nan, A, "the result is nan at [0, 0], wanted 1; 4 of 4 numbers differ"),
    (-A, A, "the result is -1 at [0, 0], wanted 1; 4 of 4 numbers differ: its sign is turned"),
    (-3, 3.0, "the result is -3, wanted 3: its sign is turned"),
    (A / 3, A, "4 of 4 numbers differ: it is 0.3333 times what is wanted, everywhere"),
    (A.T, A, "the result is 3 at [0, 1], wanted 2; 2 of 4 numbers differ: it is the transpose of what is wanted"),
    (mg.Tensor(A + 1), mg.Tensor(A), "the result is 2 at [0, 0], wanted 1; 4 of 4 numbers differ"),
    (A * 0, A, "the result is 0 at [0, 0], wanted 1; 4 of 4 numbers differ"),
]


@pytest.mark.parametrize(("got", "wanted", "said"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_what_differs(got: Any, wanted: Any, said: str) -> None:
    with pytest.raises(Mistake) as info:
        same(got, wanted)
    assert str(info.value).endswith(said)


def test_what_is_the_same() -> None:
    same(A + 1e-12, A)
    same(mg.Tensor(A), A.tolist())
    same(3, 3.0)
    same(np.array([np.nan, np.inf]), [np.nan, np.inf])
    same(np.ones((0, 3)), np.zeros((0, 3)))
