"""A tensor of any rank as a picture: the last two axes are an image, the axes before them lay images side by side.

Imports: NumPy. Read next: ``drawing.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def unrolled(a: Array) -> tuple[Array, str]:
    """A matrix with the elements of `a`, NaN in the gaps between its parts; and how to read it, for a caption.

    A number is one cell, a vector a row, a matrix itself. Of (C, H, W) the C images stand in a row; of (N, C, H, W) the
    rows are n and the columns c; with more axes, the first ones together count as N.
    """
    if not a.size:
        return np.zeros((0, 0)), "no elements"
    if a.ndim < 2:
        return a.reshape(1, -1), "axis 0 across" if a.ndim else "one number"
    if a.ndim == 2:
        return a, "axis 0 down, axis 1 across"
    tiles = a.reshape(-1, *a.shape[-3:])
    down, across, height, width = tiles.shape
    picture = np.full((down * (height + 1), across * (width + 1)), np.nan)
    for i in range(down):
        for j in range(across):
            top, left = i * (height + 1), j * (width + 1)
            picture[top : top + height, left : left + width] = tiles[i, j]
    last = a.ndim - 1
    order = f"axis {last - 1} down and axis {last} across in each block, axis {last - 2} from block to block"
    rows = "" if a.ndim == 3 else ", axis 0 from row to row" if a.ndim == 4 else ", the axes before from row to row"
    return picture[:-1, :-1], order + rows
