"""A function with the derivative of another one: rounding that passes the gradient on as if it had not rounded.

Imports: tensor, and the files beside it. Read next: ``rounding.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.problem import Given
from minigen.gradcheck.state import ModuleLike
from minigen_kernels import Array


class Surrogate(Given):
    """The gradient is that of `fn`, the values are those of `meant`, whose derivative it is meant to be.

    Above order 1 nothing is different: the gradient of `fn` is then the function.
    """

    def __init__(
        self, fn: Callable[..., Any], meant: Callable[..., Any], inputs: Sequence[Any], wrt: Any, dtype: Any
    ) -> None:
        super().__init__(fn, inputs, wrt, dtype, meant)
        self.meant = meant
        own = {v.name: v.tensor for v in self.variables}
        named: list[tuple[str, Tensor]] = list(meant.named_parameters()) if isinstance(meant, ModuleLike) else []
        pairs = [(p, own.get(f"parameter '{name}'")) for name, p in named]
        self._shared = [(p, mine) for p, mine in pairs if mine is not None]

    def again(self, inputs: Sequence[Any], wrt: Sequence[int], dtype: Any) -> Given:
        return Surrogate(self.fn, self.meant, inputs, wrt, dtype)

    def values(self) -> Array:
        shapes = [y.shape for y in self.evaluate(False)]
        ys = self._outputs_of(self._meant)
        if (meant := [y.shape for y in ys]) != shapes:
            raise ValueError(
                f"gradcheck: derivative_of has to give results like those of fn, of shape {_listed(shapes)}; "
                f"it gives {_listed(meant)}"
            )
        return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in ys)])

    def _meant(self, *inputs: Any) -> Any:
        for p, own in self._shared:
            p.data = own.data
        return self.meant(*inputs)


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes)) or "none"
