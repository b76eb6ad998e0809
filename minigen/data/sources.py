"""`load`: from a name or a path to a `Dataset`. The named data sets, and where their files are searched.

Imports: the other files of this folder. Read next: ``glyphs.py`` for the one that needs no file.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from minigen.cache import cache_folder
from minigen.data.amat import read_amat
from minigen.data.array_shards import holds_arrays, load_array_shards
from minigen.data.arrays import load_arrays
from minigen.data.assemble import LATEST_RULES, Part, assemble
from minigen.data.convert import how_to_convert
from minigen.data.dataset import Dataset
from minigen.data.download import REMOTES, DownloadError, fetch
from minigen.data.encoded import Encoded, Reading, picture_dataset
from minigen.data.folder import find_folder, holds_pictures
from minigen.data.glyphs import glyphs
from minigen.data.idx import find_idx, read_idx, split_stems
from minigen.data.labels import Labels
from minigen.data.named import CLASSES, NAMES, OWNERS
from minigen.data.parquet import read_parquet
from minigen.data.picture_options import picture_options
from minigen.data.shards import MAGIC, SPLITS, expand, group_shards, split_files
from minigen.data.stacked import BASES, stack
from minigen.data.tar import read_tar
from minigen.data.toys import TOYS, toy
from minigen.shapes import file_path, flag, shown, whole_number

ARRAYS = (".npy", ".npz")
ARCHIVES = (".tar",)
TABLES = (".parquet",)
AMAT = "binarized_mnist_{}.amat"


def load(
    name_or_path: str | Path,
    *,
    split: str = "train",
    data_dir: str | Path | None = None,
    seed: int = 0,
    image_size: int | str | tuple[int, int] | None = None,
    image_channels: int | None = None,
    image_alpha: str = "white",
    image_fit: str = "crop",
    image_range: str | tuple[float, float] | None = None,
    labels: Labels | None = None,
    letters: bool = False,
    count: int | None = None,
    stream: bool | None = None,
    rules: int = LATEST_RULES,
) -> Dataset:
    """Load one split, "train" or "test" ("valid" too for binarized-mnist), of a data set.

    `name_or_path` is a name of `NAMES`, or the path of a ``.npy`` or ``.npz`` file (``arrays.py``), of a folder of
    pictures (``folder.py``), or of a folder with IDX files ``*-images-idx?-ubyte`` and perhaps ``*-labels-idx1-ubyte``,
    gzipped or not: ``train-`` and ``t10k-`` files, ``emnist-letters-train-`` and ``-test-``, or one set of any name.
    Or of tar archives (``tar.py``), Parquet tables (``parquet.py``) or ``.npy`` files (``array_shards.py``): one of
    them, a folder of them, or a pattern, ``train-{00000..00009}.tar``, ``train-*.parquet`` (``shards.py``).

    `stream` True leaves the images of a path in their files, from where batches are read when they are needed; False
    loads them into memory; None leaves those that need more than 512 MB there. The images are the same.

    The files of a named data set are searched in `data_dir` (in its sub-folder of that name, or in itself), then in the
    folder ``$MINIGEN_DATA`` in the same way; otherwise they are downloaded into `cache_folder()` and verified. Relative
    paths are searched in these two folders too; if a path does not exist, its last part is searched in `data_dir`.

    `seed` is for drawing glyphs, points and stacks, and for the random tenth that is the test set of a data set without
    splits: use the same for both splits. `letters` is for glyphs, `count` for glyphs, points and stacks.

    For pictures in files: `image_size` (a side, (height, width) or "32x48"), `image_fit`, `image_channels`,
    `image_alpha` and `image_range` ((low, high) or "low:high"), which are those of ``PictureOptions``; and `labels`,
    "FILE.csv", "FILE.csv:COLUMN" or a function of the name of a picture (``labels.py``).

    Value range and classes are determined for the whole data set, whichever split is loaded (``values.py``,
    ``classes.py``); ``notes`` of the result say what was skipped. ``rules=1`` reads a user's files as version 0.1.0
    did: labels are not renumbered, and any float below 0 means the range (-1, 1).

    ValueError: unknown name, split or option, or invalid files. FileNotFoundError: no such path, no folder `data_dir`,
    or it lacks the files. DownloadError: the files were not found, and no mirror had them.
    """
    name = file_path("load: name_or_path", name_or_path)
    if data_dir is not None:
        data_dir = file_path("load: data_dir", data_dir)
    seed, letters = whole_number("load", "seed", seed, 0), flag("load", "letters", letters)
    if count is not None:
        count = whole_number("load", "count", count, 1)
    if not isinstance(split, str) or split not in ("train", "valid", "test"):
        raise ValueError(f"load: split is 'train' or 'test' ('valid' for binarized-mnist), got {split!r}")
    if split == "valid" and name in NAMES and name != "binarized-mnist":
        raise ValueError(f"load: {name!r} has the splits 'train' and 'test', got 'valid'")
    if data_dir is not None:
        _data_folder(data_dir)  # an error even if it is not needed
    rules = whole_number("load", "rules", rules, 1)
    if stream is not None:
        stream = flag("load", "stream", stream)
    if labels is not None and not isinstance(labels, str | Path) and not callable(labels):
        raise TypeError(f"load: labels are 'FILE.csv', 'FILE.csv:COLUMN' or a function of names, got {shown(labels)}")
    try:
        options = picture_options(image_size, image_channels, image_alpha, image_fit, image_range)
    except ValueError as error:
        raise ValueError(f"load: {error}") from error
    reading = Reading(options, labels, False if rules == 1 else stream)
    found = find(name, reading, split=split, data_dir=data_dir, seed=seed, letters=letters, count=count, rules=rules)
    return found if isinstance(found, Dataset) else picture_dataset(found, reading, split=split, seed=seed)


def find(
    name: str,
    reading: Reading,
    *,
    split: str,
    data_dir: str | Path | None,
    seed: int = 0,
    letters: bool = False,
    count: int | None = None,
    rules: int = LATEST_RULES,
) -> Dataset | Encoded:
    """What `load` does with arguments that it has checked, but pictures in files are found only, not yet read."""
    if name in NAMES:
        _refuse_options(name, **reading.given())
    if name == "glyphs":
        return glyphs(split=split, seed=seed, count=count, letters=letters)
    _refuse_options(name, letters=letters or None)
    if name in TOYS:
        return toy(name, split=split, seed=seed, count=count)
    if name in BASES:
        return stack(load(BASES[name], split=split, data_dir=data_dir, seed=seed), name, seed=seed, count=count)
    _refuse_options(name, count=count)
    if name in REMOTES:
        return _load_named(name, split, _data_folder(data_dir), data_dir is not None, rules)
    return _find_at(_find_path(name, data_dir), split, seed, reading, rules)


def _refuse_options(name: str, **options: object) -> None:
    for option, value in options.items():
        if value is not None:
            owner = OWNERS.get(option, "'glyphs'")
            how = "; leave it out, or resize the images before they are saved" if os.sep in name else "; leave it out"
            raise ValueError(f"load: {option} is an option of {owner}, not of {name!r}{how}")


def _data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder given by the argument or by the environment variable."""
    named = data_dir if data_dir is not None else os.environ.get("MINIGEN_DATA")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        what = "data_dir" if data_dir is not None else "MINIGEN_DATA"
        raise FileNotFoundError(f"load: {what} is {folder}, which is no folder")
    return folder


