"""Settings on the command line: every `Option` of the tables as ``--name``, and how flags, file and run come together.

Imports: training. Read next: ``train.py``.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from minigen.algorithms.catalog import MODELS, OPTIONS, find_recipe, is_place
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError, Option, check_value
from minigen.cli.words import echo
from minigen.data import NAMES
from minigen.training.config import ABSENT, DEFAULTS, GENERAL, option_of, read_config_file, resolve
from minigen.training.run_folder import RunFolder


class Setting(click.Option):
    """An `Option` of a table as a flag. It is None unless given, so that file and defaults can come first."""

    def __init__(self, name: str, option: Option) -> None:
        flag = "--" + name.replace("_", "-")
        self.option, self.setting = option, name
        if option.type is bool:
            super().__init__([name, f"{flag}/--no-{flag[2:]}"], default=None, help=option.help)
        else:
            metavar = f"[{'|'.join(option.choices)}]" if option.choices else None
            super().__init__([name, flag], type=option.type, default=None, help=option.help, metavar=metavar)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        value = super().process_value(ctx, value)
        return None if value is None else check_value(self.opts[0], value, self.option)

    def record(self, ctx: click.Context, recipe: Recipe | None) -> tuple[str, str] | None:
        """The lines of the help: flag and text, with the default that holds for `recipe` (None: for all models)."""
        record = self.get_help_record(ctx)
        default = (DEFAULTS if recipe is None else {**DEFAULTS, **recipe.options}).get(self.setting)
        if record is None or default is None or self.option.type is bool and not default:
            return record
        shown = "on" if self.option.type is bool else default
        return record[0], f"{record[1]}  [default: {shown}]"


class SettingsCommand(click.Command):
    """A command whose help lists general settings and, if the command line names a model, the options of that model."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args and not args[0].startswith("-") else None
        ctx.meta[NAMED] = next((word for word in args if word in MODELS or ".py:" in word), first)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """With the flags of a user's own model, if the command line begins with one, before others of their name."""
        named, params = ctx.meta.get(NAMED), super().get_params(ctx)
        if named is None or not is_place(named):
            return params
        own = {k: o for k, o in find_recipe(named).declared.items() if k not in GENERAL and k != DIGEST}
        others = [p for p in params if not isinstance(p, Setting) or p.setting not in own]
        return [*others, *(Setting(name, option) for name, option in own.items())]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        named = ctx.meta.get(NAMED)
        recipe = None if named is None else find_recipe(named)
        title = "" if recipe is None else f"Options of {recipe.name}"
        sections: dict[str, list[tuple[str, str]]] = {"Command": [], "Settings": [], title: []}
        for param in self.get_params(ctx):
            if not isinstance(param, Setting):
                record, section = param.get_help_record(ctx), "Command"
            elif recipe is not None and param.setting in recipe.options and param.setting not in GENERAL:
                record, section = param.record(ctx, recipe), title
            else:
                record, section = param.record(ctx, recipe) if param.setting in GENERAL else None, "Settings"
            if record is not None:
                sections[section].append(record)
        for section, records in sections.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)
        if recipe is None:
            formatter.write_paragraph()
            formatter.write_text("Each model has options of its own: minigen train MODEL --help; models: minigen list")
        else:
            formatter.write_paragraph()
            formatter.write_text(f"{recipe.name}: {recipe.summary}. {recipe.paper}")


DIGEST = "model_digest"  # a setting without a flag (``custom.py``)
NAMED = "minigen.model"  # where the context keeps the model that the command line names


def all_settings() -> list[click.Parameter]:
    """A flag for every general setting and every option of a model."""
    return [Setting(name, option) for name, option in {**GENERAL, **OPTIONS}.items()]


def new_config(model: str | None, file: str | None, flags: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and whole config of a new run: defaults, then the config file, then flags."""

    def known(named: Any) -> list[str]:
        own = str(model or named)
        return [*GENERAL, *OPTIONS, *(find_recipe(own).declared if is_place(own) else ())]

    settings = {} if file is None else read_config_file(file, known)
    named, _ = settings.pop("model", None), settings.pop(DIGEST, None)
    model = model or named
    if model is None:
        raise ConfigError(f"which model? minigen train MODEL, with one of {', '.join(MODELS)}")
    recipe = find_recipe(str(model))
    for name, value in settings.items():
        settings[name] = check_value(f"{file}: {name}", value, option_of(recipe, OPTIONS, name))
    for name in (*settings, *flags):
        owners = [other for other, r in MODELS.items() if name in r.options]
        if name not in GENERAL and name not in recipe.options:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"model {recipe.name!r} has no option {flag}; these have it: {', '.join(owners)}")
    config = absolute_paths(resolve(recipe, OPTIONS, {**settings, **flags}))
    given = settings.get("batch_size") is not None or "batch_size" in flags
    return recipe, config if given else {**config, "batch_size": None}  # `prepare` knows how many images there are


def read_run(folder: RunFolder) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and config of an existing run. ValueError, with what to do, if its config does not fit."""
    stored = folder.read_config()
    try:
        if "model" not in stored:
            raise ConfigError("it names no model")
        stored = {**ABSENT, **stored}
        recipe = _recipe_of_run(str(stored.pop("model")), stored)
        gone = [name for name in stored if name not in DEFAULTS and name not in recipe.options]
        if gone:
            raise ConfigError(
                f"{recipe.name} has no option {', '.join(map(repr, gone))}. To open the run all the same, delete the "
                "line from that file; it fits if the option was not in use"
            )
        return recipe, resolve(recipe, OPTIONS, stored)
    except ConfigError as error:
        raise ValueError(f"{folder.config} was damaged or made by another version of minigen: {error}") from error


def _recipe_of_run(model: str, stored: Mapping[str, Any]) -> Recipe:
    """The recipe that a config names. Of a user's own it is said which file is executed, and whether it has changed."""
    if not is_place(model):
        return find_recipe(model)
    echo(f"minigen: note: the network of this run is {model}; that file is executed", err=True)
    try:
        recipe = find_recipe(model)
    except ConfigError as error:
        raise ConfigError(f"{error}. Put it back, or write where it is now into that line `model = ...`") from error
    if recipe.options.get(DIGEST) != stored.get(DIGEST):
        echo(
            f"minigen: note: {recipe.place} is not as it was when this run began: a network of other layers cannot be "
            "opened, and numbers may differ",
            err=True,
        )
    return recipe


def absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with paths that hold from any working directory: a run may be resumed from elsewhere."""
    changed = dict(settings)
    for name in ("data_dir", "init_generator_from", "init_discriminator_from"):
        if changed.get(name) is not None:
            changed[name] = str(Path(changed[name]).expanduser().absolute())
    dataset = changed.get("dataset")
    if dataset is not None and dataset not in NAMES and Path(dataset).expanduser().exists():
        changed["dataset"] = str(Path(dataset).expanduser().absolute())
    return changed


def command_line(*words: object) -> str:
    """A command that can be pasted into a shell."""
    return shlex.join(["minigen", *map(str, words)])
