"""Pictures in Parquet tables, as Hugging Face ``datasets`` writes them: a column of encoded pictures, one of labels.

The column is binary, or a struct with ``bytes`` and ``path``; names of classes stand in the schema's metadata. A row
cannot be read without the pages around it, which are compressed together. So the pictures of a table are copied once,
as they are, into a file of the cache folder, from where any of them is read alone: the order of an epoch is then as
random as that of pictures in memory, however large the groups of rows are.

Imports: NumPy, ``slices.py``, ``kept.py``, ``classes.py``; pyarrow when it reads. Read next: ``encoded.py``.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.atomic import temporary_path
from minigen.data import classes
from minigen.data.arrays import LABELS
from minigen.data.encoded import Encoded
from minigen.data.kept import forget_abandoned, kept, kept_folder, name_once
from minigen.data.slices import Slices, stamp

VERSION = 2  # of what is kept: another number forgets it
IMAGE_NAMES = ("image", "img", "images", "picture", "png", "jpg", "webp")
LABEL_NAMES = ("label", *LABELS)
ROWS = 64  # read at a time
UNLABELLED = "-1"  # what ``datasets`` writes where a label is not known


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read: that of pictures, that of labels (None without), and the names of classes."""

    image: str
    label: str | None
    names: tuple[str, ...] | None
    others: tuple[str, ...]


def read_parquet(parts: Mapping[str, Sequence[Path]], notes: Sequence[str] = ()) -> Encoded:
    """The pictures in the tables of each split, with their labels.

    ModuleNotFoundError without pyarrow. ValueError, naming table and row, for a table that cannot be read, has no
    column of pictures or several, or lacks a picture or label; OSError without room for the copy.
    """
    files = [path for some in parts.values() for path in some]
    found = {path: find_columns(path) for path in files}
    first = found[files[0]]
    for path, columns in found.items():
        if columns != first:
            raise ValueError(
                f"tables of different columns: {files[0]} has {_shown(first)}, {path} has {_shown(columns)}"
            )
    slices, texts = {}, {}
    for split, some in parts.items():
        read = [_unpacked(path, first) for path in some]
        slices[split] = Slices.joined([one for one, _ in read])
        texts[split] = [text for _, labels in read for text in labels]
        if not len(slices[split]):
            raise ValueError(f"{some[0]}: holds no pictures: its tables have no rows")
    notes = [*notes]
    if first.others:
        notes.append(f"columns that are not used: {', '.join(first.others)}")
    labels, names = _labels(first, slices, texts, notes)
    return Encoded(slices, labels, names, tuple(notes))


def _labels(
    columns: Columns, slices: Mapping[str, Slices], texts: Mapping[str, list[str]], notes: list[str]
) -> tuple[dict[str, NDArray[np.int64]] | None, tuple[str, ...] | None]:
    if columns.label is None:
        return None, None
    unknown = {"", UNLABELLED} if columns.names is not None else {""}
    known = {split: some for split, some in texts.items() if not unknown >= {*some}}
    if known.keys() != texts.keys():
        where = "".join(f" of the split {split!r}" for split in texts.keys() - known.keys() if split)
        notes.append(f"the column {columns.label!r} has no label of any image{where}")
        if "" not in texts:  # labels of one split alone are of no use to another
            known = {}
    if not known:
        return None, columns.names
    for split, some in known.items():
        missing = next((k for k, text in enumerate(some) if text in unknown), None)
        if missing is not None:
            raise ValueError(f"{slices[split].name(missing)}: has no label, other rows have")
    found = {s: classes.unique_labels(np.array(some), len(some), columns.label) for s, some in known.items()}
    names, numbers = classes.encode_labels(found, columns.names)
    return numbers, names


def find_columns(path: Path) -> Columns:
    """The columns of a table that are read. ValueError, naming the table, if that is not clear."""
    schema = _open(path).schema_arrow
    features = _features(schema)
    binary = [field.name for field in schema if _is_picture(field.type)]
    images = [name for name in binary if features.get(name, {}).get("_type") == "Image"] or binary
    chosen = _prefer(images, IMAGE_NAMES)
    if chosen is None:
        what = (
            f"several columns of pictures: {', '.join(images)}; save one of them alone"
            if images
            else (
                f"no column of encoded pictures (binary, or a struct with bytes): {', '.join(map(str, schema))[:300]}"
            )
        )
        raise ValueError(f"{path}: has {what}")
    labelled = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
    label = _prefer(labelled, LABEL_NAMES) or next(iter(labelled), None)
    if label is None:
        label = next((field.name for name in LABEL_NAMES for field in schema if field.name.lower() == name), None)
    names = features.get(label or "", {}).get("names")
    used = {chosen, label}
    others = tuple(field.name for field in schema if field.name not in used)
    return Columns(chosen, label, None if names is None else tuple(map(str, names)), others)