def _pattern_in(folder: Path, pattern: str) -> str:
    """A pattern as it is if it finds a file, else one in the folder of the data."""
    with contextlib.suppress(FileNotFoundError):
        return pattern if expand(pattern) else pattern
    return os.path.join(glob.escape(str(folder)), pattern)


def _find_path(name: str, data_dir: str | Path | None) -> Path | list[Path]:
    """The path of a data set, or the files of a pattern."""
    path = Path(name).expanduser()
    if name and path.exists():
        return path
    folder = _data_folder(data_dir)
    if name and folder is not None and (folder / name).exists():
        return folder / name
    if name and folder is not None and data_dir is not None and (folder / path.name).exists():
        return folder / path.name
    if any(mark in name for mark in MAGIC):
        return expand(name if folder is None or Path(name).is_absolute() else _pattern_in(folder, name))
    if os.sep in name or "/" in name or path.suffix.lower() in ARRAYS:
        raise FileNotFoundError(f"load: there is no file or folder {path}")
    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(
        f"load: unknown data set {name!r}: {hint}Known are {', '.join(NAMES)}, or the path of a file or folder"
    )


def _load_named(name: str, split: str, given: Path | None, strict: bool, rules: int) -> Dataset:
    folder = None if given is None else _named_folder(name, split, given)
    if given is not None and folder is None and strict:
        raise FileNotFoundError(
            f"load: no {name} files in {given / name} or {given}; "
            f"expected {', '.join(_files(name, split))} there, gzipped or not"
        )
    if folder is None:
        folder = cache_folder() / name
        files = _fetch(name, split, given, folder)  # read only the verified files, no others in the folder
    else:
        files = list(folder.iterdir())
    if name == "binarized-mnist":
        return _load_amat(files, folder, name, split)
    return _load_idx(files, folder, name, split, seed=None, rules=rules)


