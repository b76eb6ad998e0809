"""From a config to everything that a run needs in memory: data, batches, model. Nothing is written here.

Imports: data, device, distributed, algorithms.experiment, in_memory, config. Read next: ``session.py``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from minigen import nn
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.data import NAMES, Batches, Dataset, load
from minigen.device import Device, set_num_threads
from minigen.distributed import Team
from minigen.proof import choose_device
from minigen.random import Generator
from minigen.training.config import DEFAULTS, given_picture_options, planned_steps
from minigen.training.environment import default_threads
from minigen.training.in_memory import DATA_SEED, IN_MEMORY, InMemoryData, check_source
from minigen_kernels import compile_ahead


@dataclass
class Prepared:
    """A run in memory. `facts` describe the data, so that the model can be built again without them."""

    recipe: Recipe
    config: dict[str, Any]
    train: Dataset
    validation: Dataset | None
    batches: Batches
    experiment: Experiment
    device: Device  # the config has the wish, which may be "auto"
    device_line: str  # which device, and why
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()  # what the user should know of the data
    networks: Mapping[str, Path] = field(default_factory=dict)  # parts of the model that come from ONNX files
    team: Team | None = None  # the replicas of this process, if a batch is cut into some


def prepare(
    recipe: Recipe,
    config: Mapping[str, Any],
    memory_data: InMemoryData | None = None,
    networks: Mapping[str, Path] | None = None,
    check: Callable[[Mapping[str, Any]], None] = lambda facts: None,
    team: Team | None = None,
) -> Prepared:
    """Set the threads, load the data, split off the validation images, build the model. `config`: see `resolve`.

    `memory_data` are images in memory, in the place of a data set that the config names. `networks`: as in `build`.

    `check` gets the facts about the images before anything is made for them: for a run that goes on it raises if they
    are others, which explains more than what would follow from that.

    A batch size of None becomes that of the recipe, or as many images as there are, if these are fewer. With a `team`
    the batches are this rank's part of them.

    ConfigError: settings that contradict each other or the data. What `minigen.data.load` and `choose_device` raise.
    """
    threads = config["threads"] or default_threads()
    set_num_threads(threads)
    device, line = choose_device(config["device"])
    check_dataset(config)
    if device == "cpu" and team is None:
        compile_ahead().begin(recipe.name)
    train, validation = training_data(config, recipe.value_range, memory_data)
    world = None if team is None else team.communicator
    facts = _facts(config, train, validation) if world is None or world.rank == 0 else {}
    if world is not None:
        facts = world.broadcast(facts)  # rank 0 alone has read all images for them
    check(facts)
    parts = recipe.batches_per_step(config)
    size, notes = _batch_size(recipe, config, parts, len(train))
    replicas, shard = 1, (0, 1)
    if team is not None:
        replicas, shard = team.count, (team.communicator.rank, team.communicator.size)
        _check_equal_parts(config, size, replicas)
    batches = Batches(train, size * parts, seed=config["seed"], workers=config["workers"], shard=shard)
    facts["batches_per_epoch"] = len(batches)
    config = {**config, "threads": threads, "batch_size": size, "replicas": replicas}
    try:
        experiment = build(recipe, config, facts, device, networks)
    except ConfigError as error:
        if train.labels is None and "needs labels" in str(error) and train.notes:  # perhaps they were passed over
            raise ConfigError(f"{error}. {'; '.join(train.notes)}") from error
        raise
    layers = [m for module in experiment.modules.values() for _, m in module.named_modules()]
    if config["batch_norm"] == "global" and not any(isinstance(m, nn.BatchNorm) for m in layers):
        raise ConfigError("--batch-norm global: the model has no batch norm; leave it out")
    if config["capture"] and device == "cuda":
        notes = (*notes, "--capture: CUDA graphs were tried on a double of a GPU only; compare with a run without it")
    notes = (*train.notes, *_untrained(facts), *notes)
    return Prepared(
        recipe, config, train, validation, batches, experiment, device, line, facts, notes, networks or {}, team
    )


def _batch_size(recipe: Recipe, config: Mapping[str, Any], parts: int, images: int) -> tuple[int, tuple[str, ...]]:
    """How many images a batch has, of which an update takes `parts`; and a note, if that is not the default."""
    wanted = config["batch_size"]
    usual = int({**DEFAULTS, **recipe.options}["batch_size"])
    size = min(usual, max(1, images // parts)) if wanted is None else wanted
    if size * parts > images:
        several = f", of which an update of {recipe.name} takes {parts}," if parts > 1 else ""
        if images < parts:
            flags = [f"--{name.replace('_', '-')}" for name in ("n_critic", "pack") if config.get(name, 1) > 1]
            raise ConfigError(
                f"an update of {recipe.name} takes {parts} batches, so there must be at least {parts} images to train "
                f"on, and there are {images}: give more images, or a smaller {' or '.join(flags)}"
            )
        raise ConfigError(
            f"--batch-size {size}{several} is larger than the {images} images that there are to train on; take at most "
            f"{images // parts}"
        )
    if wanted is None and size < usual:
        return size, (f"--batch-size {size}, not {usual}, because there are no more images",)
    return size, ()


def _facts(config: Mapping[str, Any], train: Dataset, validation: Dataset | None) -> dict[str, Any]:
    """What describes the images: shape, range, mean, classes and checksums."""
    return {
        "image_shape": list(train.image_shape),
        "value_range": list(train.value_range),
        "mean": train.mean(),
        **_class_facts(train, config["data_rules"]),
        "images": fingerprint(train),
        "labels": fingerprint_of_labels(train),
        "validation_images": validation and fingerprint(validation),
        "validation_labels": validation and fingerprint_of_labels(validation),
    }


def _check_equal_parts(config: Mapping[str, Any], size: int, replicas: int) -> None:
    """ConfigError if a batch cannot be cut into so many equal parts, or an update cannot be made of them."""
    if size % replicas:
        near = " or ".join(str(n) for n in (size - size % replicas, size + -size % replicas) if n)
        raise ConfigError(f"--batch-size {size} does not make {replicas} equal replicas; take --batch-size {near}")
    for name in ("compile", "capture"):
        if config[name]:
            raise ConfigError(f"--{name} records a step without replicas, and this run has {replicas}: leave it out")


def _class_facts(train: Dataset, rules: int) -> dict[str, Any]:
    """What a model must know of the classes: how many, their names, and which have no image to train on."""
    if train.labels is None or rules == 1:
        return {"classes": None if train.labels is None else int(train.labels.max()) + 1}
    count, names = train.class_count, train.classes
    untrained = np.flatnonzero(np.bincount(train.labels, minlength=count or 0) == 0)
    return {
        "classes": count,
        "class_names": list(names or map(str, range(count or 0))),
        "untrained_classes": untrained.tolist(),
    }


def _untrained(facts: Mapping[str, Any]) -> tuple[str, ...]:
    untrained = [facts["class_names"][k] for k in facts.get("untrained_classes", ())]
    if not untrained:
        return ()
    listed = ", ".join(untrained[:6]) + (f" and {len(untrained) - 6} more" if len(untrained) > 6 else "")
    return (f"of {facts['classes']} classes, these have no training image: {listed}",)


def build(
    recipe: Recipe,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
    device: str,
    networks: Mapping[str, Path] | None = None,
) -> Experiment:
    """The model of a run, with its first weights. ConfigError if its options contradict each other or the data.

    `networks`: the files of networks, by the options that name them ("generator"). The default generator of layers,
    which a program may use for its own, is left as it was.
    """
    channels, height, width = facts["image_shape"]
    low, high = facts["value_range"]
    before = nn.init.default_rng().state
    nn.manual_seed(config["seed"])
    setup = Setup(
        options={name: config[name] for name in recipe.options}
        | {k: str(path) for k, path in (networks or {}).items()},
        image_shape=(channels, height, width),
        value_range=(low, high),
        mean=facts["mean"],
        classes=facts["classes"],
        steps=planned_steps(config, facts["batches_per_epoch"]),
        batches_per_epoch=facts["batches_per_epoch"],
        seed=config["seed"],
        device=device,
        untrained=tuple(facts.get("untrained_classes", ())),
    )
    try:
        return recipe.build(setup)
    except ValueError as error:
        named = str(error).startswith((f"{recipe.name}: ", f"{recipe.name} "))
        raise ConfigError(str(error) if named else f"{recipe.name}: {error}") from error
    finally:
        nn.manual_seed(0)
        nn.init.default_rng().state = before


def load_split(
    config: Mapping[str, Any],
    split: str,
    value_range: tuple[float, float] | None = None,
    memory_data: InMemoryData | None = None,
) -> Dataset:
    """One split of the data set that a config names, or of `memory_data`, brought to `value_range` if there is one."""
    check_source(config, memory_data)
    if memory_data is not None:
        dataset = memory_data.test if split == "test" else memory_data.train
    else:
        settings: dict[str, Any] = {name: config[name] for name in ("data_dir", "letters")}
        settings |= {"stream": config.get("stream"), **given_picture_options(config)}
        rules = config.get("data_rules", 1)
        dataset = load(config["dataset"], split=split, seed=DATA_SEED, rules=rules, **settings)
    return dataset if value_range is None else dataset.in_range(value_range)


def training_data(
    config: Mapping[str, Any], value_range: tuple[float, float] | None = None, memory_data: InMemoryData | None = None
) -> tuple[Dataset, Dataset | None]:
    """The images to train on and those held out of them (None without), both in the order of the data set."""
    whole = load_split(config, "train", value_range, memory_data)
    limit = config["limit"]
    if limit is not None and limit < len(whole):
        if config.get("data_rules", 1) == 1:
            whole = whole.subset(slice(limit))
        else:
            note = f"--limit: {limit:,} of {len(whole):,} images, drawn at random"
            whole = replace(whole, notes=(*whole.notes, note)).subset(
                np.sort(whole.random_indices(limit, seed=DATA_SEED))
            )
    held = round(config["validation"] * len(whole))
    if config["validation"] > 0:
        held = min(max(held, 1), len(whole) - 1)
    if held == 0:
        return whole, None
    order = Generator(DATA_SEED).spawn("validation").permutation(len(whole))
    return whole.subset(np.sort(order[held:])), whole.subset(np.sort(order[:held]))


def fingerprint(dataset: Dataset) -> str:
    """A short text that differs for other images: their number and a checksum of their bytes."""
    return f"{len(dataset)} images, crc32 {dataset.checksum():08x}"


def fingerprint_of_labels(dataset: Dataset) -> str | None:
    """The same for labels; None without."""
    return None if dataset.labels is None else f"crc32 {zlib.crc32(np.ascontiguousarray(dataset.labels).data):08x}"


def check_dataset(config: Mapping[str, Any]) -> None:
    """ConfigError for an option that the data set does not have, and for a name that is neither known nor a path.

    Such a name is a slip of the keyboard, not a missing file.
    """
    name = config["dataset"]
    if config["letters"] and name != "glyphs":
        raise ConfigError(f"--letters is an option of the data set 'glyphs', not of {name!r}; leave it out")
    for key in given_picture_options(config):
        if name in NAMES:
            flag = f"--{key.replace('_', '-')}"
            raise ConfigError(f"{flag} is an option of folders of pictures, not of {name!r}; leave it out")
    folders = [folder for folder in (config["data_dir"], os.environ.get("MINIGEN_DATA")) if folder]
    places = [Path(name).expanduser(), *(Path(folder).expanduser() / name for folder in folders)]
    if name in (*NAMES, IN_MEMORY) or Path(name).suffix or os.sep in name or any(place.exists() for place in places):
        return
    raise ConfigError(
        f"unknown data set {name!r}{did_you_mean(name, NAMES)} Known are {', '.join(NAMES)}, "
        "or the path of a file or folder"
    )
