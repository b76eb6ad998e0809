"""What ``minigen gradcheck my_module:MyLayer`` means: the object of that name, and the function to be checked.

Imports: nn, autograd, random, algorithms.user_code. Read next: ``inputs.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minigen import nn, onnx
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.algorithms.user_code import find_in_module, parameters_of, running
from minigen.autograd import Function
from minigen.random import Generator


@dataclass(frozen=True)
class Target:
    """The function to be checked. `call` takes the inputs; `required`: the names of those without a default.

    `max_inputs`: how many it accepts, None for any number. `source`: the object itself, which may have
    `example_inputs`.
    """

    name: str
    call: Callable[..., Any]
    required: tuple[str, ...]
    max_inputs: int | None
    source: Any


def open_target(spec: str, kwargs: Mapping[str, Any], seed: int) -> Target:
    """The target that `spec` names. ConfigError for a name that is not there, or arguments that do not fit.

    `kwargs` are arguments of the constructor (a Module class), static arguments (a Function class) or keyword arguments
    (a function). `rng` is supplied where a constructor asks for it and `kwargs` has none.
    """
    if spec.endswith(".onnx"):
        return _open_onnx(spec, kwargs)
    found, name, _ = find_in_module(spec, checkable, "Module, Function or function")
    if _is_class_of(found, (nn.Module,)):
        nn.manual_seed(seed)  # for layers inside that are given no rng
        made = _construct(found, name, kwargs, seed)
        return Target(name, made, *_inputs_of(made.forward), made)
    if _is_class_of(found, (Function,)):
        apply = found.apply if not kwargs else lambda *inputs: found.apply(*inputs, **kwargs)
        return Target(name, apply, *_inputs_of(found.forward, skip=1), found)
    if isinstance(found, nn.Module):
        if kwargs:
            raise ConfigError(f"{name} is an object that is made already: leave --kwargs out, or name its class")
        return Target(name, found, *_inputs_of(found.forward), found)
    if not callable(found) or isinstance(found, type):
        kind = f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise ConfigError(
            f"{name} is {kind}: what can be checked is a Module (its class or an object), a Function, or a "
            "function of Tensors"
        )
    _check_names(found, name, kwargs, "function")
    required, max_inputs = _inputs_of(found, given=kwargs)
    call = found if not kwargs else lambda *inputs: found(*inputs, **kwargs)
    return Target(name, call, required, max_inputs, found)


def _open_onnx(path: str, kwargs: Mapping[str, Any]) -> Target:
    """The network in an ONNX file. ConfigError if it cannot be read."""
    if kwargs:
        raise ConfigError(f"{path} is a network that is made already: leave --kwargs out")
    try:
        network = onnx.load(path)
    except (onnx.LoadError, ImportError) as error:
        raise ConfigError(str(error)) from error
    names = tuple(v.name for v in network.inputs)
    return Target(path, network, names, len(names), network)


def checkable(value: Any) -> bool:
    """Is it a Module, a Function, or a plain function?"""
    return inspect.isfunction(value) or isinstance(value, nn.Module) or _is_class_of(value, (nn.Module, Function))


def _is_class_of(value: Any, bases: tuple[type, ...]) -> bool:
    return isinstance(value, type) and issubclass(value, bases)


def _construct(cls: type[nn.Module], name: str, kwargs: Mapping[str, Any], seed: int) -> nn.Module:
    """An object of a Module class."""
    arguments = dict(kwargs)
    parameters = parameters_of(cls)
    if "rng" in parameters and "rng" not in arguments:
        arguments["rng"] = Generator(seed)
    _check_names(cls, name, arguments, "constructor")
    missing = [
        p
        for p in parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.default is p.empty and p.name not in arguments
    ]
    if missing:
        listed = ", ".join(_described(p) for p in missing)
        example = ", ".join(f'"{p.name}": {_example(p)}' for p in missing)
        raise ConfigError(
            f"the constructor of {name} needs {listed}: give them as JSON, for example --kwargs '{{{example}}}'"
        )
    with running(f"the constructor of {name}"):
        return cls(**arguments)


def _described(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    if kind is parameter.empty:
        return parameter.name
    return f"{parameter.name} ({kind if isinstance(kind, str) else inspect.formatannotation(kind)})"


def _example(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation if isinstance(parameter.annotation, str) else getattr(
        parameter.annotation, "__name__", "")  # fmt: skip
    return {"float": "0.5", "bool": "true", "str": '"..."', "tuple": "[3, 4]", "list": "[3, 4]"}.get(kind, "4")


def _check_names(call: Any, name: str, kwargs: Mapping[str, Any], what: str) -> None:
    """ConfigError for a keyword that `call` does not have."""
    parameters = parameters_of(call)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for key in kwargs:
        if key not in known:
            has = f" It has {', '.join(known)}" if known else " It has none"
            raise ConfigError(f"--kwargs: the {what} {name} has no argument {key!r}{did_you_mean(key, known)}{has}")


def _inputs_of(call: Any, skip: int = 0, given: Iterable[str] = ()) -> tuple[tuple[str, ...], int | None]:
    """(names of the inputs that `call` cannot do without, how many it can take). `skip`: a leading self."""
    if not parameters_of(call) and inspect.isbuiltin(call):
        return (), None
    positional = [
        p
        for p in list(parameters_of(call).values())[skip:]
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) and p.name not in given
    ]
    several = any(p.kind is p.VAR_POSITIONAL for p in positional)
    singles = [p for p in positional if p.kind is not p.VAR_POSITIONAL]
    required = tuple(p.name for p in singles if p.default is p.empty)
    return required, None if several else len(singles)
