"""What inline code of the pages names: a public object or a file of this repository, and where its source is.

``mg.gradcheck``, ``ops.conv2d(x, w)``, ``minigen_kernels.reference.conv2d``, ``minigen/ops/conv.py`` are names; ``x``,
``--order 2`` and ``loss.backward()`` are none. A name whose first word is one of `ROOTS`, or a path whose first folder
is one of this repository, has to exist.

Imports: minigen, when a name is first looked up. Read next: ``guide.py``.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "kernels"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

#: First words of names, and the module or class that they stand for.
ROOTS = {"mg": "minigen", "minigen": "minigen", "minigen_kernels": "minigen_kernels", "Tensor": "minigen.Tensor",
         "Function": "minigen.Function", "FusedFunction": "minigen.FusedFunction"}  # fmt: skip
ROOTS |= {room: f"minigen.{room}" for room in ("nn", "ops", "losses", "optim", "data", "metrics", "models", "autograd")}
ENDINGS = {"cu", "cuh", "csv", "html", "json", "md", "npy", "npz", "onnx", "png", "pt", "py", "svg", "toml"}  # of files
FOLDERS = (
    "minigen",
    "minigen_bench",
    "minigen_pytest",
    "kernels",
    "docs",
    "tests",
    "examples",
    "benchmarks",
    "findings",
)


class UnknownNameError(LookupError):
    """Inline code that looks like a name of this repository and is none."""


@dataclass(frozen=True)
class Source:
    """Where something stands: a file relative to the repository, and a line from 1 (None: the file, or a folder)."""

    file: str
    line: int | None = None


@functools.cache
def source_of(code: str) -> Source | None:
    """Where the source is of what inline code names; None if it names nothing here. It raises `UnknownNameError`."""
    path = re.fullmatch(rf"((?:{'|'.join(FOLDERS)})/[\w./-]*)(?::(\d+))?", code)
    if path:
        if not (ROOT / path[1]).exists():
            raise UnknownNameError(f"there is no {path[1]} in the repository")
        return Source(path[1], int(path[2]) if path[2] else None)
    name = re.fullmatch(r"([A-Za-z_]\w*(?:\.\w+)+)(\(.*\))?", code, re.S)
    if name is None or name[1].split(".")[0] not in ROOTS or name[1].split(".")[-1] in ENDINGS:
        return None
    first, *rest = name[1].split(".")
    return _place(_object(ROOTS[first].split(".") + rest, code))


@functools.cache
def _options() -> dict[str, set[str]]:
    """The options of each command of ``minigen``."""
    import click

    app = importlib.import_module("minigen.cli.app").commands
    group = click.Context(app)
    commands = {name: app.get_command(group, name) for name in app.list_commands(group)}
    return {
        name: {"--help", *(word for each in command.params for word in [*each.opts, *each.secondary_opts])}
        for name, command in commands.items()
    }


def unknown_command(code: str) -> str | None:
    """What inline code such as ``minigen train vae --epochs 3`` says that the command does not know, or None."""
    found = re.match(r"minigen ([a-z]\S*)", code)
    if found is None:
        return None
    options = _options().get(found[1])
    if options is None:
        return f"`{code}`: there is no command minigen {found[1]}"
    unknown = [word for word in re.findall(r"(?<=\s)--[a-z][\w-]*", code) if word not in options]
    return f"`{code}`: minigen {found[1]} has no {unknown[0]}" if unknown else None


def _object(words: list[str], code: str) -> tuple[Any, Any, str]:
    """The object of a dotted name, what holds it, and its last word."""
    holder: Any = None
    found: Any = importlib.import_module(words[0])
    for k, word in enumerate(words[1:], start=2):
        holder = found
        try:
            found = inspect.getattr_static(holder, word) if inspect.isclass(holder) else getattr(holder, word)
        except AttributeError as error:
            dotted = ".".join(words[:k])
            module = sys.modules.get(".".join(words[: k - 1]))
            if inspect.ismodule(holder) and _is_module(dotted):
                found = importlib.import_module(dotted)
            elif not inspect.isclass(holder) and hasattr(module, word):  # `gradcheck` is a function and a room
                holder, found = module, getattr(module, word)
            elif inspect.isclass(holder) and _is_set(holder, word):
                return holder, None, word  # an attribute of instances: the class says it
            else:
                raise UnknownNameError(f"`{code}`: {'.'.join(words[: k - 1])} has no {word!r}") from error
    return found, holder, words[-1]


def _is_module(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except (ImportError, ValueError):
        return False


def _is_set(holder: type, word: str) -> bool:
    """Is this an attribute that the class, or one above it, gives to its instances?"""
    for cls in holder.__mro__:
        if word in getattr(cls, "__annotations__", {}) or word in getattr(cls, "__slots__", ()):
            return True
        if cls.__module__.startswith("minigen") and re.search(rf"\bself\.{word}\b[^=\n]*=", inspect.getsource(cls)):
            return True
    return False


def _place(found: tuple[Any, Any, str]) -> Source:
    """The file and line where an object is defined, or where the module that holds it gives it its value."""
    thing, holder, word = found
    if isinstance(thing, property):
        thing = thing.fget
    thing = getattr(thing, "__func__", getattr(thing, "py_func", thing))  # class methods; functions that Numba compiles
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if inspect.ismodule(thing):
        return Source(_relative(thing.__file__))
    if inspect.isclass(thing) or inspect.isfunction(thing):
        file = inspect.getsourcefile(thing)
        if file is not None and Path(file).is_relative_to(ROOT):
            return Source(_relative(file), inspect.getsourcelines(thing)[1])
    if inspect.isclass(holder):
        return _place((holder, None, word))
    return _assigned(holder, word)


def _assigned(module: Any, word: str) -> Source:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == word for target in targets):
            return Source(_relative(module.__file__), node.lineno)
    return Source(_relative(module.__file__))


def _relative(file: str | None) -> str:
    assert file is not None
    return Path(file).resolve().relative_to(ROOT).as_posix()
