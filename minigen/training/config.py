"""The settings of a run: what there is besides the options of the model, and how defaults, file and flags become one.

A config is a flat dictionary: the general settings below and the options of the model, each under its name, all filled
in. It stands in the run folder as ``config.toml``, and such a file can be given to ``minigen train --config``.

Imports: data, algorithms.experiment. Read next: ``prepare.py``.
"""

from __future__ import annotations

import codecs
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError, Option, check_value, did_you_mean
from minigen.data import NAMES
from minigen.data.ahead import WORKERS
from minigen.data.assemble import LATEST_RULES
from minigen.data.picture_options import ALPHA, FIT, range_setting, size_setting

#: How pictures are read (``minigen/data/picture_options.py``), by the names that `minigen.data.load` has for them.
PICTURES: Mapping[str, Option] = {
    "image_size": Option(str, "pictures: bring them to this side, or height and width: 64, 32x48", parse=size_setting),
    "image_channels": Option(
        int, "pictures: 1 grey, 3 RGB, 4 RGB and alpha  [default: 1 if all are grey, else 3]", minimum=1, maximum=4
    ),
    "image_alpha": Option(
        str,
        "pictures: lay transparent pixels over white or black, drop transparency, or keep it as a channel",
        choices=ALPHA,
        default="white",
    ),
    "image_fit": Option(
        str, "--image-size: crop what projects, pad what is missing, or stretch", choices=FIT, default="crop"
    ),
    "image_range": Option(
        str,
        "pictures: the stored values that are black and white, LOW:HIGH, such as 0:65535 of 16 bits",
        parse=range_setting,
    ),
    "labels": Option(str, "pictures: a table with their labels, FILE.csv or FILE.csv:COLUMN"),
}

GENERAL: Mapping[str, Option] = {
    "dataset": Option(str, f"{', '.join(NAMES)}, or the path of a data set", default="glyphs"),
    "data_dir": Option(str, "folder with the files of the data set; without it MINIGEN_DATA, else a download"),
    "letters": Option(bool, "glyphs: letters besides digits", default=False),
    **PICTURES,
    "stream": Option(
        bool, "leave images in their files, or load them; the same bits  [default: on for more than 512 MB]"
    ),
    "workers": Option(
        int, "threads that read images left in their files; any number gives the same bits", minimum=0, default=WORKERS
    ),
    "limit": Option(int, "use this many training images only, drawn at random", minimum=1),
    "validation": Option(
        float, "share of the training images held out for validation", minimum=0, maximum=0.5, default=0.05
    ),
    "data_rules": Option(
        int,
        "how data is read: 3; 2, where a folder val of pictures is no split; 1, as by minigen 0.1.0",
        minimum=1,
        maximum=LATEST_RULES,
        default=LATEST_RULES,
    ),
    "device": Option(str, "where to compute", choices=("auto", "cpu", "cuda"), default="auto"),
    "capture": Option(
        bool,
        "on a GPU, make a whole update by one launch of a CUDA graph; tried on a double of a GPU only",
        default=False,
    ),
    "compile": Option(
        bool, "record an update, and replay it without the overhead of Python; the same bits", default=False
    ),
    "threads": Option(
        int,
        "threads of the CPU; any number gives the same bits  [default: 1; OMP_NUM_THREADS if set]",
        minimum=1,
    ),
    "epochs": Option(int, "passes over the training images", minimum=1, default=10),
    "max_steps": Option(int, "stop after this many updates", minimum=1),
    "batch_size": Option(int, "images in an update", minimum=1, default=128),
    "replicas": Option(
        int,
        "equal parts of a batch, computed apart, that processes share  [default: one a process]",
        minimum=1,
    ),
    "batch_norm": Option(
        str,
        "statistics of batch norm: of a replica's part of the batch, or of the whole",
        choices=("replica", "global"),
        default="replica",
    ),
    "seed": Option(int, "seed of weights, noise and order of the data", minimum=0, maximum=2**63 - 1, default=0),
    "init_generator_from": Option(
        str,
        "GANs: begin with the decoder of this trained autoencoder or VAE, a run folder, or be model.onnx",
    ),
    "init_discriminator_from": Option(str, "GANs: begin with the encoder of this trained autoencoder or VAE"),
    "log_every": Option(int, "updates between two rows of metrics.csv", minimum=1, default=50),
    "log": Option(
        str,
        "where numbers go: csv, to metrics.csv, which there always is; tensorboard, to event files too",
        choices=("csv", "tensorboard", "csv,tensorboard"),
        default="csv",
    ),
    "checkpoint_every": Option(
        int, "updates between two checkpoints, besides the end of each epoch", minimum=1, default=500
    ),
    "doctor": Option(bool, "name diseases of the model (collapse, dead units) after an epoch", default=True),
}

