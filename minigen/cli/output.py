"""Where a command may write: the one place that every output file passes.

An output never replaces a file of a run or an input of the command, by whatever name or link it is reached, and without
``--force`` no file that is of another kind than what is written. All of it is looked at before any work, and again
before the file is written.

Imports: atomic, data, training. Read next: ``opening.py``, ``sample.py``.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from minigen.algorithms.options import ConfigError
from minigen.atomic import write_atomically
from minigen.data import cache_folder
from minigen.data.stacked import BASES
from minigen.training.run_folder import RunFolder

force_option = click.option("--force", is_flag=True, help="replace a file of another kind, too")


@dataclass(frozen=True)
class Kind:
    """A kind of file, in words, and the test for it."""

    words: str
    fits: Callable[[Path], bool]


def _begins(*marks: bytes) -> Callable[[Path], bool]:
    def fits(path: Path) -> bool:
        with open(path, "rb") as file:
            return file.read(max(map(len, marks))).startswith(marks)

    return fits


def _is_safetensors(path: Path) -> bool:
    """Eight bytes with the length of a header, and that, which is JSON."""
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _holds(*names: str) -> Callable[[Path], bool]:
    """A .npz file with these arrays, whatever others there are."""

    def fits(path: Path) -> bool:
        with contextlib.suppress(zipfile.BadZipFile, NotImplementedError, ValueError), zipfile.ZipFile(path) as file:
            return {f"{name}.npy" for name in names} <= set(file.namelist())
        return False

    return fits


PNG = Kind("PNG picture", _begins(b"\x89PNG\r\n\x1a\n"))
PDF = Kind("PDF file", _begins(b"%PDF"))
SVG = Kind("SVG file", _begins(b"<?xml", b"<svg"))
ONNX = Kind("ONNX file", _begins(*(bytes([8, version]) for version in range(3, 20))))  # its first field
HDF5 = _begins(b"\x89HDF\r\n\x1a\n")
WEIGHTS = Kind("file of weights", lambda path: zipfile.is_zipfile(path) or _is_safetensors(path) or HDF5(path))
PICTURE = {"": PNG, ".png": PNG}  # for a command that writes nothing else
HTML = Kind("HTML page", _begins(b"<!doctype html>", b"<!DOCTYPE html>"))
PAGE = {".html": HTML, "": HTML}  # without a suffix it is a folder, which gets an index.html
CODES = Kind("file of codes", _holds("codes", "split"))
SAMPLED = Kind("file of samples", _holds("images", "codes", "value_range"))


class Output:
    """A file to be written. `kinds` are those of the suffixes that it may have; ``{"": kind}``: any name will do.

    ConfigError for a name that will not do; OSError if it cannot become the file, or is one that has to stay.
    """

    def __init__(self, path: str, kinds: Mapping[str, Kind], *, force: bool, option: str = "-o") -> None:
        if not path:
            raise ConfigError(f"{option} must not be empty; give the name of a file")
        self.name, self.path, self.force = path, Path(path), force
        self._inputs: list[Path] = []
        if kinds is PAGE and not self.path.suffix:
            self._look_for_file(self.path)
            self.path = self.path / "index.html"
        double = (end for end in kinds if end.count(".") > 1 and self.path.name.lower().endswith(end))
        suffix = next(double, self.path.suffix.lower())
        self._look_for_folder(kinds is PAGE and self.path.parent != Path(path).parent)
        if suffix not in kinds and kinds.keys() != {""}:
            *others, last = [end for end in kinds if end]
            ends = f"{', '.join(others)} or {last}" if others else last
            why = "pictures are written as PNG; " if kinds is PICTURE else ""
            raise ConfigError(f"{option} {path}: {why}take a name that ends in {ends}")
        self.kind = kinds.get(suffix) or kinds[""]
        self.check()

    def keep(self, *inputs: Path) -> None:
        """These files, and all in these folders, are inputs of the command: the output must not be one of them."""
        self._inputs += [path for path in inputs if path.exists()]
        self.check()

    def check(self) -> None:
        """OSError if the file must not be written."""
        real = Path(os.path.realpath(self.path))
        for folder in (real.parent, real.parent.parent):
            if RunFolder(folder).owns(real):
                raise OSError(f"cannot write {self.name}: it is a file of the run in {folder}; take another name")
        for place in self._inputs:
            if _is_in(real, place):
                raise OSError(f"cannot write {self.name}: it belongs to {place}, which this command reads")
        with contextlib.suppress(FileNotFoundError):
            if real.stat().st_size and not self.force and not self.kind.fits(real):
                raise OSError(
                    f"cannot write {self.name}: it exists and is no {self.kind.words}; take another name, or --force "
                    "to replace it"
                )

    def write(self, data: bytes) -> None:
        """Make these bytes its contents, unless it has become a file that has to stay."""
        self.check()
        self.path.parent.mkdir(exist_ok=True)  # of a page in a folder of its own
        write_atomically(self.path, data)

    def _look_for_file(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise OSError(f"cannot write {self.name}: it is a file; give a folder, or a name that ends in .html")

    def _look_for_folder(self, new: bool) -> None:
        """`new`: the folder that the file is in may still have to be made."""
        if self.path.exists() and not self.path.is_file():
            what = "a folder" if self.path.is_dir() else "no ordinary file"
            raise OSError(f"cannot write {self.name}: it is {what}")
        parent = Path(os.path.realpath(self.path)).parent
        if new and not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            raise OSError(f"cannot write {self.name}: there is no folder {parent}")
        if not os.access(parent, os.W_OK):
            raise OSError(f"cannot write {self.name}: the folder {parent} is read-only for this user")


def data_places(config: Mapping[str, Any]) -> list[Path]:
    """The files and folders that the data set of a config may be read from."""
    name = config["dataset"]
    name = BASES.get(name, name)
    folders = [Path(f).expanduser() for f in (config["data_dir"], os.environ.get("MINIGEN_DATA")) if f]
    places = [Path(name).expanduser(), cache_folder() / name]
    for folder in folders:
        places += [folder / name, folder / Path(name).name]
        places += sorted(path for path in folder.glob("*") if "ubyte" in path.name or ".amat" in path.name)
    return [path for path in places if path.exists()]


def _is_in(real: Path, place: Path) -> bool:
    """Is the file `real` the file `place`, or one below the folder `place`? Hard links count; it need not exist."""
    place = Path(os.path.realpath(place))
    if real == place or (place.is_dir() and real.is_relative_to(place)):
        return True
    with contextlib.suppress(OSError):
        mine = real.stat()
        if not place.is_dir():
            return os.path.samestat(mine, place.stat())
        return mine.st_nlink > 1 and any(
            os.path.samestat(mine, path.stat()) for path in place.rglob("*") if path.is_file()
        )
    return False
