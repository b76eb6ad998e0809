"""Apply a network to arrays of any length: in evaluation mode, some rows at once, NumPy's arrays in and out.

To encode, decode, reconstruct and sample is this, each with another function of the network.

Imports: nn, device. Read next: ``autoencoders/build.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen import nn
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen_kernels import Array


def predict(
    network: nn.Module,
    *arrays: Array,
    function: Callable[..., Tensor] | None = None,
    device: str = "cpu",
    batch_size: int = 500,
) -> Array:
    """What `function` of the network, by default the network itself, makes of arrays (N, ...): a NumPy array (N, ...).

    Row i of the result is of row i of each array. Nothing is recorded, and no mode or running statistic changes. For
    N = 0 a row of zeros tells the shape, as batch norm takes no empty batch.
    """
    call, rows = function or network, len(arrays[0])
    if not rows:
        arrays = tuple(np.zeros((1, *a.shape[1:]), a.dtype) for a in arrays)
    with network.evaluation():
        parts = [
            call(*(Tensor(to_device(np.ascontiguousarray(a[i : i + batch_size]), device)) for a in arrays)).numpy()
            for i in range(0, max(1, rows), batch_size)
        ]
    return np.concatenate(parts)[:rows]
