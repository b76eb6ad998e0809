"""IDX files: what is written comes back, and every broken file gets one clear error."""

import gzip
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen.data import read_idx


def idx_bytes(x):
    """An independent writer: the format as the MNIST page gave it."""
    return bytes([0, 0, 8, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()


@given(
    x=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=9)),
    packed=st.booleans(),
)
def test_round_trip(tmp_path_factory, x, packed):
    path = tmp_path_factory.mktemp("idx") / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(idx_bytes(x)) if packed else idx_bytes(x))
    y = read_idx(path)
    assert y.dtype == np.uint8 and y.shape == x.shape
    assert np.array_equal(x, y)


X = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
GOOD = idx_bytes(X)
HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"x"
BROKEN = {
    "empty file": (b"", "not an IDX file"),
    "text": (b"<html>not found</html>", "not an IDX file"),
    "little-endian magic": (b"\3\x08\0\0" + GOOD[4:], "not an IDX file"),
    "float32": (b"\0\0\x0d\3" + GOOD[4:], r"0x0D \(float32\)"),
    "unknown type": (b"\0\0\x77\3" + GOOD[4:], "unknown"),
    "no axes": (b"\0\0\x08\0" + GOOD[4:], "1 to 4 axes, got 0"),
    "five axes": (b"\0\0\x08\5" + GOOD[4:], "1 to 4 axes, got 5"),
    "cut in the header": (GOOD[:10], "header of 16 bytes, got 10"),
    "cut in the data": (GOOD[:-5], "truncated: .* wants 24 bytes of data, got 19"),
    "trailing byte": (GOOD + b"\0", "trailing bytes"),
    "no images": (idx_bytes(np.zeros((0, 3, 4), np.uint8)), r"empty: .*\(0, 3, 4\)"),
    "promises 8e28 bytes": (HUGE, "truncated"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path, case, packed):
    data, message = BROKEN[case]
    path = tmp_path / ("broken-idx.gz" if packed else "broken-idx")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def corrupt_gzip():
    whole = gzip.compress(GOOD)
    wrong_sum = bytearray(whole)
    wrong_sum[-8] ^= 1
    return {
        "not gzip": (GOOD, "not gzip data"),
        "cut": (whole[:-12], "broken gzip"),
        "cut in the checksum": (whole[:-2], "broken gzip"),
        "wrong checksum": (bytes(wrong_sum), "broken gzip"),
        "garbage after the end": (whole + b"garbage", "broken gzip"),
        "garbage inside": (whole[:12] + b"\xff" * 8 + whole[20:], "broken gzip|truncated"),
    }


@pytest.mark.parametrize("case", corrupt_gzip())
def test_broken_gzip(tmp_path, case):
    data, message = corrupt_gzip()[case]
    path = tmp_path / "broken-idx.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_gzip_bomb_is_not_unpacked(tmp_path):
    """64 MB of zeros behind a header for 24 bytes: memory must not follow the bomb."""

    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(GOOD[:16] + bytes(64 << 20), compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="trailing bytes"):
            read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20  # the reader's own chunk is 1 MB; the rest is for whatever else the process does


def test_missing_file_and_long_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")
    x = np.random.default_rng(0).integers(0, 256, (1700, 28, 28), dtype=np.uint8)  # more than one chunk
    assert math.prod(x.shape) > 1 << 20
    (tmp_path / "long").write_bytes(idx_bytes(x))
    assert np.array_equal(read_idx(tmp_path / "long"), x)