def _shown(columns: Columns) -> str:
    labels = f", labels {columns.label!r}" + ("" if columns.names is None else f" of {len(columns.names)} classes")
    return (
        f"pictures {columns.image!r}{labels if columns.label else ''}{''.join(f', {name}' for name in columns.others)}"
    )


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """What ``datasets`` says of each column; nothing if another program wrote the table."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _is_picture(kind: Any) -> bool:
    types = _pyarrow().types
    if types.is_struct(kind):
        return any(field.name == "bytes" and _is_picture(field.type) for field in kind)
    if types.is_dictionary(kind):
        return _is_picture(kind.value_type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or str(kind) == "binary_view")


def _prefer(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    if len(names) == 1:
        return names[0]
    return next((name for one in wanted for name in names if name.lower() == one), None)


def _pyarrow() -> Any:
    """The library, which is imported when a table is read. ModuleNotFoundError says how to get it."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Parquet tables are read with pyarrow: pip install 'minigen-engine[parquet]'", name="pyarrow"
        ) from error


def _open(path: Path) -> Any:
    pa = _pyarrow()
    try:
        return pa.parquet.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a Parquet table ({_line(error)})") from error


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _unpacked(path: Path, columns: Columns) -> tuple[Slices, list[str]]:
    """The pictures of a table in their copy, and their labels as text ("" without)."""
    key = Slices.of_files([path]).key(VERSION, "parquet", columns)
    copy = kept_folder() / f"{key}.pictures"
    if not copy.exists():  # what is kept of it means nothing without it
        with contextlib.suppress(OSError):
            copy.with_suffix(".npz").unlink()
    found = kept(key, lambda: _copy(path, columns, copy))
    sizes = found["size"]
    if not copy.exists() or stamp(copy)[0] != sizes.sum():
        raise ValueError(f"{copy}: is not as it was written; delete it, and it is made again from {path}")
    slices = Slices(
        [str(copy)],
        np.array([stamp(copy)], np.int64),
        np.zeros(len(sizes), np.int64),
        np.cumsum(sizes) - sizes,
        sizes,
        [f"row {k}" for k in range(len(sizes))],
        [str(path)],
    )
    return slices, found["labels"].tobytes().decode().split("\0")[:-1]


def _copy(path: Path, columns: Columns, copy: Path) -> dict[str, NDArray[Any]]:
    """Write the pictures of a table one behind the other. What is kept: the size of each, and the labels."""
    table = _open(path)
    temporary, sizes, labels = temporary_path(copy.parent), list[int](), list[str]()
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        forget_abandoned(copy.parent)
        needed, free = stamp(path)[0], shutil.disk_usage(copy.parent).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"they need {needed / 1e9:.1f} GB of {free / 1e9:.1f} GB that are free")
        with open(temporary, "xb") as file:
            for k, (picture, label) in enumerate(_rows(table, path, columns)):
                if picture is None:
                    raise ValueError(
                        f"{path}: row {k} has no picture in it, perhaps the path of one; write the table with the "
                        "bytes (datasets: Dataset.to_parquet of pictures that were embedded)"
                    )
                file.write(picture)
                sizes.append(len(picture))
                labels.append(label)
        name_once(temporary, copy)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the pictures of {path} are copied there once, to be read in any order ({error.strerror or error}); name "
            "a folder that can be written and has room in MINIGEN_CACHE",
            str(copy.parent),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    text = "".join(f"{label}\0" for label in labels).encode()
    return {"size": np.array(sizes, np.int64), "labels": np.frombuffer(text, np.uint8)}


def _rows(table: Any, path: Path, columns: Columns) -> Iterator[tuple[bytes | None, str]]:
    """(picture, label) of each row, in bounded memory."""
    pa = _pyarrow()
    wanted = [columns.image, *([] if columns.label is None else [columns.label])]
    row = 0
    try:
        for batch in table.iter_batches(batch_size=ROWS, columns=wanted, use_threads=False):
            pictures = batch.column(wanted[0])
            if pa.types.is_struct(pictures.type):
                names = [field.name for field in pictures.type]
                pictures = pictures.flatten()[names.index("bytes")]
            labels = [None] * len(batch) if columns.label is None else batch.column(columns.label).to_pylist()
            for picture, y in zip(pictures.to_pylist(), labels):
                try:
                    yield picture, "" if y is None else classes.label_text(y)
                except ValueError as error:
                    raise ValueError(
                        f"{path}: row {row}: column {columns.label!r}: {error}; save it with a class for each picture, "
                        "or without that column"
                    ) from error
                row += 1
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a Parquet table ({_line(error)})") from error
