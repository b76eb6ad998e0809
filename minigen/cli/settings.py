"""Settings on the command line: every `Option` of the tables as ``--name``, and the help that shows those of a model.

Imports: click, algorithms, training.config, runs.settings. Read next: ``train.py``, ``minigen/runs/settings.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from minigen.algorithms.catalog import MODELS, OPTIONS, find_recipe, is_place
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import Option, check_value
from minigen.cli.completion import complete_choice, complete_dataset, complete_run
from minigen.runs.settings import DIGEST
from minigen.training.config import DEFAULTS, GENERAL


class Setting(click.Option):
    """An `Option` of a table as a flag. It is None unless given, so that file and defaults can come first."""

    def __init__(self, name: str, option: Option) -> None:
        flag = "--" + name.replace("_", "-")
        self.option, self.setting = option, name
        if option.type is bool:
            super().__init__([name, f"{flag}/--no-{flag[2:]}"], default=None, help=option.help)
        else:
            metavar = f"[{'|'.join(option.choices)}]" if option.choices else None
            complete = complete_choice(option.choices) if option.choices else COMPLETED.get(name)
            super().__init__(
                [name, flag], type=option.type, default=None, help=option.help, metavar=metavar, shell_complete=complete
            )

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
        if ctx.resilient_parsing:  # a shell asks; a file of the user's is not executed for that
            known = {*GENERAL, *(MODELS[str(named)].options if named in MODELS else ())}
            return [p for p in params if not isinstance(p, Setting) or p.setting in known]
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
        text = "Each model has options of its own: minigen train MODEL --help; models: minigen list"
        formatter.write_paragraph()
        formatter.write_text(text if recipe is None else f"{recipe.name}: {recipe.summary}. {recipe.paper}")


#: How a shell completes the value of a setting.
COMPLETED: Mapping[str, Any] = {
    "dataset": complete_dataset, "init_generator_from": complete_run, "init_discriminator_from": complete_run,
}  # fmt: skip
NAMED = "minigen.model"  # where the context keeps the model that the command line names


def all_settings() -> list[click.Parameter]:
    """A flag for every general setting and every option of a model."""
    return [Setting(name, option) for name, option in {**GENERAL, **OPTIONS}.items()]
