"""`write`, `plan`, `load`, `read_keras`: weights of other libraries in files, whatever kind the suffix says.

Imports: atomic, nn, serialization, files, keras, matching. Read next: ``files.py`` for PyTorch, ``keras.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from minigen import nn
from minigen.atomic import write_atomically
from minigen.nn.module import check_module
from minigen.serialization import CheckpointError
from minigen.shapes import by_name, file_path, flag, whole_shape
from minigen.weights import files, keras
from minigen.weights.matching import Plan, match

KERAS = (".keras", ".weights.h5")
SUFFIXES = (".safetensors", ".pt", ".pth", *KERAS)


def write(
    module: nn.Module, path: str | os.PathLike[str], input_shape: tuple[int, ...] | None = None
) -> None:  # fmt: skip
    """Write all parameters and buffers of `module` to a file of PyTorch or Keras, as the suffix says.

    ``.safetensors``, ``.pt``, ``.pth``: the state dict that the same network has in PyTorch;
    ``twin.load_state_dict(safetensors.torch.load_file(path))`` reads the first, ``torch.load(path)`` the others, where
    tied weights stay one tensor. ``.keras`` is a model that Keras 3 opens (``keras.models.load_model``) and that
    computes what `module` does in evaluation mode, ``.weights.h5`` the weights of it; images are (N, H, W, C) there.
    `module` is a chain of layers then, and `input_shape` is here (C, H, W), (C, L) or (D,); a network of codes needs
    none.

    The file appears whole or not at all. CheckpointError: it cannot be written, a library is missing (PyTorch for
    ``.pt``, h5py for Keras'), or Keras lacks a layer or a setting, which is named.
    """
    check_module("weights.write", module)
    name, suffix = file_path("weights.write", path), suffix_of(path)
    shape = _checked_shape("weights.write", input_shape)
    if suffix not in KERAS:
        return files.write(module, name)
    try:
        data = keras.to_bytes(module, suffix, keras.guess_input_shape(module) if shape is None else shape)
        write_atomically(name, data)
    except OSError as error:
        raise CheckpointError(f"cannot write {name}: {error.strerror or error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"cannot write {name}: {error}") from error
    return None


def input_shape_of(module: nn.Module, path: str | os.PathLike[str], image_shape: tuple[int, ...]) -> Any:
    """The `input_shape` with which `write` makes `path` of a network in a model of images (C, H, W); None: any will do.

    CheckpointError: the network is no chain of layers, or does not say what its inputs are.
    """
    return keras.guess_input_shape(module, image_shape) if suffix_of(path) in KERAS else None


def load(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    renames: Mapping[str, str] | None = None,
    by_order: bool = False,
    input_shape: tuple[int, ...] | None = None,
) -> Plan:
    """Give `module` the weights of a file, all or none, and return what became what: `Plan.table`, `Plan.notes`.

    Files of PyTorch, NumPy and runs are matched by name; a name that begins with a key of `renames` begins with its
    value instead, and with `by_order` names say nothing, but the order of the arrays does. Files of Keras are matched
    layer by layer; `input_shape` as in `write`, for ``.weights.h5``. CheckpointError: the file cannot be read, or does
    not fit; it names everything that is missing, unexpected or of another shape.
    """
    done = plan(module, path, renames=renames, by_order=by_order, input_shape=input_shape)
    done.apply()
    return done


def plan(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    renames: Mapping[str, str] | None = None,
    by_order: bool = False,
    part: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> Plan:
    """What `load` would do; `module` stays as it is, and what does not fit is in `Plan.faults`.

    `part` is the name of `module` in a larger network: of a file of all of it only the entries below that name are
    taken. `image_shape` (C, H, W) stands for `input_shape`, if that is not given and the network takes images.
    """
    check_module("weights.load", module)
    name, pairs = file_path("weights.load", path), _checked_renames(renames)
    shape, by_order = _checked_shape("weights.load", input_shape), flag("weights.load", "by_order", by_order)
    if suffix_of(name) in KERAS:
        files.check_is_file(name)
        if pairs or by_order:
            raise CheckpointError(
                f"{name}: layers of Keras are matched one after another, so no other order can be given"
            )
        if suffix_of(name) == ".keras":
            return keras.plan_keras(module, name)
        return keras.plan_weights_h5(
            module, name, keras.guess_input_shape(module, image_shape) if shape is None else shape
        )
    found = files.read(name)
    mapped = [state for state in found.states if any(old.startswith(f"{state}.") for old in pairs)]
    taken = mapped if pairs else [part] if part else []
    starts = tuple(f"{start}." for start in taken)
    inside = {entry: array for entry, array in found.arrays.items() if starts and entry.startswith(starts)}
    if inside and not by_order:
        others = len(found.arrays) - len(inside)
        of = " or ".join(map(repr, taken))
        found.notes += [f"{others} entries that are not of {of} are left out"] if others else []
        found.arrays = inside if pairs else {entry[len(starts[0]) :]: array for entry, array in inside.items()}
    elif found.states and not pairs:
        found.notes += [f"--map {found.states[0]}.= takes one of them"]
    made = match(module, found.arrays, name, renames=list(pairs.items()), by_order=by_order)
    if by_order and not found.ordered:
        made.faults.insert(0, "this kind of file sorts its arrays by name, so their order says nothing")
    made.notes[:0] = found.notes
    return made


def read_keras(path: str | os.PathLike[str]) -> nn.Sequential:
    """The network of a ``.keras`` file, in evaluation mode: it computes what Keras does, with images (N, C, H, W).

    CheckpointError: it is damaged, or holds a layer or setting that this library does not have, which is named.
    """
    name = file_path("weights.read_keras", path)
    files.check_is_file(name)
    network: nn.Sequential = keras.read_keras(name)[0]
    return network


def _checked_shape(name: str, shape: Any) -> tuple[int, ...] | None:
    """A shape without N, whose lengths are at least 1; None if none is given."""
    if shape is None:
        return None
    sizes = whole_shape(name, shape)
    if any(n < 1 for n in sizes):
        raise ValueError(f"{name}: the lengths of input_shape are at least 1, got {sizes}")
    return sizes


def _checked_renames(renames: Any) -> dict[str, str]:
    """Beginnings of names by what they replace."""
    given = {} if renames is None else dict(by_name("weights.load", "renames", renames))
    if not all(isinstance(new, str) for new in given.values()):
        raise TypeError(f"weights.load: renames holds beginnings of names by those that they replace, got {renames!r}")
    return given


def suffix_of(path: Any) -> str:
    """The suffix in small letters; ".weights.h5" is one."""
    name = os.path.basename(os.fspath(path)).lower()
    return ".weights.h5" if name.endswith(".weights.h5") else os.path.splitext(name)[1]