def _fetch(name: str, split: str, given: Path | None, folder: Path) -> list[Path]:
    try:
        return [fetch(file, REMOTES[name].files[file], REMOTES[name].mirrors, folder) for file in _files(name, split)]
    except DownloadError as error:
        raise DownloadError(
            f"load: {name}: {error}. {'' if given is None else f'MINIGEN_DATA={given} does not have it either. '}"
            "Name the folder that holds the files, with data_dir (--data-dir) or the environment variable "
            "MINIGEN_DATA; or take the data set 'glyphs' (--dataset glyphs), which needs no files"
        ) from error


def _files(name: str, split: str) -> list[str]:
    """The remote files of one split."""
    start = "t10k-" if split == "test" and name != "binarized-mnist" else split
    return [file for file in REMOTES[name].files if start in file]


def _named_folder(name: str, split: str, given: Path) -> Path | None:
    """The folder of the files: the sub-folder of that name, or the given folder itself.

    MNIST and Fashion-MNIST have the same file names, so a folder with the name of another data set is not used.
    """
    images = _files(name, split)[0].removesuffix(".gz")
    for folder in (given / name, given):
        other = folder.resolve().name in NAMES and folder.resolve().name != name
        if not other and any((folder / (images + end)).is_file() for end in ("", ".gz")):
            return folder
    return None


def _find_at(found: Path | list[Path], split: str, seed: int, reading: Reading, rules: int) -> Dataset | Encoded:
    """The data set at a path, or in the files of a pattern."""
    if isinstance(found, list):
        return _find_in_files(found[0].parent, found, split, seed, reading, whole=False)
    path = found
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if path.is_dir() and any((path / (AMAT.format("train") + end)).is_file() for end in ("", ".gz")):
        _refuse_options(str(path), **reading.given())
        return _load_amat([*path.iterdir()], path, path.resolve().name, split)
    if split == "valid":
        raise ValueError(f"load: {path} has the splits 'train' and 'test', got 'valid'")
    if path.is_dir() and find_idx(path.iterdir()):
        _refuse_options(str(path), **reading.given())
        return _load_idx([*path.iterdir()], path, path.resolve().name, split, seed, rules)
    if path.is_dir() and not holds_pictures(path, reading.options) and (files := _data_files(path)):
        return _find_in_files(path, files, split, seed, reading)
    if path.is_dir():
        return find_folder(path.resolve(), reading.options, split=split, rules=rules)
    suffix = path.suffix.lower()
    if suffix in ARRAYS and path.is_file():
        _refuse_options(str(path), **replace(reading, stream=None).given())
        return load_arrays(path, split=split, seed=seed, rules=rules, stream=reading.stream)
    if suffix in (*ARCHIVES, *TABLES) and path.is_file():
        return _find_in_files(path, [path], split, seed, reading, whole=False)
    raise ValueError(f"load: {path} is not a folder, a .npy, .npz, .tar or .parquet file{how_to_convert(path)}")


