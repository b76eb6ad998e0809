"""What `export` was given, checked: every error says what came, what was wanted, and what to do.

Imports: nn, model. Read next: ``export.py``.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.nn import Module
from minigen.onnx.model import IR_VERSIONS
from minigen.shapes import is_whole, shown
from minigen_kernels import Array

DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


def arrays_of(example_inputs: Any, dtype: Any) -> list[Array]:
    """The example inputs as arrays, floats in that dtype."""
    given = example_inputs if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    arrays = []
    for x in given:
        try:
            array = np.array((x if isinstance(x, Tensor) else Tensor(x)).numpy())
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"export: example_inputs: expected a Tensor or array, or a tuple of them; {error}"
            ) from error
        arrays.append(array.astype(dtype) if dtype is not None and array.dtype.kind == "f" else array)
    if not arrays:
        raise ValueError("export: example_inputs is empty; the function needs an input that the file can have")
    return arrays


def check_batch(arrays: Sequence[Array]) -> None:
    """ValueError for inputs whose first axes are not one batch."""
    shapes = [a.shape for a in arrays]
    if any(not shape or not shape[0] for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        raise ValueError(
            f"export: example_inputs of shape {', '.join(map(str, shapes))}: with dynamic_batch the first axis of each "
            "is the batch, of one length above 0; use dynamic_batch=False for other inputs"
        )


def opset_of(opset: Any) -> int:
    """The opset, one that there is a form for."""
    if isinstance(opset, bool) or not is_whole(opset) or opset not in IR_VERSIONS:
        raise ValueError(f"export: opset is a number from {min(IR_VERSIONS)} to {max(IR_VERSIONS)}, got {shown(opset)}")
    return int(opset)


def dtype_of(dtype: Any) -> Any:
    """float32, float64 or None."""
    if dtype is None:
        return None
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", getattr(dtype, "__name__", None))
    if name not in DTYPES:
        raise ValueError(f"export: dtype is 'float32' or 'float64', or None for that of the inputs; got {shown(dtype)}")
    return DTYPES[name]


def parameter_names(function: Any, count: int) -> list[str]:
    """The names of the first arguments."""
    try:
        target = function.forward if isinstance(function, Module) else function
        names = [
            p.name
            for p in inspect.signature(target).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        names = []
    return names[:count] if len(names) >= count else [f"input_{i}" for i in range(count)] if count > 1 else ["input"]


def names_of(
    argument: str, names: Any, default: Sequence[str], count: int, taken: Collection[str] = ()
) -> tuple[str, ...]:
    """So many different names, those by default if `names` is None; none of those that are taken."""
    if names is None:
        names = [free(name, taken) for name in default]
    if not all_names(names) or len(names) != count or len(set(names)) != count:
        raise ValueError(
            f"export: {argument}: expected {count} different names, such as {list(default)}; got {shown(names)}"
        )
    for name in names:
        if name in taken:
            raise ValueError(
                f"export: {argument}: {name!r} is the name of an input, a parameter or a buffer already; choose another"
            )
    return tuple(names)


def all_names(names: Any) -> bool:
    """Whether these are a list of names."""
    return isinstance(names, (tuple, list)) and all(isinstance(name, str) and name for name in names)


def free(name: str, taken: Collection[str]) -> str:
    """The name, with as many underscores as tell it from those that are taken."""
    while name in taken:
        name += "_"
    return name


def mapping_of(argument: str, given: Any) -> dict[str, Any]:
    """A mapping with texts as keys; {} for None."""
    if given is not None and not (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
        raise TypeError(f"export: {argument} is a dict with texts as keys, or None; got {shown(given)}")
    return dict(given or {})


def path_of(path: Any) -> str:
    """A path as text."""
    if not isinstance(path, (str, os.PathLike)) or not (text := os.fspath(path)):
        raise TypeError(f"export: path is that of the file to be written, such as 'model.onnx'; got {shown(path)}")
    return text


def networks_of(function: Any, modules: Any) -> dict[str, Module]:
    """The networks that are worked with, by name."""
    if not callable(function):
        raise TypeError(f"export: expected a Module or a function of Tensors, got {shown(function)}")
    networks = {**({"": function} if isinstance(function, Module) else {}), **mapping_of("modules", modules)}
    for name, network in networks.items():
        if not isinstance(network, Module):
            raise TypeError(f"export: modules: expected a Module under {name!r}, got {shown(network)}")
    return networks
