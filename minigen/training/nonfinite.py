"""NaN and infinity: the error that stops training, and the search for where they began.

Imports: autograd, nn. Read next: ``fit.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import array_module
from minigen_kernels import Array


class NonFiniteLoss(ArithmeticError):  # noqa: N818 - the name says what happened
    """A loss or a parameter became NaN or infinite. The message names the step and the first operation."""


class Explained(float):
    """A number that is not finite and knows why: `explain` says it. So it can come from another process."""

    why: str

    def __new__(cls, value: float, why: str) -> Explained:
        number = super().__new__(cls, value)
        number.why = why
        return number


def is_finite(x: Array) -> bool:
    """Are all elements finite? Costs one fast pass; on the GPU the answer is waited for.

    The sum of squares shows it without a temporary array. Only where that overflows is each element looked at.
    """
    flat = x.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):  # what NumPy would warn of is what is asked
        squares = float(flat.dot(flat))
    return math.isfinite(squares) or bool(array_module(x).isfinite(x).all())


def first_not_finite(parameters: Mapping[str, Tensor]) -> str | None:
    """The name of the first parameter that holds NaN or infinity, or None."""
    return next((name for name, p in parameters.items() if not is_finite(p.data)), None)


def explain(loss: Any, parameters: Mapping[str, Tensor]) -> str:
    """Which operation made the `loss` not finite, as the end of a sentence; "" if it has no history.

    From the loss back along the Tensors that are not finite; the one that was made first is the culprit. Parameters are
    taken as finite before the step: `fit` has looked, and the update since may have spoilt them.
    """
    if isinstance(loss, Explained):
        return loss.why
    if not isinstance(loss, Tensor) or loss.node is None:
        return ""
    trained = {id(p): name for name, p in parameters.items()}
    culprit, seen, stack = loss, {id(loss)}, [loss]
    while stack:
        t = stack.pop()
        assert t.node is not None and culprit.node is not None
        if t.node.sequence < culprit.node.sequence:
            culprit = t
        for x in t.node.inputs:
            if not isinstance(x, Tensor) or x.data.dtype.kind != "f" or id(x) in trained or id(x) in seen:
                continue
            seen.add(id(x))
            if x.node is not None and not is_finite(x.data):
                stack.append(x)
    function = culprit.node
    assert function is not None
    inputs = [_describe(x, trained) for x in function.inputs]
    return f"; the first operation that gave NaN or infinity is {type(function).__name__} of {' and '.join(inputs)}"


def _describe(x: Any, trained: Mapping[int, str]) -> str:
    if id(x) in trained:
        return f"parameter '{trained[id(x)]}' {x.shape}"
    return repr(x)
