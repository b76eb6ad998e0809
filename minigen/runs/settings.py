"""The settings of a run: how options, a file and defaults become one config, and how that of a run folder is read.

Imports: algorithms.catalog, training.config. Read next: ``trained.py``, ``sessions.py``.
"""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigen.algorithms.catalog import MODELS, OPTIONS, find_recipe, is_place
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError, check_value, did_you_mean
from minigen.data import NAMES
from minigen.data.label_table import absolute_table
from minigen.training.config import ABSENT, DEFAULTS, GENERAL, option_of, read_config_file, resolve
from minigen.training.run_folder import RunFolder

Note = Callable[[str], None]  # what a user should know, in one sentence
DIGEST = "model_digest"  # a setting without a flag (``custom.py``)


def new_config(model: Any, file: str | None, options: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and whole config of a new run: defaults, then the config file, then `options`."""

    def known(named: Any) -> list[str]:
        own = str(model or named)
        return [*GENERAL, *OPTIONS, *(find_recipe(own).declared if is_place(own) else ())]

    settings = {} if file is None else read_config_file(file, known)
    named, _ = settings.pop("model", None), settings.pop(DIGEST, None)
    model = model or named
    if model is None:
        raise ConfigError(f"which model? minigen train MODEL, with one of {', '.join(MODELS)}")
    recipe = find_recipe(model)
    for name, value in settings.items():
        settings[name] = check_value(f"{file}: {name}", value, option_of(recipe, OPTIONS, name))
    for name in (*settings, *options):
        owners = [other for other, r in MODELS.items() if name in r.options]
        if name not in GENERAL and name not in recipe.options:
            flag = "--" + name.replace("_", "-")
            near = did_you_mean(name, [*GENERAL, *recipe.options])
            others = f"; these have it: {', '.join(owners)}" if owners else near
            raise ConfigError(f"model {recipe.name!r} has no option {flag}{others}")
    config = absolute_paths(resolve(recipe, OPTIONS, {**settings, **options}))
    given = settings.get("batch_size") is not None or options.get("batch_size") is not None
    return recipe, config if given else {**config, "batch_size": None}  # `prepare` knows how many images there are


def read_run(
    folder: RunFolder, recipe: Recipe | None = None, note: Note = warnings.warn, data_dir: Any = None
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and config of an existing run; `recipe` is that of a model of the user's own.

    `data_dir` is where its data set is now, if it has moved.
    ValueError, with what to do, if its config does not fit.
    """
    stored = folder.read_config()
    try:
        if "model" not in stored:
            raise ConfigError("it names no model")
        stored = {**ABSENT, **stored}
        model = str(stored.pop("model"))
        if recipe is None:
            recipe = _recipe_of_run(folder, model, stored, note)
        elif model != recipe.name and not (recipe.place and is_place(model)):
            raise ValueError(f"{folder.config} names the model {model!r}, not {recipe.name!r}")
        gone = [name for name in stored if name not in DEFAULTS and name not in recipe.options]
        if gone:
            raise ConfigError(
                f"{recipe.name} has no option {', '.join(map(repr, gone))}. To open the run all the same, delete the "
                "line from that file; it fits if the option was not in use"
            )
        config = resolve(recipe, OPTIONS, stored)
    except ConfigError as error:
        raise ValueError(f"{folder.config} was damaged or made by another version of minigen: {error}") from error
    return recipe, config if data_dir is None else absolute_paths({**config, "data_dir": os.fspath(data_dir)})


def _recipe_of_run(folder: RunFolder, model: str, stored: Mapping[str, Any], note: Note) -> Recipe:
    """The recipe that a config names. Of a user's own it is said which file is executed, and whether it has changed."""
    if not is_place(model):
        return find_recipe(model)
    note(f"the network of this run is {model}; that code is executed")
    try:
        recipe = find_recipe(model)
    except ConfigError as error:
        raise ValueError(
            f"{str(error).rstrip('.')}{'' if str(error).endswith('?') else '.'} Put it back, or write where it is now "
            f"into the line `model = ...` of {folder.config}, or give it: mg.open_run(path, model=...)"
        ) from error
    if recipe.options.get(DIGEST) != stored.get(DIGEST):
        note(
            f"{recipe.place} is not as it was when this run began: a network of other layers cannot be opened, and "
            "numbers may differ"
        )
    return recipe


def absolute_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with paths that hold from any working directory: a run may be resumed from elsewhere."""
    changed = dict(settings)
    for name in ("data_dir", "init_generator_from", "init_discriminator_from"):
        if changed.get(name) is not None:
            changed[name] = str(Path(changed[name]).expanduser().absolute())
    if changed.get("labels") is not None:
        changed["labels"] = absolute_table(changed["labels"])
    dataset = changed.get("dataset")
    if dataset is not None and dataset not in NAMES and Path(dataset).expanduser().exists():
        changed["dataset"] = str(Path(dataset).expanduser().absolute())
    return changed


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the command line would give them: paths are absolute texts, numbers are Python's, no None."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
    texts = {name: os.fspath(value) for name, value in plain.items() if isinstance(value, os.PathLike)}
    return absolute_paths({name: value for name, value in {**plain, **texts}.items() if value is not None})


def command_line(*words: object) -> str:
    """A command that can be pasted into a shell."""
    return shlex.join(["minigen", *map(str, words)])
