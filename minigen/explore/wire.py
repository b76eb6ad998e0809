"""Named arrays as bytes, between the page and the server: a length (uint32), a header in JSON, the arrays.

The header is ``{"code": {"dtype": "float32", "shape": [64, 20]}, ...}`` in the order of the arrays, which follow it
without gaps, little-endian, in C order. ``minigen/pages/static/engine_server.js`` does the same.

Imports: pages. Read next: ``networks.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from minigen.pages.arrays import TYPES
from minigen_kernels import Array


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Arrays of the types in `TYPES` as bytes."""
    about = {name: {"dtype": x.dtype.name, "shape": list(x.shape)} for name, x in arrays.items()}
    header = json.dumps(about).encode()
    bodies = [np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes() for x in arrays.values()]
    return b"".join([len(header).to_bytes(4, "little"), header, *bodies])


def unpack(data: bytes) -> dict[str, Array]:
    """The arrays that `pack` made bytes of. ValueError for other bytes."""
    length = int.from_bytes(data[:4], "little")
    if len(data) < 4 + length:
        raise ValueError(f"expected a header of {length} bytes, got {len(data)} bytes in all")
    about = json.loads(data[4 : 4 + length])
    if not isinstance(about, dict):
        raise ValueError("expected a header that says type and shape of each array")
    arrays, at = {}, 4 + length
    for name, one in about.items():
        kind, shape = (one.get("dtype"), one.get("shape")) if isinstance(one, dict) else (None, None)
        if kind not in TYPES or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"{name}: expected a dtype of {', '.join(TYPES)} and a shape, got {one}")
        dtype = np.dtype(kind).newbyteorder("<")
        count = math.prod(shape)
        if len(data) - at < count * dtype.itemsize:
            raise ValueError(f"{name}: expected {count} numbers, but the bytes end before them")
        arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape).astype(kind)
        at += count * dtype.itemsize
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over behind the arrays")
    return arrays
