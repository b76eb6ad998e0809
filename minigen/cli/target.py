"""What ``minigen gradcheck my_module:MyLayer`` means: the object of that name, and the function to be checked.

Imports: nn, tensor, random, training.config (for its messages). Read next: ``inputs.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from minigen import nn
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.autograd import Function
from minigen.cli.user_code import running
from minigen.random import Generator

HOW = "give it as my_module:MyLayer or path/to/file.py:MyLayer"


@dataclass(frozen=True)
class Target:
    """What is to be checked. `call` takes the inputs; `wanted` are the names of those that it cannot do without.

    `most`: how many it can take, None for any number. `source`: the object itself, which may offer `example_inputs`.
    """

    name: str
    call: Callable[..., Any]
    wanted: tuple[str, ...]
    most: int | None
    source: Any


def open_target(spec: str, kwargs: Mapping[str, Any], seed: int) -> Target:
    """The target that `spec` names. ConfigError for a name that is not there, or arguments that do not fit.

    `kwargs` are arguments of the constructor (a Module class), static arguments (a Function class) or keyword arguments
    (a function). `rng` is supplied where a constructor asks for it and `kwargs` has none.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise ConfigError(f"{spec!r} names no class or function: {HOW}{_choices_in(spec)}")
    module = load_module(place)
    found = _attribute(module, name, place)
    return _target(found, name, kwargs, seed)


def load_module(place: str) -> ModuleType:
    """Import a module by its name or the path of its file, with the current folder in front of the path."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if place.endswith(".py") or os.sep in place:
        return _load_file(Path(place))
    if not all(part.isidentifier() for part in place.split(".")):
        raise ConfigError(f"{place!r} is neither the name of a module nor the path of a .py file; {HOW}")
    with running(f"the import of {place}"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise  # it is there, but what it imports is not
    near = did_you_mean(place, [p.stem for p in Path.cwd().glob("*.py")] + [p.parent.name for p in _packages()])
    raise ConfigError(f"there is no module {place!r} in {os.getcwd()} or among what is installed{near}")


def _packages() -> Iterable[Path]:
    return Path.cwd().glob("*/__init__.py")


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else [])
        raise ConfigError(f"there is no file {path}{near}")
    if path.suffix != ".py":
        raise ConfigError(f"{path} is no Python file: its name has to end in .py")
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # so that it can import its neighbours
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"_{path.stem}_to_be_checked"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    with running(f"the import of {path}"):
        spec.loader.exec_module(module)
    return module


def _choices_in(place: str) -> str:
    """What could be named in a module that was given without a name in it; nothing if it cannot be imported."""
    try:
        module = load_module(place)
    except Exception:
        return ""
    names = checkable(module)
    return f"; it has {', '.join(names)}" if names else ""


def checkable(module: ModuleType) -> list[str]:
    """The names of Modules, Functions and plain functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (inspect.isfunction(value) or isinstance(value, nn.Module) or _is_class_of(value, (nn.Module, Function)))
    ]


def _is_class_of(value: Any, bases: tuple[type, ...]) -> bool:
    return isinstance(value, type) and issubclass(value, bases)


def _attribute(module: ModuleType, name: str, place: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = checkable(module)
            known = f"; it defines {', '.join(names)}" if names else "; it defines no Module, Function or function"
            # Of a module only what it can have checked, not what it imports.
            among = names if found is module else [known for known in vars(found) if not known.startswith("__")]
            near = did_you_mean(part, among)
            raise ConfigError(f"{place} has no {name!r}{near.rstrip('.')}{known}")
        found = getattr(found, part)
    return found


def _target(found: Any, name: str, kwargs: Mapping[str, Any], seed: int) -> Target:
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
    wanted, most = _inputs_of(found, given=kwargs)
    call = found if not kwargs else lambda *inputs: found(*inputs, **kwargs)
    return Target(name, call, wanted, most, found)


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
        made = cls(**arguments)
    return made


def _described(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation
    if kind is parameter.empty:
        return parameter.name
    return f"{parameter.name} ({kind if isinstance(kind, str) else inspect.formatannotation(kind)})"


def _example(parameter: inspect.Parameter) -> str:
    kind = parameter.annotation if isinstance(parameter.annotation, str) else getattr(
        parameter.annotation, "__name__", "")  # fmt: skip
    return {"float": "0.5", "bool": "true", "str": '"..."', "tuple": "[3, 4]", "list": "[3, 4]"}.get(kind, "4")


def parameters_of(call: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a class or function; none where Python does not know them (a built-in)."""
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}


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
    wanted = tuple(p.name for p in singles if p.default is p.empty)
    return wanted, None if several else len(singles)
