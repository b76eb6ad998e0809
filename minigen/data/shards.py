"""Data sets in several files: which belong together, in which order, and of which split they are.

``train-00000.tar``, ``train-00001.tar``, ...: files of one stem, numbered without gaps from 0 or 1, perhaps with their
number (``-of-00007``). Stems with the word train, test or validation are splits.

Imports: the standard library. Read next: ``tar.py``, ``parquet.py``, ``array_shards.py``.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

NUMBERED = re.compile(r"(?P<stem>.+?)[-_.](?P<number>\d+)(?:-of-(?P<total>\d+))?(?:-[0-9a-f]{8,})?")
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
MAGIC = "{*?["
SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test", "valid": "valid", "val": "valid",
          "validation": "valid", "dev": "valid"}  # fmt: skip


@dataclass(frozen=True)
class Shards:
    """The files of one stem, in order."""

    stem: str
    files: tuple[Path, ...]


def group_shards(files: Iterable[Path], *, whole: bool = True) -> list[Shards]:
    """Files by their stem, in the order of their numbers. ValueError if one is missing or comes twice.

    `whole` False: the first and the last may be missing, since a user named these files.
    """
    groups: dict[str, list[tuple[int, int | None, str, Path]]] = {}
    for path in sorted(files):
        match = NUMBERED.fullmatch(path.stem)
        if match is None:
            groups.setdefault(path.stem, []).append((0, None, "0", path))
        else:
            total = None if match["total"] is None else int(match["total"])
            groups.setdefault(match["stem"], []).append((int(match["number"]), total, match["number"], path))
    result = []
    for stem, found in groups.items():
        found.sort(key=lambda one: one[0])
        _check_numbers(found, whole)
        result.append(Shards(stem, tuple(path for *_, path in found)))
    return result


def _check_numbers(found: Sequence[tuple[int, int | None, str, Path]], whole: bool) -> None:
    numbers, totals = [number for number, *_ in found], {total for _, total, *_ in found if total is not None}
    for (a, *_, one), (b, *_, other) in itertools.pairwise(found):
        if a == b:
            raise ValueError(f"{one} and {other} have one number; which is meant? Move the other elsewhere")
    if len(totals) > 1:
        raise ValueError(
            f"{found[0][3]} and {found[-1][3]} are of different series: of {' and of '.join(map(str, sorted(totals)))}"
        )
    _, total, text, path = found[0]
    if len(found) == 1 and total is None and not (text.startswith("0") and len(text) > 1):
        return  # a name that happens to end in a number
    first = numbers[0] if not whole else 1 if numbers[0] == 1 and total is None else 0
    last = numbers[-1] if total is None or not whole else max(total - 1, numbers[-1])
    missing = sorted({*range(first, last + 1)} - {*numbers})
    if missing:
        shown = ", ".join(f"{k:0{len(text)}}" for k in missing[:6]) + (" ..." if len(missing) > 6 else "")
        raise ValueError(
            f"{path.parent}: of the files {path.name} to {found[-1][3].name}, number {shown} is missing; get it, or "
            "name the files to use: --dataset 'NAME-{00000..00009}.tar'"
        )


def split_files(groups: Sequence[Shards], source: str, what: str = "file") -> tuple[dict[str, list[Path]], list[str]]:
    """The files of "train" and of "test", or all under "" if a part is still to be held out; and notes.

    `what` they are called in messages. Without a test set, one for validation stands in for it. ValueError if only some
    names tell of which split they are.
    """
    by_split: dict[str, list[Path]] = {}
    for group in groups:
        words = [SPLITS[word] for word in re.split(r"[-_. ]", group.stem.lower()) if word in SPLITS]
        by_split.setdefault(words[0] if words else "", []).extend(group.files)
    if "" in by_split and len(by_split) > 1:
        named = next(files[0].name for split, files in by_split.items() if split)
        raise ValueError(
            f"{source}: {named} is named after a split, {by_split[''][0].name} is not; put train, test or validation "
            "into the names of all, or of none"
        )
    notes = []
    if "valid" in by_split:
        held = by_split.pop("valid")
        if "test" in by_split or "train" not in by_split:
            notes.append(f"{len(held)} {what}{'s' * (len(held) > 1)} of the split for validation passed over")
            if not by_split:
                raise ValueError(f"{source}: holds {what}s for validation only ({held[0].name}), none to train on")
        else:
            by_split["test"] = held
            notes.append("the images for validation are the test set, since there is no other")
    if by_split.keys() == {"train"}:
        by_split = {"": by_split["train"]}
    if by_split.keys() == {"test"}:
        raise ValueError(
            f"{source}: holds {what}s of the split 'test' only ({by_split['test'][0].name}), none of 'train'"
        )
    return by_split, notes


def expand(pattern: str) -> list[Path]:
    """The files that a pattern means: ``train-{00000..00009}.tar``, ``{a,b}.tar``, ``train-*.tar``.

    FileNotFoundError for a file of a brace that there is not, or a glob that finds nothing.
    """
    files: list[Path] = []
    for text in _braces(os.path.expanduser(pattern)):
        found = sorted(glob.glob(text)) if glob.has_magic(text) else [text] * os.path.exists(text)
        if not found:
            raise FileNotFoundError(f"load: there is no file {text}" + (f" (of {pattern})" if text != pattern else ""))
        files += map(Path, found)
    return list(dict.fromkeys(files))


def _braces(pattern: str) -> list[str]:
    match = BRACES.search(pattern)
    if match is None:
        return [pattern]
    numbers = RANGE.fullmatch(match[1])
    if numbers is None:
        options = match[1].split(",")
    else:
        low, high = int(numbers[1]), int(numbers[2])
        options = [f"{k:0{len(numbers[1])}}" for k in range(low, high + 1)]
    return [text for one in options for text in _braces(pattern[: match.start()] + one + pattern[match.end() :])]
