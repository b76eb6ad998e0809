"""A Module with other Tensors in the place of its parameters: to ask what a network would answer with other weights.

The weights may themselves be the result of a computation - a step of gradient descent, say - and what the network then
answers can be differentiated through that computation. PyTorch calls this ``functional_call``.

Imports: tensor, module. Read next: ``minigen/algorithms/adversarial/unrolled.py``, which needs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from minigen.autograd import Tensor, as_tensor
from minigen.nn.module import Module, Parameter, check_module
from minigen.shapes import by_name

M = TypeVar("M", bound=Module)


def replaced(module: M, tensors: Mapping[str, Tensor]) -> M:
    """A copy of `module` that has `tensors`, by their names in its `state_dict`, where it has parameters or buffers.

    Parameters that are not replaced are shared with `module`; buffers are copied, so that whatever the copy does to
    them (batch norm moves its statistics), `module` stays as it is. A Tensor that stands in two places is replaced in
    both: give one for it, under any of its names. The copy is there to be called: what replaced a parameter is no
    `Parameter`, and nothing trains it.

    ValueError names every Tensor that `module` does not have, or has in another shape, dtype or device.
    """
    own = dict(check_module("replaced", module)._named_tensors_repeated())
    tensors = {name: as_tensor(t) for name, t in by_name("replaced", "tensors", tensors).items()}
    faults = [f"{name} {t.shape} is not there" for name, t in tensors.items() if name not in own]
    for name in own.keys() & tensors.keys():
        there, here = _like(own[name]), _like(tensors[name])
        if there != here:
            faults.append(f"{name} has to be {there}, got {here}")
    for name, other in itertools.combinations(sorted(own.keys() & tensors.keys()), 2):
        if own[name] is own[other] and not _interchangeable(tensors[name], tensors[other]):
            faults.append(f"{name} and {other} are one tensor here; give one for both")
    if faults:
        raise ValueError(f"replaced: {type(module).__name__}: {'; '.join(sorted(faults))}")
    buffers = {id(t): Tensor(t.data.copy()) for t in own.values() if not isinstance(t, Parameter)}
    copy: M = _copied(module, buffers | {id(own[name]): t for name, t in tensors.items()})
    return copy


def _interchangeable(a: Tensor, b: Tensor) -> bool:
    """Are they one Tensor, or equal constants?"""
    constant = not (a.requires_grad or b.requires_grad) and _like(a) == _like(b)
    return a is b or (constant and bool((a.data == b.data).all()))


def _like(t: Tensor) -> str:
    return f"{t.dtype} {t.shape} on {t.device}"


def _copied(value: Any, made: dict[int, Any]) -> Any:
    """`value` with every Tensor and Module in it that `made` has something for, by id, replaced by that.

    Modules and containers are copied, each once; everything else is shared.
    """
    if id(value) in made:
        return made[id(value)]
    if isinstance(value, Module):
        copy = made[id(value)] = object.__new__(type(value))
        vars(copy).update({name: _copied(element, made) for name, element in vars(value).items()})
        copy.training = value.training  # as this thread sees it
        return copy
    if isinstance(value, dict):
        return {key: _copied(element, made) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        elements = [_copied(element, made) for element in value]
        return getattr(value, "_make", type(value))(elements)  # a named tuple has _make
    return value
