"""Read a table of labels (CSV): delimiter, quotes, byte order mark and line of names are found out.

Format: RFC 4180, with the delimiters , ; tab and |, in UTF-8 or, as spreadsheets write it, UTF-16 with its mark.

Imports: the standard library. Read next: ``labels.py``.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
TRIED = 50  # rows by which the delimiter is chosen


@dataclass
class Table:
    """Rows of `width` cells by the number of their line; `problem` is what is wrong with others. `header`: a line."""

    path: Path
    rows: dict[int, list[str]]
    width: int
    problem: str | None = None
    header: int | None = None

    def find_header(self, naming: Container[int]) -> None:
        """The first line has the names of the columns if it is not one of those that name a picture.

        But if one of its cells comes again in its column, it is a row as others are, of a picture that is not there.
        """
        first, *others = self.rows
        again = any(self.rows[line][k] == cell for k, cell in enumerate(self.rows[first]) for line in others)
        self.header = None if first in naming or again else first

    def title(self, column: int) -> str:
        """What a column is called in a message."""
        return f"column {column + 1}" if self.header is None else f"column {self.rows[self.header][column].strip()!r}"

    def label_column(self, wanted: str | None, of_pictures: int) -> int:
        """The column of the labels: by its name or number from 1; None: the only one beside that of the pictures.

        ValueError if there is no such column, or several and none is wanted.
        """
        names = [] if self.header is None else [cell.strip() for cell in self.rows[self.header]]
        if wanted is None:
            others = [k for k in range(self.width) if k != of_pictures]
            if len(others) == 1:
                return others[0]
            listed = ", ".join(names[k] for k in others) if names else f"1 to {self.width}"
            raise ValueError(f"{self.path}: which column has the labels? Name it, {self.path.name}:COLUMN: {listed}")
        lower = [name.lower() for name in names]
        same = [k for k, name in enumerate(names) if name == wanted] or [
            k for k, name in enumerate(lower) if name == wanted.lower()
        ]
        if len(same) > 1:
            numbers = " or ".join(f"{self.path.name}:{k + 1}" for k in same)
            raise ValueError(f"{self.path}: {len(same)} columns are called {wanted!r}; give a number, {numbers}")
        if same:
            return same[0]
        if wanted.isdecimal() and 1 <= int(wanted) <= self.width:
            return int(wanted) - 1
        known = (
            f"its columns are {', '.join(names)}"
            if names
            else f"it has no line of names; give a number to {self.width}"
        )
        raise ValueError(f"{self.path}: there is no column {wanted!r}; {known}")


def absolute_table(labels: str) -> str:
    """The same text with a path that holds from any folder, if the file lies here; else it is one of the data set."""
    file, colon, column = labels.rpartition(":")
    for text, rest in ((labels, ""), (file, f":{column}")) if colon else ((labels, ""),):
        if text and Path(text).expanduser().is_file():
            return f"{Path(text).expanduser().absolute()}{rest}"
    return labels


def find_table(labels: str, root: Path) -> tuple[Path, str | None]:
    """The file and the column, or None, that "FILE" or "FILE:COLUMN" names: from here, or from `root` on.

    FileNotFoundError if there is no such file.
    """
    folder = root if root.is_dir() else root.parent
    file, colon, column = labels.rpartition(":")
    for text, chosen in ((labels, None), (file, column or None)) if colon else ((labels, None),):
        for path in (Path(text).expanduser(), folder / text):
            if text and path.is_file():
                return path, chosen
    raise FileNotFoundError(
        f"labels: there is no file {labels}, neither from here nor in {folder}; expected FILE.csv or FILE.csv:COLUMN"
    )


def read_tables(path: Path) -> list[Table]:
    """What a CSV file holds by each delimiter that parts its first rows into as many cells, two at least.

    ValueError if there is none, or if it is no text.
    """
    text = _text(path)
    tables = [table for d in DELIMITERS if (table := _table(path, text, d)) is not None]
    if not tables:
        raise ValueError(
            f"{path}: expected a table with at least two columns, the names of pictures and labels, parted by "
            f"{', '.join(NAMES[d] for d in DELIMITERS[:-1])} or {NAMES[DELIMITERS[-1]]}"
        )
    return tables


def _table(path: Path, text: str, delimiter: str) -> Table | None:
    """None if most of the first rows have not as many cells as the first, two at least."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    rows, problem = dict[int, list[str]](), None
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows[reader.line_num] = cells
    except csv.Error as error:
        problem = f"{path}: line {reader.line_num}: it is no CSV ({error})"
    widths = [len(cells) for cells in [*rows.values()][:TRIED]]
    if not widths or widths[0] < 2 or widths.count(widths[0]) <= len(widths) / 2:
        return None
    for line, cells in rows.items():
        if len(cells) != widths[0] and problem is None:
            problem = f"{path}: line {line}: expected {widths[0]} cells as in the first line, got {len(cells)}"
    whole = {line: cells for line, cells in rows.items() if len(cells) == widths[0]}
    return Table(path, whole, widths[0], problem)


def _text(path: Path) -> str:
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: it is no text in UTF-8 (byte {error.start}); save it as CSV in UTF-8") from error
    if "\0" in text:
        raise ValueError(f"{path}: it is no text; save it as CSV in UTF-8")
    return text


def shortened(names: Sequence[str], most: int = 3) -> str:
    """The first names of many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
