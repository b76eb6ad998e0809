"""Files of arrays: what goes in comes out, in any layout; whatever is wrong is one clear error; no half file."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen import nn, serialization
from minigen.atomic import write_atomically
from minigen.autograd import Tensor
from minigen.serialization import CheckpointError, load, load_metadata, save

DTYPES = st.sampled_from(["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
ARRAYS = DTYPES.flatmap(lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
LAYOUTS = {
    "as it is": lambda x: x,
    "transposed": lambda x: x.T,
    "backwards": lambda x: x[::-1] if x.ndim else x,
    "every second": lambda x: x[..., ::2] if x.ndim else x,
    "Fortran": np.asfortranarray,
    "broadcast": lambda x: np.broadcast_to(x, (2, *x.shape)),
}


@settings(deadline=None, derandomize=True)
@given(ARRAYS, st.sampled_from(sorted(LAYOUTS)), st.text(max_size=5))
def test_what_goes_in_comes_out(tmp_path_factory, array, layout, name):
    path = tmp_path_factory.getbasetemp() / "round-trip.safetensors"
    given = LAYOUTS[layout](array)
    save({"a." + name: given}, path, {"note": name})
    (key, found), *rest = load(path).items()
    assert not rest and key == "a." + name and load_metadata(path) == {"note": name}
    assert found.dtype == given.dtype and found.shape == given.shape
    assert found.tobytes() == given.tobytes()  # bytes, so that NaN and -0 count too


def test_module_round_trip_and_no_suffix_is_added(tmp_path):
    path = tmp_path / "weights"
    module = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dense(4, 2))
    save(module, path)
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    other = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dense(4, 2))
    other.load_state_dict(load(path))
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
    assert load_metadata(path) == {}


def test_tensors_and_big_endian_arrays_are_taken(tmp_path):
    save({"t": Tensor([1.5, 2.0]), "b": np.arange(3, dtype=">f4")}, tmp_path / "x")
    found = load(tmp_path / "x")
    np.testing.assert_array_equal(found["t"], [1.5, 2.0])
    np.testing.assert_array_equal(found["b"], [0, 1, 2])


def test_pytorch_reads_the_same_weights(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file

    module = nn.Sequential(nn.Dense(3, 4), nn.Dense(4, 2))
    save(module, tmp_path / "x.safetensors")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    theirs.load_state_dict(load_file(tmp_path / "x.safetensors"))
    x = np.ones((2, 3), np.float32)
    # two products of at most four terms each, in float32
    np.testing.assert_allclose(theirs(torch.tensor(x)).detach().numpy(), module(Tensor(x)).data, rtol=1e-5, atol=1e-6)


def header(facts, data=b""):
    text = json.dumps(facts).encode()
    return struct.pack("<Q", len(text)) + text + data


BAD_FILES = {
    "empty": b"",
    "seven bytes": b"1234567",
    "garbage": bytes(range(256)) * 4,
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "a header of a terabyte": struct.pack("<Q", 2**40) + b"{}",
    "the largest header": b"\xff" * 8 + b"{}",
    "a header that is no object": header([1]),
    "a header that nests deeply": struct.pack("<Q", 100_000) + b"[" * 100_000,
    "four terabytes of numbers": header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
    "a shape beyond any memory": header({"a": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}),
    "an overflowing shape": header({"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 0]}}),
    "too few numbers": header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"abcd"),
    "too many numbers": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"abcdefgh"),
    "metadata that are no strings": header({"__metadata__": {"a": 3}}),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_one_clear_error(tmp_path, name):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(BAD_FILES[name])
    with pytest.raises(CheckpointError, match=r"bad\.safetensors is damaged, or is no safetensors file: \S+"):
        load(path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4"])
def test_a_dtype_that_numpy_lacks_is_named_with_its_entry(tmp_path, dtype):
    path = tmp_path / "x.safetensors"
    path.write_bytes(
        header(
            {"w": {"dtype": dtype, "shape": [2], "data_offsets": [0, 1 if dtype == "F4" else 2]}},
            b"a" * (1 if dtype == "F4" else 2),
        )
    )
    with pytest.raises(
        CheckpointError, match=rf"entry 'w' of .*x\.safetensors has dtype {dtype}, which NumPy does not"
    ):
        load(path)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_bfloat16_is_widened_exactly(tmp_path_factory, bits):
    """The definition: sign, 8 bits of exponent and 7 of fraction, as the upper half of a float32."""
    path = tmp_path_factory.getbasetemp() / "bfloat16.safetensors"
    first = {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}  # so that the entry is not aligned
    entry = {"dtype": "BF16", "shape": list(bits.shape), "data_offsets": [3, 3 + bits.nbytes]}
    path.write_bytes(header({"a": first, "w": entry}, b"abc" + bits.astype("<u2").tobytes()))
    found = load(path)["w"]
    assert found.dtype == np.float32 and found.shape == bits.shape
    sign, exponent, fraction = bits >> 15, (bits >> 7).astype(int) & 255, bits & 127
    small = exponent == 0
    value = np.ldexp(fraction / 128 + np.where(small, 0, 1), np.where(small, -126, exponent - 127))
    value = np.where(exponent == 255, np.where(fraction == 0, np.inf, np.nan), value)
    np.testing.assert_array_equal(found, np.where(sign == 1, -value, value).astype(np.float32))


def test_files_of_half_precision_by_pytorch_load_into_a_network(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import save_file

    theirs = torch.nn.Linear(3, 2)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        state = {name: t.to(dtype) for name, t in theirs.state_dict().items()}
        save_file(state, tmp_path / "x")
        mine = nn.Dense(3, 2)
        mine.load_state_dict(load(tmp_path / "x"))
        np.testing.assert_array_equal(mine.weight.data, state["weight"].float().numpy())


def test_a_masked_array_is_refused(tmp_path):
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    with pytest.raises(TypeError, match=r"save: entry 'a': got a masked array, whose mask would be lost"):
        save({"a": masked}, tmp_path / "x")
    layer = nn.Dense(2, 1)
    before = layer.weight.data.copy()
    with pytest.raises(ValueError, match=r"load_state_dict: weight cannot be read .*got a masked array"):
        layer.load_state_dict({"weight": masked[None], "bias": np.zeros(1)})
    np.testing.assert_array_equal(layer.weight.data, before)


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "x"
    save({"a": np.arange(3.0), "b": np.ones((2, 2), np.float32)}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(CheckpointError, match="nothing-here: there is no such file"):
        load(tmp_path / "nothing-here")
    with pytest.raises(CheckpointError, match="it is a folder"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="it is a folder"):
        save({"a": np.ones(1)}, tmp_path)
    with pytest.raises(CheckpointError, match="No such file or directory"):
        save({"a": np.ones(1)}, tmp_path / "missing" / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="Not a directory"):
        save({"a": np.ones(1)}, tmp_path / "file" / "x")


def test_what_is_no_array_of_numbers_is_refused(tmp_path):
    for bad in (np.array(["a"]), np.array([object()]), np.ones(2, np.complex64), np.ones(2, np.float16)):
        with pytest.raises(CheckpointError, match=f"'a' is {bad.dtype}"):
            save({"a": bad}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "x"
    save({"a": np.ones(2)}, path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(serialization.os, call, fail)
    with pytest.raises(CheckpointError, match="cannot write .*x: No space left on device"):
        save({"a": np.zeros(2)}, path)
    monkeypatch.undo()
    np.testing.assert_array_equal(load(path)["a"], np.ones(2))
    assert os.listdir(tmp_path) == ["x"]


def test_links_stay_and_special_files_are_refused(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"
    with pytest.raises(OSError, match="no ordinary file"):
        write_atomically("/dev/null", b"")
