"""The networks of a model as one Module, and a part of it by its name.

Imports: nn. Read next: ``run.py``, ``importing.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen import nn
from minigen.algorithms.options import ConfigError


class Networks(nn.Module):
    """The networks of a model that has several, as attributes by their names."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.names = tuple(modules)
        vars(self).update(modules)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no network is called {name!r}; there are {', '.join(vars(self).get('names', ()))}")


def whole(modules: Mapping[str, nn.Module]) -> nn.Module:
    """The network of a model, or one Module with all of them."""
    return next(iter(modules.values())) if len(modules) == 1 else Networks(modules)


def part_of(modules: Mapping[str, nn.Module], part: str | None) -> nn.Module:
    """The part of a model by its path, such as "generator" or "encoder.3"; None: `whole`. ConfigError: no such part."""
    module = whole(modules)
    if len(modules) == 1 and part in modules:
        return module
    for i, name in enumerate(names := part.split(".") if part else []):
        inside = dict(module.children())
        if name not in inside:
            where = f"{'.'.join(names[:i])} has" if i else "the model has"
            raise ConfigError(f"no part is called {part!r}: {where} {', '.join(inside) or 'no parts'}")
        module = inside[name]
    return module
