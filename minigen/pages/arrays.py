"""Arrays as JSON: base64 of their bytes, little-endian, in C order; ``static/arrays.js`` reads them.

Imports: NumPy. Read next: ``assemble.py``.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from minigen_kernels import Array

TYPES = ("uint8", "int32", "float32")  # those of JavaScript's arrays that pages use


def array(x: Array, *, deflate: bool = False) -> dict[str, Any]:
    """{"dtype", "shape", "data"}; with `deflate`, for images, the bytes are compressed (RFC 1950) and it says so.

    TypeError for another type than those of `TYPES`.
    """
    if x.dtype.name not in TYPES:
        raise TypeError(f"array: expected one of {', '.join(TYPES)}, got {x.dtype}")
    data = np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes()
    packed = zlib.compress(data, 6) if deflate else data
    made = {"dtype": x.dtype.name, "shape": list(x.shape), "data": base64.b64encode(packed).decode()}
    return made | {"deflate": True} if deflate else made
