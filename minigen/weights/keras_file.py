"""Files of Keras 3: variables by path in HDF5, and in a ``.keras`` file the settings of all layers beside them.

Keras counts the layers of a class: the second Conv2D of a Sequential is ``layers/conv2d_1``, its kernel
``layers/conv2d_1/vars/0``. (The layout is that of Keras 3.15.) A file is read without Keras. Links out of the file and
arrays that claim more than it has bytes for are refused.

Imports: atomic, serialization, files, keras_variables. Read next: ``keras.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from minigen.serialization import CheckpointError
from minigen.weights.files import DAMAGED_ZIP, EXPANSION, PLENTY, refuse_bomb
from minigen_kernels import Array

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
DEEPEST, MOST = 32, 100_000  # groups in groups, and arrays, that a file may have


def snake_case(kind: str) -> str:
    """Keras' name of a class in paths: Conv2DTranspose is conv2d_transpose, PReLU is p_re_lu."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def paths_of(kinds: Iterable[str], folder: str = "layers") -> list[str]:
    """The path of each layer of a container, by its class and how many of that class come before it."""
    counts: dict[str, int] = {}
    found = []
    for kind in kinds:
        name = snake_case(kind)
        n = counts[name] = counts.get(name, -1) + 1
        found.append(f"{folder}/{name}_{n}" if n else f"{folder}/{name}")
    return found


def write_h5(groups: Mapping[str, Iterable[Array]], names: Mapping[str, str]) -> bytes:
    """An HDF5 file of the variables of each path; `names` are what the layers are called."""
    h5py, file = _h5py(), io.BytesIO()
    with h5py.File(file, "w") as h5:
        for path, arrays in groups.items():
            group = h5.create_group(f"{path}/vars" if path else "vars")
            if path in names:
                group.attrs["name"] = names[path]
            for i, array in enumerate(arrays):
                group[str(i)] = array
    return file.getvalue()


def read_h5(name: str, file: Any) -> dict[str, list[Array]]:
    """The variables of each path of an HDF5 file (a path or an open file), such as "layers/dense": [kernel, bias].

    CheckpointError: it is damaged, or what Keras does not write.
    """
    h5py = _h5py()
    try:
        with h5py.File(file, "r") as h5:
            found: dict[str, dict[int, Array]] = {}
            for n, (path, item) in enumerate(_datasets(name, h5py, h5, "", 0)):
                group, _, number = path.rpartition("/")
                parent, _, folder = group.rpartition("/")
                if folder != "vars" or not number.isdecimal() or n > MOST:
                    raise CheckpointError(f"{name} holds {path}, which Keras 3 does not write")
                found.setdefault(parent, {})[int(number)] = _array(name, path, item)
    except CheckpointError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name} is damaged, or is no file of Keras' weights: {reason}") from error
    for path, arrays in found.items():
        if sorted(arrays) != list(range(len(arrays))):
            raise CheckpointError(f"{name} is damaged: {path}/vars has the variables {sorted(arrays)}")
    return {path: [arrays[i] for i in sorted(arrays)] for path, arrays in found.items()}


def _datasets(name: str, h5py: Any, group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise CheckpointError(f"{name} is damaged: its groups lie in a circle, or too deep")
    for key in group:
        inside = f"{path}/{key}".lstrip("/")
        if group.get(key, getlink=True, getclass=True) is not h5py.HardLink:
            raise CheckpointError(f"{name}: {inside} is a link, which is not followed")
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _datasets(name, h5py, item, inside, depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield inside, item
        else:
            raise CheckpointError(f"{name} holds {inside}, which Keras 3 does not write")


def _array(name: str, path: str, item: Any) -> Array:
    """The array of a data set; bfloat16 as float32."""
    declared = math.prod(item.shape) * item.dtype.itemsize
    if item.external or item.is_virtual:
        raise CheckpointError(f"{name}: {path} lies in another file, which is not opened")
    if declared > max(PLENTY, EXPANSION * item.id.get_storage_size()):
        raise CheckpointError(f"{name}: {path} claims to hold {declared:,} bytes, and has fewer; it is not read")
    if item.attrs.get("dtype") == "bfloat16":
        bits = np.asarray(item).view(np.uint16).astype(np.uint32)
        return (bits << 16).view(np.float32)
    if item.dtype.kind not in "fiu":
        raise CheckpointError(f"{name}: {path} holds {item.dtype}, no numbers")
    return np.asarray(item)


def write_zip(config: Mapping[str, Any], weights: bytes, metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a ``.keras`` file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(config))
        archive.writestr(WEIGHTS, weights)
    return file.getvalue()


def read_zip(name: str) -> tuple[Mapping[str, Any], dict[str, list[Array]]]:
    """The config and the variables of a ``.keras`` file. CheckpointError: it is none, or damaged."""
    try:
        with zipfile.ZipFile(name) as archive:
            refuse_bomb(name, archive)
            members = set(archive.namelist())
            if not {CONFIG, WEIGHTS} <= members:
                raise CheckpointError(
                    f"{name} has no {CONFIG} and {WEIGHTS}; Keras 3 writes them with model.save(path)"
                )
            config, weights = json.loads(archive.read(CONFIG)), archive.read(WEIGHTS)
    except (*DAMAGED_ZIP, ValueError, OSError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{name} is damaged, or is no file of Keras 3: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{name} is damaged: its config is no object")
    return config, read_h5(name, io.BytesIO(weights))


def _h5py() -> Any:
    with contextlib.suppress(ImportError):
        return importlib.import_module("h5py")
    raise CheckpointError("Keras' files need h5py: pip install 'minigen-engine[keras]'")
