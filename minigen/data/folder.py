"""Images from a folder of picture files, with sub-folders as classes.

Nothing is skipped silently: a class folder without pictures is an error, and other files are counted in the notes.

Imports: NumPy, ``encoded.py``, ``shards.py``, ``slices.py``, ``picture.py``. Read next: ``sources.py``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigen.data.assemble import LATEST_RULES
from minigen.data.encoded import Encoded
from minigen.data.picture import OLD_SUFFIXES, SUFFIXES
from minigen.data.picture_array import SUFFIX as ARRAY_SUFFIX
from minigen.data.picture_options import PictureOptions
from minigen.data.shards import SPLITS, Shards, split_files
from minigen.data.slices import Slices

SYSTEM = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")  # files that operating systems create, besides hidden ones
CLASS_IN_NAME = re.compile(r"([^\W\d_]+)[ ._-]*\d+\.\w+")  # cat.0.png, dog_12.jpg


def find_folder(path: Path, options: PictureOptions, *, split: str, rules: int = LATEST_RULES) -> Encoded:
    """The pictures (``picture.SUFFIXES``) in a folder; with a range of values in the options ``.npy`` files are, too.

    Sub-folders are classes, in the order of their names (numbers in the order of their values). Sub-folders that are
    named after splits (``shards.SPLITS``) are splits, each built like a folder of its own. ValueError, naming files and
    folders, for anything that cannot be used. `split` is the one that is asked for: by the rules of version 0.1.0 only
    that is looked at. Before rules 3 splits were ``train`` and ``test`` only, where both were there.
    """
    suffixes = OLD_SUFFIXES if rules == 1 else suffixes_of(options)
    roots, notes = _split_folders(path, suffixes) if rules > 2 else _train_and_test(path)
    order = [s for s in (split, "test" if split == "train" else "train", "") if s in roots]
    found = {s: _find(roots[s], suffixes, strict=rules > 1) for s in order}
    mine = found[order[0]]
    if len(found) > 1 and (odd := {*(found["train"].classes or ())} ^ {*(found["test"].classes or ())}):
        raise ValueError(
            f"{path}: {roots['train'].name} and {roots['test'].name} must hold the same class folders; only one of "
            f"them has {', '.join(sorted(odd))}"
        )
    looked_at = found if rules > 1 else {order[0]: mine}
    return Encoded(
        {s: Slices.of_files(part.files) for s, part in looked_at.items()},
        None if mine.labels is None else {s: part.labels for s, part in looked_at.items() if part.labels is not None},
        mine.classes,
        (*mine.notes, *notes),
        path.name,
        path,
    )


def _split_folders(path: Path, suffixes: tuple[str, ...]) -> tuple[dict[str, Path], list[str]]:
    """The folder of "train" and that of "test", or the one of both under ""; and notes.

    Folders are splits if one is named after the training set and another after a test set or one for validation, or if
    there are no other pictures. So ``bus``, ``car`` and ``train`` are classes. ValueError without a set to train on.
    """
    folders = [name for name in _visible(path) if (path / name).is_dir()]
    named = [name for name in folders if name.lower() in SPLITS]
    kinds = {SPLITS[name.lower()] for name in named}
    if not named or not ({"train"} < kinds or (named == folders and not _pictures(path, suffixes))):
        return {"": path}, []
    by_split, notes = split_files([Shards(name, (path / name,)) for name in named], str(path), "folder")
    for split, several in by_split.items():
        if len(several) > 1:
            raise ValueError(
                f"{path}: {' and '.join(folder.name for folder in several)} are named after one split, "
                f"{split or 'train'!r}; put the pictures of both into one of them"
            )
    roots: dict[str, Path] = {split: by_split[split][0] for split in ("train", "test", "") if split in by_split}
    return roots, [*notes, *_beside(path, [folder.name for folder in roots.values()], named)]


def _train_and_test(path: Path) -> tuple[dict[str, Path], list[str]]:
    """The same by the rules of before."""
    names = ["train", "test"]
    if not all((path / name).is_dir() for name in names):
        return {"": path}, []
    return {name: path / name for name in names}, _beside(path, names, names)


def _beside(path: Path, used: Sequence[str], known: Sequence[str]) -> list[str]:
    """A note on what lies beside the folders of splits."""
    others = [name for name in _visible(path) if name not in known]
    return [f"passed over beside {' and '.join(used)}: {_shortened(others)}"] if others else []


def suffixes_of(options: PictureOptions) -> tuple[str, ...]:
    """The endings of files that are pictures."""
    return SUFFIXES if options.range is None else (*SUFFIXES, ARRAY_SUFFIX)


def holds_pictures(folder: Path, options: PictureOptions) -> bool:
    """Whether there are pictures in a folder, or in a folder of it."""
    places = [folder, *(folder / name for name in _visible(folder) if (folder / name).is_dir())]
    suffixes = suffixes_of(options)
    return any(Path(name).suffix.lower() in suffixes for place in places for name in _visible(place))


@dataclass(frozen=True)
class _Pictures:
    """The picture files of a folder, their classes if there are class folders, and notes on skipped files."""

    files: list[Path]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]


def _find(root: Path, suffixes: tuple[str, ...], *, strict: bool) -> _Pictures:
    """ValueError if `root` holds no pictures, or if there are some beside class folders; `strict`: or empty folders."""
    folders = sorted((name for name in _visible(root) if (root / name).is_dir()), key=_order)
    pictures = {name: _pictures(root / name, suffixes) for name in folders}
    loose, classes = _pictures(root, suffixes), [name for name in folders if pictures[name]]
    if loose and classes:
        raise ValueError(
            f"{root}: holds pictures ({loose[0].name}) beside folders with pictures ({classes[0]}); "
            "put every picture into a class folder, or none"
        )
    if not loose and not classes:
        raise ValueError(
            f"{root}: holds no pictures ({', '.join(suffixes)}), not in its folders either, "
            f"and no IDX files (*-images-idx3-ubyte){_deeper(root, folders, suffixes)}"
        )
    if loose:
        return _Pictures(loose, None, None, _notes([root], suffixes, loose))
    if strict and (empty := [name for name in folders if not pictures[name]]):
        described = "; ".join(f"{name}: {_contents(root / name, suffixes)}" for name in empty)
        raise ValueError(
            f"{root}: class folders without pictures ({described}); each folder is a class: put pictures into it, "
            "or remove it (a name that begins with a dot is passed over)"
        )
    labels = np.repeat(np.arange(len(classes)), [len(pictures[name]) for name in classes])
    files = [file for name in classes for file in pictures[name]]
    return _Pictures(files, labels, tuple(classes), _notes([root, *(root / name for name in classes)], suffixes, []))


def _visible(folder: Path) -> list[str]:
    """The names in a folder, without hidden files and those of operating systems."""
    return sorted(n for n in os.listdir(folder) if not n.startswith(".") and n.lower() not in SYSTEM)


def _pictures(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    files = [folder / name for name in _visible(folder) if Path(name).suffix.lower() in suffixes]
    return [file for file in files if not file.is_dir()]


def _order(name: str) -> tuple[bool, int, str]:
    return not name.isdecimal(), int(name) if name.isdecimal() else 0, name


def _notes(folders: list[Path], suffixes: tuple[str, ...], loose: list[Path]) -> tuple[str, ...]:
    """Notes on what is skipped in these folders: other files, and sub-folders."""
    files, deeper = Counter[str](), list[str]()
    for k, folder in enumerate(folders):
        for name in _visible(folder):
            if (folder / name).is_dir():
                deeper += [str((folder / name).relative_to(folders[0]))] if k or loose else []
            elif Path(name).suffix.lower() not in suffixes:
                files[Path(name).suffix.lower() or "no ending"] += 1
    notes = []
    if files:
        notes.append(f"{_count(files.total(), 'file')} passed over ({', '.join(sorted(files))})")
    if deeper:
        notes.append(f"{_count(len(deeper), 'folder')} passed over ({_shortened(deeper)})")
    named = Counter(match[1] for file in loose if (match := CLASS_IN_NAME.fullmatch(file.name)))
    if len(named) > 1 and named.total() == len(loose) and min(named.values()) > 1:
        notes.append(
            f"no labels: for classes, put the files into folders of the names they begin with ({_shortened([*named])})"
        )
    return tuple(notes)


def _contents(folder: Path, suffixes: tuple[str, ...]) -> str:
    """What a folder without pictures holds."""
    names = _visible(folder)
    deeper = [name for name in names if (folder / name).is_dir()]
    if not names:
        return "empty"
    if any(_pictures(folder / name, suffixes) for name in deeper):
        return f"the pictures lie deeper, in {_shortened([f'{folder.name}/{name}' for name in deeper])}"
    endings = sorted({Path(name).suffix.lower() or "no ending" for name in names if name not in deeper})
    return _shortened([*endings, *(f"{name}/" for name in deeper)])


def _deeper(root: Path, folders: list[str], suffixes: tuple[str, ...]) -> str:
    """The end of a message about pictures in sub-sub-folders."""
    for name in folders:
        for below in _visible(root / name):
            if (root / name / below).is_dir() and _pictures(root / name / below, suffixes):
                return (
                    f"; they lie deeper, in {name}/{below}: name {root / name}, the folder that holds the class folders"
                )
    others = sorted({Path(n).suffix.lower() for f in (root, *(root / n for n in folders)) for n in _visible(f)} - {""})
    return f"; the files in it end in {_shortened(others)}" if others else ""


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _shortened(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
