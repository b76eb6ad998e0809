"""`train` and `open_run`: how a program comes to a `Run`. ``minigen`` exports both.

Imports: run, sessions, settings. Read next: ``run.py``, ``sessions.py``; for users, ``docs/library.md``.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from minigen.algorithms.catalog import find_recipe
from minigen.data import Dataset
from minigen.runs.run import Run
from minigen.runs.sessions import Stop, begin_session, finish, kept
from minigen.runs.settings import Note, new_config, plain_options, read_run
from minigen.training.in_memory import IN_MEMORY, images_again, in_memory_data
from minigen.training.run_folder import RunFolder, choose_path
from minigen.watching import Logger, Loggers

Data = str | os.PathLike[str] | Dataset | ArrayLike


def train(
    model: Any,
    data: Data = "glyphs",
    *,
    labels: ArrayLike | str | os.PathLike[str] | None = None,
    test: Any = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    loggers: Sequence[Logger] = (),
    **options: Any,
) -> Run:
    """Train a model, in memory or, with `out`, in a run folder as the command ``minigen train`` writes it.

    `model` is a name of ``minigen list``, "my_vae.py:MyVAE", a class of Modules with an objective, or a Recipe. `data`
    is the name or path of a data set, a Dataset, or an array of images (N, C, H, W), bytes or floats, `labels` (N,);
    `test` are the images of the test split then, or a pair of them and their labels; without them a tenth is kept for
    it. Of pictures in files `labels` names a table. `options` are those of the command: ``epochs=3``,
    ``batch_size=64``, ``seed=1``, ``lr=1e-4``. `progress` prints a line an epoch; `loggers` are told, too, what it is
    about.

    Ctrl-C: the step is finished, a RuntimeWarning says where training stopped, and the run so far is returned;
    `Run.resume` goes on. A second Ctrl-C raises KeyboardInterrupt, and only what is in a folder is left.

    ConfigError: an option is wrong. NonFiniteLoss, RunFolderError and what `minigen.data.load` raises.
    """
    Loggers(loggers)  # before anything is loaded: are they loggers?
    if "dataset" in options:
        raise TypeError("train: the images are data=..., not dataset=...")
    dataset, memory_data = IN_MEMORY, None
    if not isinstance(data, str | os.PathLike):
        memory_data = in_memory_data(data, labels, test)
    elif test is not None or not (labels is None or isinstance(labels, str | os.PathLike)):
        raise TypeError(
            "train: test and arrays of labels belong to images in memory; the labels of pictures in files may be a "
            "table, 'FILE.csv' or 'FILE.csv:COLUMN', or give minigen.data.load(path, labels=...) as data"
        )
    else:
        dataset, options = os.fspath(data), {**options, **({} if labels is None else {"labels": os.fspath(labels)})}
    options = plain_options({"dataset": dataset, **options})
    recipe, config = new_config(model, None, options)
    path = None if out is None else choose_path(out, recipe.name, dataset)
    with np.errstate(all="ignore"), Stop() as stop, contextlib.ExitStack() as stack:
        session, notes = begin_session(recipe, config, options, path, memory_data=memory_data, ready=stop.wait_for_step)
        stack.enter_context(session.folder.lock())
        finish(session, [*notes, *(f"note: {note}" for note in session.prepared.notes)], progress, stop, loggers)
    config = session.prepared.config
    return Run.load(kept(session), recipe, config, None, config["device"], memory_data)


def open_run(
    path: str | os.PathLike[str],
    checkpoint: Literal["best", "last"] | None = None,
    *,
    data: Dataset | ArrayLike | None = None,
    labels: ArrayLike | None = None,
    test: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    model: Any = None,
    note: Note = warnings.warn,
) -> Run:
    """Open a run folder at its best or last checkpoint; by default the best, or the last of a run without validation.

    A run on images in memory needs them again, as `train` had them, for all that asks for images of its own; a note (a
    UserWarning) says if they are others. `model` is that of the user's own, where no file has it.

    RunFolderError: there is no run. CheckpointError: the checkpoint is damaged.
    """
    folder = RunFolder(path)
    recipe, config = read_run(folder, None if model is None else find_recipe(model), note, data_dir)
    return Run.load(folder, recipe, config, checkpoint, device, images_again(data, labels, test), note)
