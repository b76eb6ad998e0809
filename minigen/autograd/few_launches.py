"""What keeps the launches of a backward pass few on a GPU, where each costs the host microseconds whatever its size.

A pass starts with ones that were made before, and the terms of the gradients of leaves are added up at its end, those
of many leaves in one launch. On the CPU none of this is used.

Imports: tensor, kernels. Read next: ``fused.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.autograd.tensor import Tensor
from minigen.device import array_module
from minigen_kernels import Array, for_array

#: The second and further terms of gradients of leaves, each with the id of its leaf: nobody asks for these before the
#: end of the pass.
Late = list[tuple[int, Tensor]]

_device_ones: dict[Any, Array] = {}


def ones(like: Array) -> Array:
    """Ones on the GPU, where each backward pass would launch a kernel to make its own. Nobody may write to them."""
    key = like.shape, like.dtype, like.data.device_id  # type: ignore[attr-defined]
    if key in _device_ones:
        return _device_ones[key]
    xp = array_module(like)
    made = xp.ones_like(like)
    if not xp.cuda.get_current_stream().is_capturing():  # what is recorded has not happened yet
        _device_ones[key] = made
    return made


def own(g: Tensor) -> Tensor:
    """`g`, or a copy if it is made of `ones`: whoever gets a gradient may write to it."""
    if (
        _device_ones
        and not isinstance(g.data, np.ndarray)
        and any([a is g.data or a is g.data.base for a in _device_ones.values()])
    ):
        return Tensor(g.data.copy())
    return g


def add_late(gradients: dict[int, Tensor], late: Late) -> None:
    """Add what came late to the gradients of leaves, term by term in its order: one launch for the terms of many."""
    while late:
        dtype, now, rest = late[0][1].dtype, dict[int, Tensor](), Late()
        for key, g in late:
            if key in now or g.dtype != dtype:
                rest.append((key, g))
            else:
                now[key] = g
        sums = for_array(late[0][1].data).add([gradients[key].data for key in now], [g.data for g in now.values()])
        gradients.update(zip(now, map(Tensor, sums), strict=True))
        late = rest
