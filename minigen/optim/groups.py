"""Parameter groups: the Tensors that an optimizer updates, in groups with settings of their own.

Imports: device, autograd. Read next: ``optimizer.py``, which uses this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from minigen.autograd import Tensor
from minigen.device import array_module

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]  # Tensors, or groups of them

_HINT = "give module.parameters()"


class Group(NamedTuple):
    """Parameters with the same settings. Read-only; setting `Optimizer.lr` changes the rates of all groups."""

    params: list[Tensor]
    lr: float
    settings: dict[str, Any]


def split_groups(
    owner: str, params: Parameters, known: Collection[str]
) -> tuple[list[list[Tensor]], list[dict[str, Any]] | None]:
    """The parameters and the own settings of each group; one list of parameters and None if there are no groups.

    Groups are dicts, ``{"params": ..., "lr": ...}``, with settings of the names `known` beside "params".
    """
    if isinstance(params, Mapping):
        raise TypeError(f"{owner}: params is one {type(params).__name__}; put groups in a list")
    several = isinstance(params, Iterable) and not isinstance(params, Tensor) and getattr(params, "ndim", 1) != 0
    found: Any = list(params) if several else params
    if not several or not any(isinstance(entry, dict) for entry in found):
        return [_check_params(owner, found)], None
    lists, own = [], []
    for i, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise TypeError(
                f"{owner}: params has groups (dicts), but entry {i} is {type(entry).__name__}; wrap it in one"
            )
        if unknown := [key for key in entry if key not in ("params", *known)]:
            names = ", ".join(("params", *known))
            raise ValueError(f"{owner}: group {i} has an unknown key {unknown[0]!r}; known are {names}")
        if "params" not in entry:
            raise ValueError(f"{owner}: group {i} has no 'params'; {_HINT}")
        lists.append(_check_params(f"{owner}, group {i}", entry["params"]))
        own.append({key: value for key, value in entry.items() if key != "params"})
    places: dict[int, int] = {}
    for i, tensors in enumerate(lists):
        for p in tensors:
            if places.setdefault(id(p), i) != i:
                raise ValueError(
                    f"{owner}: groups {places[id(p)]} and {i} have the same parameter {p!r}; give each once"
                )
    return lists, own


def _check_params(owner: str, params: Any) -> list[Tensor]:
    """The parameters as a list; an error for what cannot be trained. Makes their arrays C-contiguous."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable) or getattr(params, "ndim", 1) == 0:
        raise TypeError(f"{owner}: params must be several Tensors, got {type(params).__name__}; {_HINT}")
    found = list(params)
    if not found:
        raise ValueError(f"{owner}: params is empty, there is nothing to train; {_HINT}")
    places: dict[int, int] = {}
    for i, p in enumerate(found):
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: parameter {i} is not a Tensor but {type(p).__name__}; {_HINT}")
        if p.dtype.kind != "f":
            raise TypeError(f"{owner}: parameter {i} is {p.dtype}; only float32 and float64 can be trained")
        if p.node is not None:
            made = type(p.node).__name__
            raise ValueError(f"{owner}: parameter {i} was made by {made}; only leaves can be trained, so {_HINT}")
        if places.setdefault(id(p), i) != i:
            raise ValueError(f"{owner}: parameters {places[id(p)]} and {i} are the same Tensor; give each once")
    for p in found:
        if not p.data.flags.c_contiguous:  # the kernels write in place and need contiguous arrays
            p.data = array_module(p.data).ascontiguousarray(p.data)
    return found
