"""Settings on the command line: every `Option` of the tables as ``--name``, and how flags, file and run come together.

Imports: training. Read next: ``train.py``.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from minigen.data import NAMES
from minigen.training.catalog import MODELS, OPTIONS
from minigen.training.config import (
    DEFAULTS,
    GENERAL,
    ConfigError,
    check_value,
    did_you_mean,
    read_config_file,
    resolve,
)
from minigen.training.experiment import Recipe
from minigen.training.options import Option
from minigen.training.run_folder import RunFolder


class Setting(click.Option):
    """An `Option` of a table as a flag. It is None unless given, so that file and defaults can come first."""

    def __init__(self, name: str, option: Option) -> None:
        flag = "--" + name.replace("_", "-")
        self.option, self.section = option, "Settings" if name in GENERAL else "Options of the models"
        owners = [model for model, recipe in MODELS.items() if name in recipe.options]
        help = option.help
        if name not in GENERAL and len(owners) < len(MODELS):
            help += f"  ({', '.join(owners)})"
        default = DEFAULTS.get(name) if name in GENERAL else _default_of_models(name)
        if default is not None and option.type is not bool:
            help += f"  [default: {default}]"
        if option.type is bool:
            super().__init__([f"{flag}/--no-{flag[2:]}"], default=None, help=help)
        else:
            metavar = f"[{'|'.join(option.choices)}]" if option.choices else None
            super().__init__([flag], type=option.type, default=None, help=help, metavar=metavar)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        value = super().process_value(ctx, value)
        return None if value is None else check_value(self.opts[0], value, self.option)


def _default_of_models(name: str) -> str:
    """The default of an option: one value, or "64; conv-ae 8" where some models have their own."""
    values = {model: recipe.options[name] for model, recipe in MODELS.items() if name in recipe.options}
    usual = Counter(values.values()).most_common(1)[0][0]
    return "; ".join([str(usual), *(f"{model} {value}" for model, value in values.items() if value != usual)])


class SettingsCommand(click.Command):
    """A command whose help lists settings in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Command": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", "Command"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def all_settings() -> list[click.Parameter]:
    """A flag for every general setting and every option of a model."""
    return [Setting(name, option) for name, option in {**GENERAL, **OPTIONS}.items()]


def find_model(name: str) -> Recipe:
    """The recipe of that name. ConfigError with a guess if there is none."""
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}{did_you_mean(name, MODELS)} Models are {', '.join(MODELS)}")
    return MODELS[name]


def new_config(model: str | None, file: str | None, flags: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and whole config of a new run: defaults, then the config file, then flags."""
    settings = {} if file is None else read_config_file(file, [*GENERAL, *OPTIONS])
    named = settings.pop("model", None)
    model = model or named
    if model is None:
        raise ConfigError(f"which model? minigen train MODEL, with one of {', '.join(MODELS)}")
    recipe = find_model(str(model))
    for name, value in settings.items():
        settings[name] = check_value(f"{file}: {name}", value, GENERAL.get(name) or OPTIONS[name])
    for name in (*settings, *flags):
        owners = [other for other, r in MODELS.items() if name in r.options]
        if name not in GENERAL and name not in recipe.options:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"model {recipe.name!r} has no option {flag}; these have it: {', '.join(owners)}")
    return recipe, absolute_paths(resolve(recipe, OPTIONS, {**settings, **flags}))


def read_run(folder: RunFolder) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and config of an existing run."""
    stored = folder.read_config()
    try:
        recipe = find_model(str(stored.pop("model", None)))
        return recipe, resolve(recipe, OPTIONS, stored)
    except ConfigError as error:
        raise ValueError(f"{folder.config} was damaged or made by another version of minigen: {error}") from error


def absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with paths that hold from any working directory: a run may be resumed from elsewhere."""
    changed = dict(settings)
    if changed.get("data_dir") is not None:
        changed["data_dir"] = str(Path(changed["data_dir"]).expanduser().absolute())
    dataset = changed.get("dataset")
    if dataset is not None and dataset not in NAMES and Path(dataset).expanduser().exists():
        changed["dataset"] = str(Path(dataset).expanduser().absolute())
    return changed


def command_line(*words: object) -> str:
    """A command that can be pasted into a shell."""
    return shlex.join(["minigen", *map(str, words)])
