"""Code of the user: how it is imported, and what it raises, with the user's own file and line.

Imports: options. Read next: ``custom.py``, and ``minigen/cli/target.py`` for gradcheck.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import minigen_kernels
from minigen.algorithms.options import ConfigError, did_you_mean

HOW = "give it as my_module:MyLayer or path/to/file.py:MyLayer"

#: Folders whose code is not the user's: this package, the standard library, what is installed beside it.
OURS = tuple(
    os.path.realpath(folder) + os.sep
    for folder in (
        str(Path(__file__).parents[1]),
        os.path.dirname(minigen_kernels.__file__),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


class UserCodeError(RuntimeError):
    """Code of the user raised. `str` is what to print: what was going on, the exception, the user's lines, and a hint.

    `in_backward`: the user's backward cannot be run, so the gradient is wrong; anywhere else nothing could be checked.
    """

    def __init__(self, doing: str, error: BaseException, hint: str = "", *, in_backward: bool = False) -> None:
        super().__init__(doing, error, hint)
        self.doing, self.error, self.hint, self.in_backward = doing, error, hint, in_backward

    def __str__(self) -> str:
        lines = [f"{self.doing} raises {type(self.error).__name__}: {self.error}".rstrip(": ")]
        lines += own_lines(self.error)
        return "\n".join([*lines, *([self.hint] if self.hint else [])])


@contextlib.contextmanager
def running(doing: str, hint: str = "") -> Iterator[None]:
    """Inside ``with``, code of the user runs: what it raises becomes a UserCodeError. It may also try to exit."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, UserCodeError):
        raise
    except (Exception, SystemExit) as error:
        raise UserCodeError(doing, error, hint) from error


def own_lines(error: BaseException) -> list[str]:
    """Where in the user's own files it happened: for each of these frames the file and line, and the line itself."""
    if isinstance(error, SyntaxError) and error.filename:
        line = [f"    {error.text.strip()}"] if error.text else []
        return [f"  {_short(error.filename)}, line {error.lineno}", *line]
    found: list[str] = []
    frames = list(traceback.extract_tb(error.__traceback__))
    cause = error.__cause__
    while cause is not None:  # a Function raises anew what its forward raises; the line is in the first one
        frames += traceback.extract_tb(cause.__traceback__)
        cause = cause.__cause__
    for frame in frames:
        if is_users(frame.filename):
            where = "" if frame.name == "<module>" else f", in {frame.name}"
            found.append(f"  {_short(frame.filename)}, line {frame.lineno}{where}")
            found += [f"    {frame.line}"] if frame.line else []
    return found[-8:]  # of a recursion the last few


def comes_from_user(trace: TracebackType | None) -> bool:
    """Is there a line of the user's on the way to the exception?"""
    return any(is_users(frame.filename) for frame in traceback.extract_tb(trace))


def is_users(filename: str) -> bool:
    """Is this a file of the user's, rather than of minigen, of Python, or of an installed package?"""
    return not filename.startswith("<") and not os.path.realpath(filename).startswith(OURS)


def _short(filename: str) -> str:
    """The name of a file as seen from the current folder."""
    path = Path(filename)
    with contextlib.suppress(ValueError):
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    return str(path)


def find_in_module(spec: str, usable: Callable[[Any], bool], kinds: str) -> tuple[Any, str, str]:
    """The object that `spec`, "module:Name" or "file.py:Name", names; its name; and the absolute file, or the module.

    `usable` is true of what could be named there, `kinds` in words, for the ConfigError about an unknown name.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        names: list[str] = []
        with contextlib.suppress(Exception):
            names = _usable_names(_load(spec), usable)
        choices = f"; it has {', '.join(names)}" if names else ""
        raise ConfigError(f"{spec!r} names no class or function: {HOW}{choices}")
    module = _load(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = _usable_names(module, usable)
            known = f"; it defines {', '.join(names)}" if names else f"; it defines no {kinds}"
            # Of a module only what is of use, not what it imports.
            among = names if found is module else [known for known in vars(found) if not known.startswith("__")]
            raise ConfigError(f"{place} has no {name!r}{did_you_mean(part, among).rstrip('.')}{known}")
        found = getattr(found, part)
    file = getattr(module, "__file__", None)
    return found, name, os.path.abspath(file) if file else place


def _usable_names(module: ModuleType, usable: Callable[[Any], bool]) -> list[str]:
    """The names of what a module defines itself that is of use."""
    own = {name: value for name, value in vars(module).items() if not name.startswith("_") and usable(value)}
    return [name for name, value in own.items() if getattr(value, "__module__", None) == module.__name__]


def _load(place: str) -> ModuleType:
    """Import a module by its name or the path of its file, with the current folder in front of the path."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if place.endswith(".py") or os.sep in place:
        return load_file(Path(place))
    if not all(part.isidentifier() for part in place.split(".")):
        raise ConfigError(f"{place!r} is neither the name of a module nor the path of a .py file; {HOW}")
    with running(f"the import of {place}"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise  # it is there, but what it imports is not
    packages = [path.parent.name for path in Path.cwd().glob("*/__init__.py")]
    near = did_you_mean(place, [p.stem for p in Path.cwd().glob("*.py")] + packages)
    raise ConfigError(f"there is no module {place!r} in {os.getcwd()} or among what is installed{near}")


_loaded: dict[tuple[str, bytes], ModuleType] = {}  # by path and contents: a file is executed once, until it changes


def load_file(path: Path) -> ModuleType:
    """Import a Python file, once until it changes, with its folder in the path; ConfigError, or UserCodeError."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the path of a Python file")
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else [])
        raise ConfigError(f"there is no file {path}{near}")
    if path.suffix != ".py":
        raise ConfigError(f"{path} is no Python file: its name has to end in .py")
    source = path.read_bytes()
    key = os.path.abspath(path), source
    if key in _loaded:
        return _loaded[key]
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # so that it can import its neighbours
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"_{path.stem}_of_the_user"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported as a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    with running(f"the import of {path}"):
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))  # never the bytecode of an older text
    _loaded[key] = module
    return module


def parameters_of(call: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a class or function; none where Python does not know them (a built-in)."""
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}
