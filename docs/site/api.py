"""The pages of the public names: one page a room, its names by the file that defines them.

Imports: minigen. Read next: ``docstrings.py``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
import types
from collections import defaultdict
from pathlib import Path
from typing import Any

import click

from docs.make.names import source_of
from docs.site.docstrings import as_rst

#: Modules with a page of their own, in order, each with its title. A name is on the first page that has it.
ROOMS = {
    "minigen": "mg: Tensors, gradients, training",
    "minigen.ops": "mg.ops: differentiable operations",
    "minigen.nn": "mg.nn: modules and layers",
    "minigen.losses": "mg.losses: losses",
    "minigen.optim": "mg.optim: optimizers and schedules",
    "minigen.data": "mg.data: data sets and batches",
    "minigen.models": "mg.models: network architectures",
    "minigen.metrics": "mg.metrics: what is measured",
    "minigen.gradcheck": "mg.gradcheck: reports of the gradient checker",
    "minigen.drawing": "mg.draw: drawings of graphs",
    "minigen.anatomy": "mg.explain_step: the table of a step",
    "minigen.testing": "mg.testing: checks for test suites",
    "minigen.autograd": "mg.autograd: for whoever writes operations",
    "minigen.onnx": "mg.onnx: networks as ONNX files",
    "minigen.weights": "mg.weights: weights of other libraries",
    "minigen.distributed": "mg.distributed: several processes",
    "minigen.explore": "mg.explore: the page of a model",
    "minigen_kernels.reference": "minigen_kernels: the kernels, as NumPy",
}
FIRST = ("autograd", "gradcheck", "nn")  # files of these rooms come first
MEMBERS = {"Tensor", "Module"}  # classes whose inherited methods are theirs


def pages() -> dict[str, str]:
    """The pages as reStructuredText, by name."""
    seen: dict[int, str] = {}
    return {
        **{module.removeprefix("minigen."): page(module, title, seen) for module, title in ROOMS.items()},
        "command": command_page(),
    }


def command_page() -> str:
    """What ``minigen COMMAND --help`` says, for all commands."""
    app = importlib.import_module("minigen.cli.app").commands
    text = _heading("minigen: the command", "=") + "\nWhat ``minigen COMMAND --help`` says.\n\n"
    group = click.Context(app, info_name="minigen")
    for name in app.list_commands(group):
        command = app.get_command(group, name)
        context = click.Context(command, info_name=name, parent=group, terminal_width=100, max_content_width=100)
        text += (
            _heading(f"minigen {name}", "-") + "\n::\n\n" + textwrap.indent(command.get_help(context), "    ") + "\n\n"
        )
    return text


def names(module: types.ModuleType) -> list[str]:
    """The public names of a module: those of its list, else the functions and classes that it re-exports."""
    listed = getattr(module, "__all__", None)
    return list(listed) if listed else [name for name in vars(module) if not name.startswith("_")]


def page(dotted: str, title: str, seen: dict[int, str]) -> str:
    """A room's page. What is in `seen` (by its id, its name there) stands on another page, and is linked to."""
    module = importlib.import_module(dotted)
    files: dict[str, list[str]] = defaultdict(list)
    elsewhere = []
    for name in names(module):
        thing = getattr(module, name)
        if id(thing) in seen or (inspect.ismodule(thing) and thing.__name__ in ROOMS):
            if id(thing) in seen:
                role = "class" if inspect.isclass(thing) else "func"
                elsewhere.append(f":py:{role}:`{name} <{seen[id(thing)]}>`")
            continue
        if inspect.ismodule(thing) and name not in getattr(module, "__all__", ()):
            continue
        source = source_of(f"{dotted}.{name}")
        if source is not None:
            seen[id(thing)] = f"{dotted}.{name}"
            files[source.file].append(_directive(f"{dotted}.{name}", thing))
    text = _heading(title, "=") + "\n" + as_rst(_description(module)) + "\n\n"
    text += f"On other pages: {', '.join(elsewhere)}.\n\n" if elsewhere else ""
    for file in sorted(files, key=lambda file: (file.split("/")[1] not in FIRST, file)):
        text += _heading(f"{Path(file).parent.name}/{Path(file).name}", "-") + "\n" + "\n".join(files[file]) + "\n"
    return text


def _heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n"


def _description(module: types.ModuleType) -> str:
    """The docstring of a module, without its last lines about imports and further reading."""
    return re.sub(r"\b(Imports|Read next):.*", "", inspect.getdoc(module) or "", flags=re.S).strip()


def _directive(name: str, thing: Any) -> str:
    if inspect.ismodule(thing):
        return f".. automodule:: {name}\n   :members:\n"
    if inspect.isclass(thing):
        inherited = "   :inherited-members:\n" if name.rpartition(".")[2] in MEMBERS else ""
        return f".. autoclass:: {name}\n   :members:\n   :show-inheritance:\n{inherited}"
    if callable(thing):
        return f".. autofunction:: {name}\n"
    return f".. autodata:: {name}\n   :no-value:\n"