def _data_files(folder: Path) -> list[Path]:
    """The archives, tables or arrays in a folder, or the archives or tables in its folder ``data``, or in its folders
    that are named after splits.
    """
    splits = [path for path in sorted(folder.iterdir()) if path.name.lower() in SPLITS]
    for places in ([folder], [folder / "data"], splits):
        files = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
        files = [path for path in files if not path.name.startswith(".") and path.is_file()]
        for kinds in (ARCHIVES, TABLES):
            if some := [path for path in files if path.suffix.lower() in kinds]:
                return some
        if places == [folder] and holds_arrays(files):
            return files
    return []


def _find_in_files(
    source: Path, files: list[Path], split: str, seed: int, reading: Reading, *, whole: bool = True
) -> Dataset | Encoded:
    """One split of the data set in archives, tables or arrays, all of one kind; `whole`: they are all of a folder."""
    kinds = {path.suffix.lower() for path in files}
    if holds_arrays(files):
        _refuse_options(str(source), **replace(reading, stream=None).given())
        return load_array_shards(source, files, split=split, seed=seed, stream=reading.stream, whole=whole)
    if not (kinds <= {*ARCHIVES} or kinds <= {*TABLES}):
        raise ValueError(
            f"load: expected files of one kind, .tar, .parquet or .npy (x.npy, y.npy), got {', '.join(sorted(kinds))} "
            f"({files[0]}, ...){how_to_convert(files[0])}"
        )
    folders = {path.parent: [file for file in files if file.parent == path.parent] for path in files}
    groups = [(folder, group) for folder, some in folders.items() for group in group_shards(some, whole=whole)]
    if {*folders} != {source} and all(folder.name.lower() in SPLITS for folder in folders):
        groups = [(folder, replace(group, stem=folder.name)) for folder, group in groups]
    parts, notes = split_files([group for _, group in groups], str(source))
    if source.is_dir() and whole:
        others = sum(len(list(folder.iterdir())) for folder in folders) - len(files)
        notes += [f"{others:,} file{'s' * (others > 1)} beside {files[0].name} passed over"] if others else []
    if kinds <= {*TABLES}:
        _refuse_options(str(source), labels=reading.labels)
    found = read_tar(parts, notes) if kinds <= {*ARCHIVES} else read_parquet(parts, notes)
    name, root = (source.stem, source.parent) if source.is_file() else (source.resolve().name, source)
    return replace(found, name=name, root=root)


def _load_amat(files: Sequence[Path], folder: Path, name: str, split: str) -> Dataset:
    plain = AMAT.format(split)
    path = next((file for end in ("", ".gz") for file in files if file.name == plain + end and file.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"load: {folder} lacks {plain} and {plain}.gz")
    return Dataset(name, split, read_amat(path))


def _load_idx(files: Sequence[Path], folder: Path, name: str, split: str, seed: int | None, rules: int) -> Dataset:
    """One split of IDX `files`: the files of that split; or, with a seed, a part of the only set."""
    found = find_idx(files)
    stems = split_stems(found)
    if seed is not None and len(stems) < 2:
        if len(found) > 1:
            raise ValueError(
                f"load: {folder} holds several sets of images ({', '.join(found)}) that are not 'train' and 't10k'; "
                "give each a folder of its own"
            )
        stems = {"": next(iter(found))}
    elif split not in stems:
        raise FileNotFoundError(
            f"load: {folder} lacks {'train' if split == 'train' else 't10k'}-images-idx3-ubyte, gzipped or not"
        )
    parts = {key: _read_part(found[stem]) for key, stem in stems.items()}
    return assemble(name, parts, split=split, seed=seed, known=CLASSES.get(name), rules=rules)


def _read_part(files: Mapping[str, Path]) -> Part:
    images, labels = files["images"], files.get("labels")
    read = None if labels is None else read_idx(labels)
    return Part(lambda: read_idx(images), read, str(images), f"{images} and {labels}")
