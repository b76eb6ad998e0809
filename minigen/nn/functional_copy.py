"""A copy of a Module with other Tensors as its parameters, to evaluate a network at other weights.

The weights may be the result of a computation, such as a step of gradient descent. The output of the copy is then
differentiable through that computation. PyTorch's equivalent is ``torch.func.functional_call``.

Imports: autograd, module. Read next: ``minigen/algorithms/adversarial/unrolled.py``, which needs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from minigen.autograd import Tensor, as_tensor
from minigen.nn.module import Module, Parameter, check_module
from minigen.shapes import by_name

M = TypeVar("M", bound=Module)


def functional_copy(module: M, tensors: Mapping[str, Tensor]) -> M:
    """A copy of `module` with `tensors` as the parameters or buffers of these names (those of its `state_dict`).

    Other parameters are shared with `module`. Other buffers are copied, so a call of the copy does not change `module`
    (batch norm updates its statistics). A shared Tensor is replaced everywhere: give one for it, under any of its
    names. A Tensor that replaces a parameter is no `Parameter`, so an optimizer does not find it.

    ValueError names every Tensor that `module` does not have, or has in another shape, dtype or device.
    """
    own = dict(check_module("functional_copy", module)._named_tensors(remove_duplicate=False))
    tensors = {name: as_tensor(t) for name, t in by_name("functional_copy", "tensors", tensors).items()}
    faults = [f"{name} {t.shape} is not there" for name, t in tensors.items() if name not in own]
    for name in own.keys() & tensors.keys():
        there, here = _description(own[name]), _description(tensors[name])
        if there != here:
            faults.append(f"{name} has to be {there}, got {here}")
    for name, other in itertools.combinations(sorted(own.keys() & tensors.keys()), 2):
        if own[name] is own[other] and not _are_equal(tensors[name], tensors[other]):
            faults.append(f"{name} and {other} are one tensor here; give one for both")
    if faults:
        raise ValueError(f"functional_copy: {type(module).__name__}: {'; '.join(sorted(faults))}")
    buffers = {id(t): Tensor(t.data.copy()) for t in own.values() if not isinstance(t, Parameter)}
    copy: M = _copy_with(module, buffers | {id(own[name]): t for name, t in tensors.items()})
    return copy


def _are_equal(a: Tensor, b: Tensor) -> bool:
    """Whether they are the same Tensor, or equal constants."""
    constant = not (a.requires_grad or b.requires_grad) and _description(a) == _description(b)
    return a is b or (constant and bool((a.data == b.data).all()))


def _description(t: Tensor) -> str:
    return f"{t.dtype} {t.shape} on {t.device}"


def _copy_with(value: Any, replacements: dict[int, Any]) -> Any:
    """A copy of `value` in which Tensors and Modules are replaced as in `replacements`, which maps ids to objects.

    Modules and containers are copied, each once; everything else is shared.
    """
    if id(value) in replacements:
        return replacements[id(value)]
    if isinstance(value, Module):
        copy = replacements[id(value)] = object.__new__(type(value))
        vars(copy).update({name: _copy_with(element, replacements) for name, element in vars(value).items()})
        copy.training = value.training  # as this thread sees it
        return copy
    if isinstance(value, dict):
        return {key: _copy_with(element, replacements) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        elements = [_copy_with(element, replacements) for element in value]
        return getattr(value, "_make", type(value))(elements)  # a named tuple has _make
    return value