#: What a setting is where nothing says otherwise.
DEFAULTS: Mapping[str, Any] = {name: option.default for name, option in GENERAL.items()}

#: What a setting is in a run that began before there was such a setting, if that is not the default of today.
ABSENT: Mapping[str, Any] = {"data_rules": 1, "replicas": 1}

#: By --resume. They change no weight of the updates that both runs make, but where something is spread over all updates
#: of a run, as most schedules of the learning rate are: what that is, ``changes.py`` says. An end in the middle of an
#: epoch has its rows in the table, and may be the best checkpoint. Another device adds in another order: the last bits
#: of numbers change, which ``changes.py`` says, too. On a GPU so may a graph of the steps, whose products of matrices
#: another handle of cuBLAS makes; but whoever mistrusts a graph has to be able to go on without.
CHANGEABLE = (
    "epochs", "max_steps", "data_dir", "checkpoint_every", "log", "doctor", "device", "capture", "compile", "threads",
    "stream", "workers",
)  # fmt: skip


def given_picture_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """How the pictures of a run are read, where that is not the default."""
    return {name: config[name] for name in PICTURES if config.get(name, DEFAULTS[name]) != DEFAULTS[name]}


def resolve(recipe: Recipe, options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The whole config of a run of `recipe`: `given` values over defaults, each checked. `options`: of all models.

    A recipe may have defaults of its own for general settings too. ConfigError names what is wrong.
    """
    config = {**DEFAULTS, **recipe.options}
    for name, value in given.items():
        if name not in config:
            raise ConfigError(f"{recipe.name} has no option {name!r}{did_you_mean(name, config)}")
        config[name] = value if value is None else check_value(name, value, option_of(recipe, options, name))
    return {"model": recipe.place or recipe.name, **config}


def option_of(recipe: Recipe, options: Mapping[str, Option], name: str) -> Option:
    """What the option `name` of a recipe, or of every run, is."""
    return GENERAL.get(name) or recipe.declared.get(name) or options[name]


def read_config_file(path: str | os.PathLike[str], known: Callable[[Any], Iterable[str]]) -> dict[str, Any]:
    """The settings in a TOML file, names with underscores or dashes. ConfigError names a key that nothing knows.

    `known` has the names of the settings of the model that the file names (None: it names none).

    OSError if the file cannot be read.
    """
    try:
        given = read_toml(path)
    except OSError as error:
        raise OSError(f"cannot read the settings in {os.fspath(path)}: {error.strerror or error}") from error
    except ValueError as error:  # TOML and UTF-8 both
        raise ConfigError(f"{os.fspath(path)} is no TOML file: {error}") from error
    names = {"model", *known(given.get("model"))}
    settings = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            raise ConfigError(f"{os.fspath(path)}: [{key}]: settings stand in no section; leave such headings out")
        if name in settings:
            raise ConfigError(f"{os.fspath(path)}: {name} stands there twice, with an underscore and with a dash")
        if name not in names:
            raise ConfigError(f"{os.fspath(path)}: unknown setting {key!r}{did_you_mean(name, names)}")
        settings[name] = value
    return settings


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The contents of a TOML file in UTF-8, with or without its mark (byte order mark). OSError, ValueError."""
    data = Path(path).read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        raise ValueError("it is text in UTF-16; save it as UTF-8")
    return tomllib.loads(data.decode("utf-8-sig"))


def planned_steps(config: Mapping[str, Any], batches_per_epoch: int) -> int:
    """How many updates a run of these settings makes: to the end of `epochs`, or `max_steps` if that comes first."""
    steps: int = config["epochs"] * batches_per_epoch
    return min(steps, config["max_steps"] or steps)


def check_change(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a run that is resumed: `old`, with the few settings that may change taken from `given`.

    ConfigError names every setting of `given` that differs and may not, or one with a bad value.
    """
    changed = {name: value for name, value in given.items() if value != old.get(name)}
    for name in CHANGEABLE:
        if changed.get(name) is not None:
            check_value(name, changed[name], GENERAL[name])
    refused = [f"{name} ({old.get(name)} -> {value})" for name, value in changed.items() if name not in CHANGEABLE]
    if refused:
        raise ConfigError(
            f"a resumed run goes on as it began; it cannot change {', '.join(refused)}. "
            f"Only {', '.join(CHANGEABLE)} can change. Leave the option out, or start a new run"
        )
    return {**old, **changed}
