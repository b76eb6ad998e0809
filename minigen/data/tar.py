"""Pictures in tar archives, as WebDataset lays them out: ``key.png``, ``key.cls`` or ``key.json``, ``key2.png``, ...

An archive is read once, header by header; where its pictures lie is kept in the cache folder. From then on pictures are
read in any order. A compressed archive cannot be read so, and is refused.

Format: POSIX.1-2001, pax; https://github.com/webdataset/webdataset. Python's reader ends in silence at a damaged header
and at the end of a file that was cut; so what follows the last member is looked at here.

Imports: NumPy, ``slices.py``, ``classes.py``, ``kept.py``. Read next: ``encoded.py``.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from minigen.data import classes
from minigen.data.encoded import Encoded
from minigen.data.kept import kept
from minigen.data.picture import SUFFIXES
from minigen.data.slices import Slices, stamp

VERSION = 2  # of what is kept: another number forgets it
BLOCK = 512
LABEL_KEYS = ("label", "cls", "class", "target", "y")
LONGEST = 1 << 20  # bytes of a file with a label
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def read_tar(parts: Mapping[str, Sequence[Path]], notes: Sequence[str] = ()) -> Encoded:
    """The pictures in the archives of each split, with their labels if all have one.

    ValueError, naming archive and member, for an archive that is damaged, cut, compressed or without pictures, and
    for labels that only some pictures have.
    """
    slices: dict[str, Slices] = {}
    texts: dict[str, list[str]] = {}
    passed = empty = 0
    for split, files in parts.items():
        found = [_index(path) for path in files]
        slices[split] = Slices.joined([one for one, _, _ in found])
        texts[split] = [text for _, labels, _ in found for text in labels]
        passed += sum(count for _, _, count in found)
        empty += sum(not len(one) for one, _, _ in found)
        if not len(slices[split]):
            raise ValueError(f"{files[0]}: holds no pictures ({', '.join(SUFFIXES[:6])}, ...)")
    labels, names = _labels(slices, texts)
    notes = [*notes]
    if empty:
        notes.append(f"{empty} archive{'s' * (empty > 1)} without a picture")
    if passed:
        notes.append(f"{passed:,} file{'s' * (passed > 1)} in archives passed over, which are no pictures or labels")
    if labels is None and (folders := _folders(slices)) > 1:
        notes.append(f"no labels: the {folders} folders in the archives are no classes; for that, unpack them")
    return Encoded(slices, labels, names, tuple(notes))


def _labels(
    slices: Mapping[str, Slices], texts: Mapping[str, list[str]]
) -> tuple[dict[str, NDArray[np.int64]] | None, tuple[str, ...] | None]:
    if not any(text for some in texts.values() for text in some):
        return None, None
    for split, some in texts.items():
        if "" in some:
            raise ValueError(
                f"{slices[split].name(some.index(''))}: has no label (.cls, or .json with 'label'), others have; give "
                "each picture one, or none"
            )
    found = {s: classes.unique_labels(np.array(some), len(some), "labels") for s, some in texts.items()}
    names, numbers = classes.encode_labels(found)
    return numbers, names


def _folders(slices: Mapping[str, Slices]) -> int:
    return len({str(PurePosixPath(name).parent) for part in slices.values() for name in part.members or ()})


def _index(path: Path) -> tuple[Slices, list[str], int]:
    """Where the pictures of an archive lie, their labels ("" without), and how many other files it holds."""
    size, changed = stamp(path)
    whole = Slices.of_files([path])
    found = kept(whole.key(VERSION, "tar"), lambda: _read_headers(path, size))
    names, labels = (_texts(found[key]) for key in ("names", "labels"))
    offset, sizes = found["offset"], found["size"]
    slices = Slices([str(path)], whole.stamps, np.zeros(len(offset), np.int64), offset, sizes, names)
    return slices, labels, int(found["passed"])


def _texts(data: NDArray[np.uint8]) -> list[str]:
    return data.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


def _bytes(texts: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-8", "surrogateescape"), np.uint8)


def _read_headers(path: Path, size: int) -> dict[str, NDArray[Any]]:
    """What is kept of an archive."""
    pictures: dict[str, tuple[str, int, int]] = {}  # key of a sample: name, offset, size
    labels: dict[str, str] = {}
    wrong: dict[str, ValueError] = {}  # key of a sample: why its .json file has no label
    passed = 0
    with open(path, "rb") as file:
        start = file.read(8)
        for magic, kind in COMPRESSED.items():
            if start.startswith(magic):
                raise ValueError(
                    f"{path}: is compressed ({kind}), so no picture in it can be read without unpacking all before "
                    "it; unpack it once, to .tar or to a folder (pictures are compressed already)"
                )
        file.seek(0)
        for member in _members(path, file, size):
            name = PurePosixPath(member.name)
            if member.isdir() or any(_is_hidden(part) for part in name.parts):
                continue
            key, suffix = str(name.parent / name.name.split(".")[0]), name.suffix.lower()
            if suffix in SUFFIXES:
                if not member.isreg() or member.issparse():
                    raise ValueError(f"{path}: {member.name}: is a link or has holes; pack it as an ordinary file")
                if key in pictures:
                    raise ValueError(
                        f"{path}: {pictures[key][0]} and {name} are two pictures of one sample, whose name ends at the "
                        "first dot; which is meant? Pack one for each name"
                    )
                pictures[key] = str(name), member.offset_data, member.size
            elif suffix in (".cls", ".json") and member.isreg() and member.size <= LONGEST:
                file.seek(member.offset_data)
                try:
                    text = _label(file.read(member.size), suffix)
                except ValueError as error:
                    refusal = ValueError(f"{path}: {member.name}: cannot be read as a label ({error})")
                    if suffix == ".cls":
                        raise refusal from error
                    wrong[key], text = refusal, ""
                if suffix == ".cls" or key not in labels:
                    labels[key] = text
            else:
                passed += 1
    for key, refusal in wrong.items():
        if key in pictures and not labels[key]:
            raise refusal
    passed += len(labels.keys() - pictures.keys())
    return {
        "names": _bytes([name for name, _, _ in pictures.values()]),
        "labels": _bytes([labels.get(key, "") for key in pictures]),
        "offset": np.array([offset for _, offset, _ in pictures.values()], np.int64),
        "size": np.array([length for _, _, length in pictures.values()], np.int64),
        "passed": np.array(passed),
    }


def _members(path: Path, file: IO[bytes], size: int) -> Iterator[tarfile.TarInfo]:
    """The members of an archive, none of which is kept in memory. ValueError if it is damaged or cut."""
    count = 0
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            while (member := tar.next()) is not None:
                count += 1
                tar.members.clear()  # type: ignore[attr-defined]
                yield member
            end = tar.offset
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read as a tar archive ({error}), after {count:,} members") from error
    file.seek(end)
    mark = file.read(BLOCK)
    if mark.strip(b"\0"):
        raise ValueError(f"{path}: is damaged at byte {end:,}, after {count:,} members; get it again")
    if len(mark) < BLOCK:
        raise ValueError(
            f"{path}: ends without the mark of an end, after {count:,} members: it was cut, or its writer was not "
            "closed; get it again, or write it again"
        )
    while chunk := file.read(1 << 20):
        if chunk.strip(b"\0"):
            raise ValueError(
                f"{path}: more follows the end of the archive: several were put together with cat; give them as files "
                "of their own"
            )


def _is_hidden(part: str) -> bool:
    """Whether a file or folder of that name is passed over, as in a folder of pictures."""
    return (part.startswith(".") and part != "..") or part == "__MACOSX"


def _label(data: bytes, suffix: str) -> str:
    """The label in a file of a sample; "" if it has none: a .json file of another kind. ValueError: it is no label."""
    text = data.decode("utf-8-sig").strip()
    if suffix == ".json":
        found = json.loads(text)
        if isinstance(found, dict):
            found = next((found[key] for key in LABEL_KEYS if found.get(key) is not None), None)
        elif isinstance(found, list):  # such as boxes
            found = None
        return "" if found is None else classes.label_text(found)
    return classes.label_text(int(text) if text.isdecimal() and len(text) <= classes.LONGEST else text)
