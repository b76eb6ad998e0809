"""Files of weights: `read` gives the arrays of one by name, `write` makes one in PyTorch's names.

The suffix says what a file is. Nothing in a file is ever run: PyTorch's are read with ``weights_only=True``, NumPy's
without pickles. A file that claims to hold much more than it has bytes for is refused before memory is asked for.

Imports: atomic, nn, serialization, slots. Read next: ``matching.py``.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigen import nn
from minigen.atomic import write_atomically
from minigen.serialization import CheckpointError, load, load_metadata, save
from minigen.shapes import file_path
from minigen.weights.slots import slots, to_torch
from minigen_kernels import Array

PLENTY = 1 << 26  # bytes that a member of a zip file may unpack to whatever its size
EXPANSION = 100  # how many times its packed size a larger one may
DAMAGED_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error)
STATES = ("state_dict", "model_state_dict", "model", "weights", "params", "module")  # what programs call the weights


@dataclass
class Found:
    """The arrays of a file by name. `ordered`: they come in the order in which they were put in.

    `states`: it holds several state dicts of these names, and the names of the arrays begin with them.
    """

    arrays: dict[str, Array]
    ordered: bool = True
    notes: list[str] = field(default_factory=list)
    states: tuple[str, ...] = ()


def read(path: str | os.PathLike[str]) -> Found:
    """The arrays of a file ``.safetensors``, ``.pt``, ``.pth`` or ``.npz``; also those of a run's checkpoint.

    CheckpointError: no such file, damaged, of another kind, or it holds more than arrays.
    """
    name = file_path("weights.read", path)
    check_is_file(name)
    readers = {".safetensors": _read_safetensors, ".pt": _read_torch, ".pth": _read_torch, ".npz": _read_npz}
    suffix = Path(name).suffix.lower()
    if suffix not in readers:
        kinds = ", ".join(readers)
        raise CheckpointError(f"cannot read {name}: weights are read from {kinds}, .keras and .weights.h5")
    try:
        found = readers[suffix](name)
    except OSError as error:
        raise CheckpointError(f"cannot read {name}: {error.strerror or error}") from error
    if not found.arrays:
        raise CheckpointError(f"{name} holds no arrays")
    return found


def write(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the state dict of PyTorch, as ``exchange.write`` says."""
    name, state = file_path("weights.write", path), to_torch(module)
    suffix = Path(name).suffix.lower()
    if suffix == ".safetensors":
        save(state, name, {"format": "pt"})  # by which programs of PyTorch know their files
    elif suffix in (".pt", ".pth"):
        torch, ids = _torch(name), {slot.torch: id(slot.tensor) for slot in slots(module)}
        tensors = {ids.get(key, key): torch.tensor(array) for key, array in state.items()}
        file = io.BytesIO()
        torch.save({key: tensors[ids.get(key, key)] for key in state}, file)
        try:
            write_atomically(name, file.getvalue())
        except OSError as error:
            raise CheckpointError(f"cannot write {name}: {error.strerror or error}") from error
    else:
        raise CheckpointError(f"cannot write {name}: take a name that ends in .safetensors, .pt, .keras or .weights.h5")


def _read_safetensors(name: str) -> Found:
    arrays = load(name)
    notes = []
    if "minigen" in load_metadata(name) and any(key.startswith("modules/") for key in arrays):
        modules = {
            key.removeprefix("modules/").replace("/", "."): a for key, a in arrays.items() if key[:8] == "modules/"
        }
        networks = {key.partition(".")[0] for key in modules}
        if len(networks) == 1:
            modules = {key.partition(".")[2]: array for key, array in modules.items()}
        notes = [f"It is a checkpoint of a run: {len(arrays) - len(modules)} arrays of optimizers are left out"]
        arrays = modules
    return Found(arrays, ordered=False, notes=notes)


def _read_npz(name: str) -> Found:
    try:
        with zipfile.ZipFile(name) as file:
            refuse_bomb(name, file)
        with np.load(name, allow_pickle=False) as arrays:
            return Found(dict(arrays))
    except (*DAMAGED_ZIP, ValueError, KeyError) as error:
        raise CheckpointError(f"{name} is damaged, or is no .npz file of arrays: {error}") from error


def _read_torch(name: str) -> Found:
    torch = _torch(name)
    try:
        with warnings.catch_warnings():  # of the pickle's version, where a damaged file has another
            warnings.simplefilter("ignore", UserWarning)
            held = torch.load(name, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{name} is damaged, or holds more than tensors, and its code is not run. "
            "Save the weights alone: torch.save(model.state_dict(), path)"
        ) from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # PyTorch does not say which: also AssertionError, struct.error and others
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name} is damaged, or is no file of PyTorch: {reason}") from error
    state, notes, states = _state_dict(torch, name, held)
    arrays = {}
    for key, tensor in state.items():
        try:
            wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
            arrays[key] = wide.detach().resolve_conj().resolve_neg().numpy()
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"{key} of {name} is {tensor.dtype} {tensor.layout}, no array of numbers") from error
    return Found(arrays, notes=notes, states=states)


def _state_dict(torch: Any, name: str, held: Any) -> tuple[Mapping[str, Any], list[str], tuple[str, ...]]:
    """The state dict in what a file of PyTorch holds: it itself, the entry that is one, or all entries that are.

    Of several the names are before those of their tensors, and come last.
    """

    def fits(value: Any) -> bool:
        return isinstance(value, Mapping) and bool(value) and all(isinstance(key, str) for key in value) and all(
            isinstance(tensor, torch.Tensor) for tensor in value.values()
        )  # fmt: skip

    if fits(held):
        return held, [], ()
    named = {key: value for key, value in held.items() if isinstance(key, str)} if isinstance(held, Mapping) else {}
    inside = [key for key, value in named.items() if fits(value)]
    known = [key for key in STATES if key in inside]
    if len(inside) == 1 or len(known) == 1:
        key = inside[0] if len(inside) == 1 else known[0]
        return held[key], [f"The weights are its entry {key!r}; {len(held) - 1} others are left out"], ()
    if inside:
        state = {f"{key}.{name}": tensor for key in inside for name, tensor in named[key].items()}
        return state, [f"It holds the state dicts {', '.join(inside)}"], tuple(inside)
    tensors = {key: value for key, value in named.items() if isinstance(value, torch.Tensor)}
    if tensors:
        others = ", ".join(str(key) for key in held if key not in tensors)
        return tensors, [f"What is no tensor is left out: {others:.200}"], ()
    what = f"the entries {', '.join(map(repr, list(held)[:8]))}" if isinstance(held, Mapping) else type(held).__name__
    raise CheckpointError(f"{name} holds {what}, no tensors by name. Save torch.save(model.state_dict(), path)")


def check_is_file(name: str) -> None:
    """CheckpointError if there is no such file."""
    if not os.path.isfile(name):
        what = "it is a folder" if os.path.isdir(name) else "there is no such file"
        raise CheckpointError(f"cannot read {name}: {what}")


def refuse_bomb(name: str, file: zipfile.ZipFile) -> None:
    """CheckpointError for a zip file that unpacks to much more than it has bytes for."""
    for member in file.infolist():
        if member.file_size > max(PLENTY, EXPANSION * member.compress_size):
            raise CheckpointError(
                f"{name}: {member.filename} claims to hold {member.file_size:,} bytes in {member.compress_size:,}; "
                "it is not unpacked"
            )


def _torch(name: str) -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise CheckpointError(f"{name} needs PyTorch: pip install torch. Files .safetensors need nothing") from error
