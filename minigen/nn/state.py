"""Load a state dict, arrays by name, into the Tensors of a Module: all of it or nothing.

A shared Tensor (a tied weight, a layer used twice) has several names. ``state_dict`` lists it under each, as PyTorch
does. Files of other programs may have one of them only, because not every format can share memory. So one is enough,
and several must be equal.

Imports: device, autograd. Read next: ``module.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigen.autograd import Tensor, note_change
from minigen.device import refuse_masked, to_device
from minigen.shapes import by_name
from minigen_kernels import Array


def load_tensors(owner: str, own: Iterable[tuple[str, Tensor]], state: Mapping[str, Any]) -> None:
    """Copy the values of `state` to the Tensors `own`, listed under all their names. ValueError names each misfit.

    `owner` is the caller, for the error. Entries named ``num_batches_tracked``, which PyTorch keeps in batch norm, are
    accepted and not used.
    """
    tensors: dict[int, Tensor] = {}
    names: dict[int, list[str]] = {}
    for name, t in own:
        tensors[id(t)] = t
        names.setdefault(id(t), []).append(name)
    known = {name for several in names.values() for name in several}
    given, faults = _arrays(by_name(owner, "state", state))
    faults += [f"unexpected {name} {given[name].shape}" for name in given if name not in known]
    found: dict[int, Array] = {}
    for key, t in tensors.items():
        present = [name for name in names[key] if name in given]
        faults += [fault for name in present if (fault := _mismatch(name, given[name], t))]
        others = [name for name in present[1:] if not np.array_equal(given[name], given[present[0]], equal_nan=True)]
        faults += [f"{present[0]} and {name} are one tensor here, but their values differ" for name in others]
        if present:
            found[key] = given[present[0]]
        elif not any(name in state for name in names[key]):  # else it is in the faults already
            faults.append(f"missing {' or '.join(names[key])} {t.shape}")
    if faults:
        raise ValueError(f"{owner}: " + "; ".join(sorted(faults)))
    for key, t in tensors.items():
        t.data = to_device(np.array(found[key], t.dtype, order="C"), t.device)
        note_change(t)


def _arrays(state: Mapping[str, Any]) -> tuple[dict[str, Array], list[str]]:
    """The entries as NumPy arrays, and an error text for each that cannot be read."""
    arrays, faults = {}, []
    for name, value in state.items():
        if name.rpartition(".")[2] == "num_batches_tracked":
            continue
        try:
            refuse_masked(name, value)
            # PyTorch's tensors are arrays once they are detached.
            value = value.detach() if hasattr(value, "detach") else value
            arrays[name] = np.asarray(value.numpy() if isinstance(value, Tensor) else value)
        except (TypeError, ValueError, RuntimeError) as error:
            faults.append(f"{name} cannot be read as a NumPy array ({error}); convert it first")
    return arrays, faults


def _mismatch(name: str, array: Array, t: Tensor) -> str:
    if array.shape != t.shape:
        return f"{name} has shape {array.shape}, wanted {t.shape}"
    return f"{name} has dtype {array.dtype}, wanted {t.dtype}" if array.dtype.kind != t.dtype.kind else ""
