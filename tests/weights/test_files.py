"""Files of weights: what is read from them, and that a damaged, hostile or foreign one is one clear error.

Read next: ``test_import.py``.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, weights
from minigen.serialization import CheckpointError
from minigen.weights.exchange import plan


def network() -> nn.Dense:
    return nn.Dense(3, 2)


def test_every_kind_of_file(tmp_path: Path) -> None:
    module = network()
    np.savez(tmp_path / "x.npz", **module.state_dict())
    weights.write(module, tmp_path / "x.safetensors")
    for suffix in (".npz", ".safetensors"):
        other = network()
        weights.load(other, tmp_path / f"x{suffix}")
        assert all(np.array_equal(a, module.state_dict()[name]) for name, a in other.state_dict().items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npz", "x.safetensors"]


@pytest.mark.parametrize("name", ["x.bin", "x", "x.PKL"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    with pytest.raises(CheckpointError, match=r"weights are read from \.safetensors, \.pt, \.pth, \.npz"):
        weights.read(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"take a name that ends in \.safetensors, \.pt, \.keras or"):
        weights.write(network(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"abc"


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(200), b"\x80\x02}q\x00."])
def test_damaged_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    if suffix == ".pt":
        pytest.importorskip("torch", reason="PyTorch is not installed: it reads these files")
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.\w+ (is damaged|holds)"):
        weights.load(network(), path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz"])
def test_a_file_that_was_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".npz":
        np.savez(path, **network().state_dict())
    else:
        if suffix == ".pt":
            pytest.importorskip("torch", reason="PyTorch is not installed: it reads these files")
        weights.write(network(), path)
    whole = path.read_bytes()
    for size in range(1, len(whole), max(1, len(whole) // 20)):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="is damaged"):
            weights.load(network(), path)


EDITS = st.lists(st.tuples(st.integers(0), st.binary(max_size=8), st.integers(0, 9)), min_size=1, max_size=6)


@pytest.mark.parametrize("suffix", [*weights.SUFFIXES, ".npz", " of before.pt"])
@given(EDITS)
@settings(max_examples=60)
def test_any_bytes_are_weights_or_one_error(suffix: str, tmp_path_factory: pytest.TempPathFactory, edits: Any) -> None:
    """Bytes of a good file are replaced, left out or put in: it is read or refused, and then nothing has changed."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it writes these files")
    pytest.importorskip("h5py", reason="h5py is not installed: it reads and writes Keras' files")
    module, path = network(), tmp_path_factory.mktemp("files") / f"x{suffix}"
    if suffix == ".npz":
        np.savez_compressed(path, **module.state_dict())
    elif suffix == " of before.pt":
        state = {name: torch.tensor(array) for name, array in module.state_dict().items()}
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        weights.write(nn.Sequential(module) if "s.h5" in suffix or "keras" in suffix else module, path)
    data = bytearray(path.read_bytes())
    for place, new, old in edits:
        at = place % (len(data) + 1)
        data[at : at + old] = new
    path.write_bytes(data)
    before = module.state_dict()
    try:
        weights.load(module, path)
    except CheckpointError:
        assert all(np.array_equal(before[name], array) for name, array in module.state_dict().items())


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot read .*none\.pt: there is no such file"):
        weights.read(tmp_path / "none.pt")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(CheckpointError, match="it is a folder"):
        weights.read(tmp_path / "folder.pt")
    with pytest.raises(CheckpointError, match="cannot write"):
        weights.write(network(), tmp_path / "no folder" / "x.safetensors")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(CheckpointError, match="holds no arrays"):
        weights.read(tmp_path / "empty.npz")


def test_a_zip_that_would_unpack_to_much_more_than_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weight.npy", bytes(1 << 27))
    with pytest.raises(
        CheckpointError, match=r"weight\.npy claims to hold 134,217,728 bytes in .*; it is not unpacked"
    ):
        weights.read(tmp_path / "bomb.npz")


