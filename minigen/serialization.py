"""Arrays in files: `save` and `load`, in the safetensors format that PyTorch and others read too.

A file holds arrays by name and a few strings; no code is ever run when it is read. It appears whole or not at all: the
bytes go to a temporary file in the same folder, which then takes the name in one step.

Imports: atomic, device, autograd, nn (for `Module`); safetensors when a file is written or read. Read next:
``training/checkpoint.py``.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen.atomic import write_atomically
from minigen.autograd import Tensor, as_tensor
from minigen.device import refuse_masked, to_device
from minigen.nn import Module
from minigen.shapes import by_name, file_path
from minigen_kernels import Array

DTYPES = frozenset("f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split())  # as dtype.str[1:]: what Tensors can hold


class CheckpointError(ValueError):
    """A file that cannot be read or written as a file of arrays, or that does not fit what it is loaded into."""


def save(
    module_or_state: Module | Mapping[str, Array | Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the parameters and buffers of a Module, or arrays by name, to the file `path`, replacing what is there.

    `metadata` are strings by name; `load_metadata` gives them back. The name of the file is taken as it stands.
    CheckpointError: the file cannot be written, or an entry is no array of numbers; the old file is then still there.
    """
    state = module_or_state.state_dict() if isinstance(module_or_state, Module) else module_or_state
    arrays = {name: _as_contiguous(name, value) for name, value in by_name("save", "state", state).items()}
    path = file_path("save", path)
    if metadata is not None and not all(isinstance(v, str) for v in by_name("save", "metadata", metadata).values()):
        raise TypeError(f"save: metadata holds strings by name, got {metadata!r}")
    safetensors = importlib.import_module("safetensors.numpy")
    try:
        write_atomically(path, safetensors.save(arrays, dict(metadata) if metadata else None))
    except OSError as error:
        raise CheckpointError(f"save: cannot write {os.fspath(path)}: {error.strerror or error}") from error


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays in a file, by name, as NumPy arrays of their own: ``module.load_state_dict(load(path))``.

    Entries of bfloat16 come as float32, with the same numbers. CheckpointError: no such file, not a safetensors file,
    damaged, cut short, or with another dtype that NumPy does not have.
    No memory is asked for beyond the true size of the file, whatever its header claims.
    """
    return _read(path)[0]


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The strings that `save` was given as `metadata`; empty for a file without. Errors as in `load`."""
    return _read(path, arrays=False)[1]


def _as_contiguous(name: str, value: Any) -> Array:
    """A NumPy array in C order: safetensors writes the memory of other layouts in the wrong order, without a word."""
    refuse_masked(f"save: entry {name!r}", value)
    value = value.data if isinstance(value, Tensor) else value
    array = to_device(value if hasattr(value, "dtype") else as_tensor(value, f"save: entry {name!r}").data, "cpu")
    if not isinstance(name, str) or array.dtype.str[1:] not in DTYPES:
        raise CheckpointError(f"save: entry {name!r} is {array.dtype}; a file holds arrays of numbers by name")
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _entry(file: Any, path: str, key: str) -> Array:
    """One array of an open file. bfloat16, which NumPy does not have, becomes float32; other such dtypes are named."""
    dtype = file.get_slice(key).get_dtype()
    if dtype == "BF16":
        return _widened(path, key)
    try:
        return file.get_tensor(key)
    except (AttributeError, KeyError, TypeError) as error:  # the library looks up a dtype that NumPy lacks
        raise CheckpointError(
            f"load: entry {key!r} of {path} has dtype {dtype}, which NumPy does not have; write it as float32"
        ) from error


def _widened(path: str, key: str) -> Array:
    """An entry of bfloat16 as float32: the same numbers, whose lower 16 bits are 0. The file has been found sound."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[key]
        start, stop = entry["data_offsets"]
        file.seek(8 + length + start)
        bits = np.frombuffer(file.read(stop - start), "<u2").astype(np.uint32)
    return (bits << 16).view(np.float32).reshape(entry["shape"])


def _read(path: str | os.PathLike[str], arrays: bool = True) -> tuple[dict[str, Array], dict[str, str]]:
    name = file_path("load", path)
    if not os.path.isfile(name):
        what = "it is a folder" if os.path.isdir(name) else "there is no such file"
        raise CheckpointError(f"load: cannot read {name}: {what}")
    safetensors = importlib.import_module("safetensors")
    try:
        open(name, "rb").close()  # the library would call a file that may not be read a missing one
        with safetensors.safe_open(name, framework="numpy") as file:
            keys = file.keys() if arrays else ()
            return {key: _entry(file, name, key) for key in keys}, file.metadata() or {}
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"load: cannot read {name}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        # Besides its own error: the library makes arrays of impossible shapes.
        raise CheckpointError(f"load: {name} is damaged, or is no safetensors file: {error}") from error
