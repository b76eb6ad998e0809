"""Labels that do not stand in folder names: a table beside the pictures (CSV), or a function of their names.

Every picture must have a label, and every row that names no picture is counted in a note.

Imports: NumPy, ``classes.py``, ``label_table.py``. Read next: ``folder.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.classes import encode_labels, unique_labels
from minigen.data.label_table import Table, find_table, read_tables, shortened
from minigen.shapes import shown

Labels = str | Path | Callable[[str], Any]  #: "FILE.csv", "FILE.csv:COLUMN", or a function of the name of a picture.
Labelled = tuple[tuple[str, ...], dict[str, NDArray[np.int64]], tuple[str, ...]]


def read_labels(labels: Labels, parts: Mapping[str, Sequence[str]], root: Path) -> Labelled:
    """The names of all classes, the class numbers (N,) of the pictures of each split, and notes.

    `parts` has the names of the pictures by split, relative to `root`, the place of the data set, with "/" between
    folders. The classes are the different labels of all splits, numbers in the order of their values, then texts.

    ValueError: a picture has no label, or two; or the table cannot be read so (``label_table.py``). FileNotFoundError:
    there is no such table. TypeError: a function gives something that is neither a text nor a whole number.
    """
    names = [name for part in parts.values() for name in part]
    if callable(labels):
        texts, notes = {name: _label_of(labels, name) for name in names}, list[str]()
    else:
        texts, notes = _table_labels(str(labels), names, root)
    found = {
        split: unique_labels(np.array([texts[n] for n in part], str), None, "labels") for split, part in parts.items()
    }
    classes, numbers = encode_labels(found)
    if len(names) > 20 and len(classes) > len(names) / 2:
        notes.append(f"labels: {len(classes):,} classes of {len(names):,} pictures; are these the classes?")
    return classes, numbers, tuple(notes)


def _label_of(function: Callable[[str], Any], name: str) -> str:
    try:
        label = function(name)
    except Exception as error:
        error.add_note(f"labels: the function raised this for {name!r}")
        raise
    if isinstance(label, bool | np.bool_ | int | np.integer):
        return str(int(label))
    if not isinstance(label, str) or not label or "\0" in label:
        raise TypeError(f"labels: the function gives {shown(label)} for {name!r}; expected a text or a whole number")
    return label


def _table_labels(labels: str, names: Sequence[str], root: Path) -> tuple[dict[str, str], list[str]]:
    """The label of each picture by its name, and notes."""
    path, column = find_table(labels, root)
    table, rows, of_pictures = _match(read_tables(path), _names_by_key(names), root)
    chosen = table.label_column(column, of_pictures)
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, name in rows.items():
        label = table.rows[line][chosen].strip()
        if not label:
            raise ValueError(f"{path}: line {line}: {name} has no label: {table.title(chosen)} is empty")
        if texts.setdefault(name, label) != label:
            raise ValueError(
                f"{path}: two labels for {name}: {texts[name]!r} in line {lines[name]}, {label!r} in line {line}"
            )
        lines.setdefault(name, line)
    if missing := [name for name in names if name not in texts]:
        raise ValueError(
            f"{path}: {len(missing):,} of {len(names):,} pictures have no row in it: {shortened(missing)}; add rows, "
            "or take the pictures away"
        )
    extra = [table.rows[line][of_pictures] for line in table.rows if line not in rows and line != table.header]
    rows_named = "1 row that names" if len(extra) == 1 else f"{len(extra):,} rows that name"
    return texts, [f"{path.name}: {rows_named} no picture: {shortened(extra)}"] if extra else []


def _names_by_key(names: Sequence[str]) -> dict[str, str | None]:
    """The pictures by what a table may call them: path, path without ending, file name, file name without ending.

    What two pictures share stands for neither (None); but a whole path stands for its picture always.
    """
    known: dict[str, str | None] = {}
    for name in names:
        last = name.rpartition("/")[2]
        for key in {_without_ending(name), last, _without_ending(last)} - {name}:
            known[key] = name if key not in known else None
    return {**known, **{name: name for name in names}}


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and "/" not in ending else name


def _match(tables: Sequence[Table], known: Mapping[str, str | None], root: Path) -> tuple[Table, dict[int, str], int]:
    """The table, the picture of each line that names one, and their column: what names the most pictures.

    ValueError if there is none, or if a name is that of several pictures, or if the table is damaged.
    """
    best = max(
        ((table, *_pictures_in(table, k, known, root), k) for table in tables for k in range(table.width)),
        key=lambda match: len(match[1]) + len(match[2]),
    )
    table, found, shared, column = best
    if found or shared:
        if table.problem is not None:
            raise ValueError(table.problem)
        if shared:
            raise ValueError(
                f"{table.path}: line {shared[0]}: several pictures are called {table.rows[shared[0]][column]!r}; write "
                f"their paths from {root} on"
            )
        table.find_header(found)
        return table, found, column
    table = tables[0]
    example, first = next(iter(known), ""), ", ".join(table.rows[min(table.rows)])
    raise ValueError(
        f"{table.path}: no column names the pictures of {root}: a cell should be a path such as {example!r}, with or "
        f"without its ending, but the first line is {first!r}"
    )


def _pictures_in(
    table: Table, column: int, known: Mapping[str, str | None], root: Path
) -> tuple[dict[int, str], list[int]]:
    """The pictures that the cells of a column name, by line, and the lines that name several."""
    found, shared = dict[int, str](), list[int]()
    for line, cells in table.rows.items():
        meant = [known[key] for key in _spellings(cells[column], table.path, root) if key in known]
        name = next((name for name in meant if name is not None), None)
        if name is not None:
            found[line] = name
        elif meant:
            shared.append(line)
    return found, shared


def _spellings(cell: str, table: Path, root: Path) -> list[str]:
    """What a cell may mean as a path from `root` on: it, without the root's name, or from the table's folder on."""
    path = cell.strip().replace("\\", "/").removeprefix("./")
    found = [path, path.removeprefix(f"{root.name}/")]
    with contextlib.suppress(ValueError):
        found.append((table.parent / path).relative_to(root).as_posix())
    return found
