"""Arrays between the page and the server: there and back, and bytes that are none.

Read next: ``test_payload.py``.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from minigen.explore.wire import pack, unpack
from minigen.pages import array
from minigen.pages.arrays import TYPES

ARRAYS = st.sampled_from(TYPES).flatmap(lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0)))


@given(st.dictionaries(st.text(min_size=1), ARRAYS))
def test_there_and_back(given_arrays: dict[str, np.ndarray]) -> None:
    found = unpack(pack(given_arrays))
    assert list(found) == list(given_arrays)
    for name, x in given_arrays.items():
        assert found[name].dtype == x.dtype
        np.testing.assert_array_equal(found[name], x)


@given(ARRAYS, st.booleans())
def test_arrays_in_json(x: np.ndarray, deflate: bool) -> None:
    made = array(x, deflate=deflate)
    data = base64.b64decode(made["data"])
    found = np.frombuffer(zlib.decompress(data) if deflate else data, made["dtype"]).reshape(made["shape"])
    np.testing.assert_array_equal(found, x)
    assert made.get("deflate", False) == deflate


def test_a_view_and_big_endian_numbers_are_written_as_they_are() -> None:
    x = np.arange(12, dtype=">f4").reshape(3, 4)[:, ::2]
    np.testing.assert_array_equal(unpack(pack({"x": x}))["x"], x)


WHOLE = pack({"code": np.ones((2, 3), np.float32)})


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", WHOLE[:-1], WHOLE + b"\0", WHOLE[:20], b"\2\0\0\0[]", b"\2\0\0\0{x", b"\4\0\0\0null", b"\xff" * 40,
     b'\x0b\0\0\0{"a": null}', b'\x2a\0\0\0{"a": {"dtype": "float64", "shape": [1]}}  '],
)  # fmt: skip
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_read(place: int, byte: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] = byte
    try:
        unpack(bytes(changed))
    except ValueError:
        pass


def test_float64_is_none_of_a_page() -> None:
    with pytest.raises(TypeError, match="expected one of uint8, int32, float32, got float64"):
        array(np.ones(3))
