"""The folder of a run: what is in it, how it comes to be in one step, and how it is opened again.

=============================  =====================================================================================
config.toml                    every setting in effect; can be given to ``minigen train --config``
env.json                       versions, machine, threads, device, commit
metrics.csv                    see ``metrics_file.py``; a report, on which nothing rests
journal.jsonl                  see ``journal.py``; a report, too
checkpoints/last.safetensors   everything needed to go on
checkpoints/best.safetensors   the same at the epoch with the lowest validation loss
generator.onnx                 the network that the generator is, if it came from a file
samples/epoch_003.png          images beside their reconstructions after that epoch
tensorboard/                   event files, with ``--log tensorboard``
=============================  =====================================================================================

Imports: atomic, pictures, watching, checkpoint, config, journal, metrics_file. Read next: ``session.py``.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import importlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.options import ConfigError
from minigen.atomic import PATTERN, temporary_path, write_atomically
from minigen.onnx.load_file import whole_file
from minigen.pictures import read_png, save_png
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import Checkpoint, load_checkpoint, write_checkpoint
from minigen.training.config import read_toml
from minigen.training.environment import describe_environment
from minigen.training.journal import Journal
from minigen.training.metrics_file import MetricsFile, MetricsMemory
from minigen.watching import cut_events
from minigen_kernels import Array

OWN = ("config.toml", "env.json")  # beside metrics.csv and the folders


class RunFolderError(OSError):
    """A run folder that cannot be made, or that is none."""

    def __str__(self) -> str:
        return str(self.args[0])


class RunFolder:
    """The paths inside a run folder, and what is read from them and written to them."""

    in_memory = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.move_to(Path(path))

    def move_to(self, path: Path) -> None:
        """The folder has this path from now on."""
        self.path = path
        self.config, self.environment, self.metrics = (path / name for name in (*OWN, "metrics.csv"))
        self.journal = path / "journal.jsonl"
        self.last, self.best = (path / "checkpoints" / f"{name}.safetensors" for name in ("last", "best"))
        self.samples, self.tensorboard = path / "samples", path / "tensorboard"

    def checkpoint_path(self, name: str) -> Path:
        """Where the checkpoint "last" or "best" is. ConfigError for another name."""
        if name not in ("last", "best"):
            raise ConfigError(f"checkpoint is 'best' or 'last', got {name!r}")
        return self.last if name == "last" else self.best

    def files(self) -> list[Path]:
        """The files that training keeps in this folder."""
        return [path for path in self.path.rglob("*") if path.is_file() and self.owns(path)]

    def owns(self, path: Path) -> bool:
        """Is this path, which need not exist, that of a file that training keeps in this folder, if it is a run's?"""
        if not self.config.is_file() or not self.last.parent.is_dir() or not path.is_relative_to(self.path):
            return False
        first, *rest = path.relative_to(self.path).parts
        return (
            first in ("checkpoints", "samples", "tensorboard")
            if rest
            else first in (*OWN, "journal.jsonl", "generator.onnx") or first.startswith("metrics.")
        )

    def read_config(self) -> dict[str, Any]:
        """The settings of the run. RunFolderError if this is no run folder or the file is damaged."""
        if not self.config.is_file():
            what = "has no config.toml, so it is no run" if self.path.is_dir() else "does not exist"
            raise RunFolderError(f"run folder {self.path} {what}. `minigen train` makes one")
        try:
            return read_toml(self.config)
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot read {self.config}: {error}") from error

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the settings; those that are None are left out, TOML has no word for them."""
        text = importlib.import_module("tomli_w").dumps({k: v for k, v in config.items() if v is not None})
        write_atomically(self.config, text.encode())

    def write_first_files(self, config: Mapping[str, Any], device: str) -> None:
        """Settings and environment of a new run; `device` in words."""
        self.write_config(config)
        environment = {**describe_environment(), "device": device}
        write_atomically(self.environment, (json.dumps(environment, indent=2) + "\n").encode())

    def write_networks(self, networks: Mapping[str, Path]) -> None:
        """Copy the files of networks, each as ``<part>.onnx``, with the weights that lie beside them."""
        for part, path in networks.items():
            write_atomically(self.path / f"{part}.onnx", whole_file(path))

    def networks(self, config: Mapping[str, Any]) -> dict[str, Path]:
        """The files of networks that these settings name, by their parts."""
        return {part: self.path / f"{part}.onnx" for part in ("generator",) if config.get(part) == f"{part}.onnx"}

    def costs_of_convolutions(self) -> dict[str, float] | None:
        """Those that the run began with (``minigen/tuning.py``); None if it wrote none down."""
        with contextlib.suppress(OSError, ValueError):
            environment = json.loads(self.environment.read_text(encoding="utf-8"))
            costs: dict[str, float] | None = environment.get("costs of convolutions")
            return costs
        return None

    def write_checkpoint(self, path: Path, checkpoint: Checkpoint) -> None:
        """Write a checkpoint as `last` or `best`. CheckpointError if that cannot be; the old one then stays."""
        write_checkpoint(path, checkpoint)

    def read_checkpoint(self, path: Path) -> Checkpoint:
        """The checkpoint `last` or `best`. CheckpointError if it is missing or damaged."""
        return load_checkpoint(path)

    def has(self, path: Path) -> bool:
        """Is there such a file?"""
        return path.exists()

    def copy(self, path: Path, name: Path) -> None:
        """Write a checkpoint once more under another name. OSError if that cannot be."""
        write_atomically(name, path.read_bytes())

    def remove(self, path: Path) -> None:
        """Delete a checkpoint, if there is one."""
        path.unlink(missing_ok=True)

    def write_picture(self, path: Path, picture: Array) -> None:
        """Write the picture of an epoch, bytes (H, W) or (H, W, 3), as a PNG."""
        save_png(picture, path)

    def read_pictures(self) -> dict[str, Array]:
        """The pictures in `samples` by name, such as "epoch_001"."""
        return {path.stem: read_png(path) for path in sorted(self.samples.glob("*.png"))}

    def newest_picture(self) -> tuple[str, Array] | None:
        """The last picture in `samples` with its name; None if there is none."""
        paths = sorted(self.samples.glob("*.png"), key=lambda path: (len(path.stem), path.stem))
        return (paths[-1].stem, read_png(paths[-1])) if paths else None

    def open_metrics(self) -> MetricsFile:
        """The table of metrics."""
        return MetricsFile(self.metrics)

    def open_journal(self) -> Journal:
        """What was found and what happened."""
        return Journal(self.journal)

    def cut_events(self, step: int, *, whole_epoch: bool) -> None:
        """Take out of the event files what a run writes again that goes on after update `step`; see `cut_events`."""
        cut_events(self.tensorboard, step, whole_epoch=whole_epoch)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second process from training in this folder. Ends with the process, however that ends.

        RunFolderError if another one holds it, or it is gone. On systems without ``flock`` (Windows) there is no lock.
        """
        if not self.path.is_dir():
            raise RunFolderError(f"run folder {self.path} does not exist any more")
        try:
            fcntl = importlib.import_module("fcntl")
        except ImportError:
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise RunFolderError(f"another process is training in {self.path}") from error
            yield
        finally:
            os.close(descriptor)

    def delete(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def tidy(self, config: Mapping[str, Any]) -> None:
        """Make a run ready to go on with these settings: they are written, and what a killed process left is deleted.

        (Version 0.1.0 named temporary files by process.)
        """
        for folder in (self.path, self.last.parent, self.samples, self.tensorboard):
            for pattern in (PATTERN, ".*.[0-9]*.tmp"):
                for path in folder.glob(pattern):
                    if path.is_symlink() or path.is_file():
                        path.unlink(missing_ok=True)
        self.samples.mkdir(exist_ok=True)  # pictures may have been cleared away
        if self.read_config() != {name: value for name, value in config.items() if value is not None}:
            self.write_config(config)


class RunMemory(RunFolder):
    """A run that is written nowhere: what a `RunFolder` keeps in files is kept in memory, by the same names.

    `path` is that of the folder which another process writes.
    """

    in_memory = True

    def __init__(self, networks: Mapping[str, Path] | None = None, path: str | os.PathLike[str] = "memory") -> None:
        super().__init__(path)
        self._networks = dict(networks or {})
        self.checkpoints: dict[Path, Checkpoint] = {}
        self.pictures: dict[str, Array] = {}
        self.table = MetricsMemory()
        self.notes = Journal(None)

    def write_checkpoint(self, path: Path, checkpoint: Checkpoint) -> None:
        self.checkpoints[path] = checkpoint

    def read_checkpoint(self, path: Path) -> Checkpoint:
        if path not in self.checkpoints:
            raise CheckpointError(f"this run has no checkpoint {path.stem!r}")
        return self.checkpoints[path]

    def networks(self, config: Mapping[str, Any]) -> dict[str, Path]:
        return self._networks

    def has(self, path: Path) -> bool:
        return path in self.checkpoints

    def copy(self, path: Path, name: Path) -> None:
        self.checkpoints[name] = self.checkpoints[path]

    def remove(self, path: Path) -> None:
        self.checkpoints.pop(path, None)

    def write_picture(self, path: Path, picture: Array) -> None:
        self.pictures[path.stem] = picture

    def read_pictures(self) -> dict[str, Array]:
        return dict(self.pictures)

    def newest_picture(self) -> tuple[str, Array] | None:
        return next(reversed(self.pictures.items()), None)

    def open_metrics(self) -> MetricsFile:
        return self.table

    def open_journal(self) -> Journal:
        return self.notes

    def tidy(self, config: Mapping[str, Any]) -> None:
        pass  # there are no files

    def cut_events(self, step: int, *, whole_epoch: bool) -> None:
        pass

    def delete(self) -> None:
        pass

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        yield


def choose_path(out: str | os.PathLike[str] | None, model: str, dataset: str) -> Path:
    """Where a new run goes: `out` as it stands, or ``runs/<model>-<dataset>-<date>_<time>``.

    RunFolderError if `out` exists and is not an empty folder.
    """
    if out is None:
        now = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        name = re.split(r"[{*?\[]", Path(dataset).stem)[0].rstrip("-_.")  # of a pattern, what stands before its marks
        return Path("runs") / f"{model}-{name or 'data'}-{now}"
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        kind = "is not empty" if path.is_dir() else "is a file"
        instead = f", or go on with that run: --resume {path}" if RunFolder(path).config.exists() else ""
        raise RunFolderError(
            f"output folder {path} exists and {kind}; nothing is ever overwritten. Choose another --out{instead}"
        )
    return path


@contextlib.contextmanager
def new_run_folder(path: Path, *, rename: bool = False) -> Iterator[RunFolder]:
    """Make a run folder: what the ``with`` block writes gets its place when the block ends, or vanishes if it fails.

    `path` may be an empty folder. With `rename` a number is added to the name if it is taken. The block is given a
    folder with a temporary name; afterwards its `path` is the true one. RunFolderError if it cannot be made.
    """
    asked, path = path, Path(os.path.abspath(path))
    made = [folder for folder in path.parents if not folder.exists()]  # the innermost first
    staging = temporary_path(path.parent)
    try:
        try:
            staging.mkdir(parents=True)
            folder = RunFolder(staging)
            folder.last.parent.mkdir()
            folder.samples.mkdir()
            yield folder
            name = _take_name(staging, path, rename)
            folder.move_to(asked if name == path else asked.with_name(name.name))
        except OSError as error:
            if isinstance(error, RunFolderError):
                raise
            raise RunFolderError(f"cannot make the output folder {path}: {error.strerror or error}") from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()  # refuses if something is in it
        raise


def _take_name(staging: Path, path: Path, rename: bool) -> Path:
    """Give the finished folder its name; return that."""
    if path.is_dir() and not rename:  # an empty folder stays the folder that it is: somebody may stand in it
        for name in sorted(os.listdir(staging), key="config.toml".__eq__):  # without its config it is no run yet
            os.rename(staging / name, path / name)
        staging.rmdir()
        return path
    names = (path.with_name(f"{path.name}-{i}") for i in itertools.count(2))
    for candidate in itertools.chain([path], names if rename else ()):
        try:
            if not candidate.exists():
                os.rename(staging, candidate)
                return candidate
        except OSError as error:  # somebody else was faster
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    raise RunFolderError(f"output folder {path} appeared while the run was being prepared; nothing is overwritten")
