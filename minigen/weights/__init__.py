"""Weights of other libraries, in and out: PyTorch's state dicts, by one table of conventions.

    from minigen import weights

    weights.write(module, "twin.safetensors")     # for the same network in PyTorch
    weights.load(module, "theirs.pt")              # all of it or nothing

Read next: ``conventions.py``, the table; for users, ``docs/weights.md``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from minigen import nn
from minigen.nn.module import check_module
from minigen.weights.conventions import CONVENTIONS, Convention
from minigen.weights.files import read, write
from minigen.weights.matching import Plan, match
from minigen.weights.slots import to_torch

SUFFIXES = (".safetensors", ".pt", ".pth")

__all__ = ["CONVENTIONS", "Convention", "SUFFIXES", "Plan", "load", "match", "plan", "read", "to_torch", "write"]


def load(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    renames: Mapping[str, str] | None = None,
    by_order: bool = False,
) -> Plan:
    """Give `module` the weights of a file, all or none, and return what became what: `Plan.table`.

    `renames` as in `match`. CheckpointError: the file cannot be read, or does not fit; it names everything that is
    missing, unexpected or of another shape.
    """
    done = plan(module, path, renames=renames, by_order=by_order)
    done.apply()
    return done


def plan(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    renames: Mapping[str, str] | None = None,
    by_order: bool = False,
    part: str | None = None,
) -> Plan:
    """What `load` would do; `module` stays as it is.

    `part` is the name of `module` in a larger network: of a file of all of it only the entries below that name are
    taken.
    """
    found = read(path)
    inside = {name: array for name, array in found.arrays.items() if part and name.startswith(f"{part}.")}
    if part and inside and not renames and not by_order:
        others = len(found.arrays) - len(inside)
        found.notes += [f"{others} entries that are not of {part!r} are left out"] if others else []
        found.arrays = {name[len(part) + 1 :]: array for name, array in inside.items()}
    made = match(
        check_module("weights.plan", module),
        found.arrays,
        os.fspath(path),
        renames=list((renames or {}).items()),
        by_order=by_order,
    )
    if by_order and not found.ordered:
        made.faults.insert(0, "this kind of file sorts its arrays by name, so their order says nothing")
    made.notes[:0] = found.notes
    return made