class Evil:
    """What a pickle can do when it is read: here, make a file."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-a-pickle",)


def test_no_code_of_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it reads these files")
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Evil()}, "evil.pt")
    np.savez("evil.npz", weight=np.array([Evil()], object))
    for name in ("evil.pt", "evil.npz"):
        with pytest.raises(CheckpointError, match="is damaged, or"):
            weights.read(name)
    torch.save(torch.nn.Linear(3, 2), "module.pt")
    with pytest.raises(CheckpointError, match="holds more than tensors, and its code is not run"):
        weights.read("module.pt")
    assert not Path("made-by-a-pickle").exists()


def test_weights_inside_a_checkpoint_of_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it writes these files")
    path, state = tmp_path / "x.pt", torch.nn.Linear(3, 2).state_dict()
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, path)
    found = weights.read(path)
    assert found.notes == ["The weights are its entry 'state_dict'; 2 others are left out"]
    assert np.array_equal(found.arrays["weight"], state["weight"].numpy())
    torch.save({"weight": state["weight"], "epoch": 3, "_extra_state": None}, path)
    found = weights.read(path)
    assert list(found.arrays) == ["weight"] and found.notes == ["What is no tensor is left out: epoch, _extra_state"]
    torch.save(torch.optim.Adam(torch.nn.Linear(3, 2).parameters()).state_dict(), path)
    with pytest.raises(CheckpointError, match="holds the entries 'state', 'param_groups', no tensors by name"):
        weights.read(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds list, no tensors by name"):
        weights.read(path)


def test_several_state_dicts_in_a_checkpoint_of_pytorch(tmp_path: Path) -> None:
    """As programs of GANs write them: the map, or the part, says which one is meant."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it writes these files")
    path, (g, d) = tmp_path / "x.pt", (torch.nn.Linear(3, 2) for _ in range(2))
    torch.save({"netG": g.state_dict(), "netD": d.state_dict(), "step": 3}, path)
    assert weights.read(path).states == ("netG", "netD")
    with pytest.raises(CheckpointError, match=r"the state dicts netG, netD\. --map netG\.= takes one of them"):
        weights.load(network(), path)
    for name, twin in (("netG", g), ("netD", d)):
        module = network()
        notes = weights.load(module, path, renames={f"{name}.": ""}).notes
        np.testing.assert_array_equal(module.weight.data, twin.weight.detach().numpy())
        assert f"2 entries that are not of '{name}' are left out" in notes
    torch.save({"generator": g.state_dict(), "discriminator": d.state_dict()}, path)
    both = nn.Sequential(network(), network())
    weights.load(both, path, renames={"generator.": "0.", "discriminator.": "1."})
    np.testing.assert_array_equal(both.state_dict()["1.weight"], d.weight.detach().numpy())
    module = network()
    plan(module, path, part="discriminator").apply()
    np.testing.assert_array_equal(module.weight.data, d.weight.detach().numpy())


def test_dtypes_of_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: it writes these files")
    half = {name: t.to(torch.bfloat16) for name, t in torch.nn.Linear(3, 2).state_dict().items()}
    torch.save(half, tmp_path / "x.pt")
    module = network()
    weights.load(module, tmp_path / "x.pt")
    np.testing.assert_array_equal(module.weight.data, half["weight"].float().numpy())
    torch.save({"weight": torch.eye(2).to_sparse(), "bias": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"weight of .* is torch\.float32 torch\.sparse_coo, no array of numbers"):
        weights.read(tmp_path / "x.pt")


def test_order_is_known_only_where_a_file_keeps_it(tmp_path: Path) -> None:
    module = network()
    np.savez(tmp_path / "x.npz", a=module.weight.numpy(), b=module.bias.numpy())
    weights.load(network(), tmp_path / "x.npz", by_order=True)
    weights.write(module, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="sorts its arrays by name, so their order says nothing"):
        weights.load(network(), tmp_path / "x.safetensors", by_order=True)


def test_pytorch_is_asked_for_by_name_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(CheckpointError, match=r"x\.pt needs PyTorch: pip install torch"):
        weights.write(network(), tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()
