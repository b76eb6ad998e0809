"""``metrics.csv`` while it is written, after a resume and damaged: what is read is what the run itself reads.

Read next: ``test_watched.py``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard.folders import HEADER, batch
from hypothesis import given
from hypothesis import strategies as st

from minigen.dashboard import table as table_file
from minigen.dashboard.table import SPLITS, Table
from minigen.training.metrics_file import MetricsFile

terms = st.dictionaries(st.sampled_from(["loss", "kl", "real, score"]), st.floats(), min_size=1)
rows = st.lists(st.tuples(st.sampled_from(SPLITS), terms), max_size=12)


def expected(path: Path, split: str, name: str) -> Any:
    """Of a column, by the reader of runs: the values of the rows of that split that have one."""
    header, *cells = MetricsFile(path).read()
    at = header.index(name)
    return np.array([float(row[at]) for row in cells if row[2] == split and row[at]])


@given(rows, st.integers(1, 200))
def test_pieces_make_what_the_run_itself_reads(tmp_path_factory: Any, drawn: Any, at_once: int) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.csv"
    written, read = MetricsFile(path), Table(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_file, "AT_ONCE", at_once)
        read.update()  # there is no file yet
        for k, (split, values) in enumerate(drawn):
            written.append(k + 1, 1, split, k * 0.5, values)  # a new term makes it write the file anew
            if k % 2:
                read.update()
        read.update()
    written.close()
    assert read.damaged == 0
    for split in SPLITS if drawn else ():
        for name in ("step", "seconds", *read.terms):
            values, there = read.splits[split].column(name)
            np.testing.assert_array_equal(values[there], expected(path, split, name))
    assert sum(series.rows for series in read.splits.values()) == len(drawn)


def test_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(f"{HEADER}\n{batch(1, 3, 2, 1)}\n2,1,bat")
    read = Table(path)
    read.update()
    assert read.splits["batch"].column("loss")[0].tolist() == [3]
    with open(path, "a") as file:
        file.write("ch,0.5,5,4,1\n")
    read.update()
    assert read.splits["batch"].column("loss")[0].tolist() == [3, 5] and read.damaged == 0


def test_a_file_with_the_number_of_the_one_before_is_read_anew(tmp_path: Path) -> None:
    """A term is added twice between two looks: the second new file gets the inode that the first one has freed."""
    path = tmp_path / "metrics.csv"
    read = Table(path)
    path.write_text(f"{HEADER}\n{batch(1, 3, 2, 1)}\n")
    read.update()
    version = read.version
    terms = HEADER.split(",")[4:]
    with open(path, "r+") as file:  # written in its place: the same inode, longer, with a column more
        file.write(f"{HEADER},more\n{batch(1, 3, 2, 1)},7\n{batch(2, 5, 4, 1)},8\n")
    read.update()
    assert read.version > version and read.damaged == 0 and read.terms == (*terms, "more")
    assert read.splits["batch"].column("more")[0].tolist() == [7, 8]
    with open(path, "r+") as file:  # the same columns, other rows
        file.write(f"{HEADER},more\n{batch(1, 9, 2, 1)},7\n{batch(2, 9, 4, 1)},8\n{batch(3, 9, 4, 1)},9\n")
    read.update()
    assert read.splits["batch"].column("loss")[0].tolist() == [9, 9, 9] and read.damaged == 0


def test_a_table_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    written, read = MetricsFile(path), Table(path)
    for k in range(5):
        written.append(k + 1, 1, "batch", k, {"loss": 10.0 + k})
    read.update()
    version = read.version
    written.cut(2)  # the run goes on from a checkpoint
    written.append(3, 1, "batch", 9, {"loss": 99.0})
    written.close()
    read.update()
    assert read.splits["batch"].column("loss")[0].tolist() == [10, 11, 99] and read.version > version
    path.unlink()
    read.update()
    assert read.terms == () and read.splits["batch"].rows == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "1,1,batch,0.1,3,2",
        "x,1,batch,0.1,3,2,1",
        "1,1,elsewhere,0.1,3,2,1",
        "nan,1,batch,0,1,1,1",
        "1,1,batch,0,1,one,1",
        "\0\0\0",
    ],
)
def test_a_damaged_line_is_passed_over_and_counted(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("\n".join([HEADER, batch(1, 3, 2, 1), wrong, batch(2, 6, "nan", "inf"), ""]))
    read = Table(path)
    read.update()
    assert read.damaged == 1
    assert read.splits["batch"].column("loss")[0].tolist() == [3, 6]
    np.testing.assert_array_equal(read.splits["batch"].column("reconstruction")[0], [2, np.nan])
    np.testing.assert_array_equal(read.splits["batch"].column("kl")[0], [1, np.inf])


@pytest.mark.parametrize("text", ["", "\n", "a,b,c\n1,2,3\n", "\xff\xfe\x00", "step,epoch,split,seconds\n"])
def test_a_file_that_is_no_table_has_no_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text, encoding="latin-1")
    read = Table(path)
    read.update()
    assert all(series.rows == 0 for series in read.splits.values()) and read.terms == ()


def test_a_missing_cell_is_none_and_a_nan_is_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("\n".join([HEADER, batch(1, 3, "", 1), batch(2, 3, "nan", 1), ""]))
    read = Table(path)
    read.update()
    values, there = read.splits["batch"].column("reconstruction")
    assert there.tolist() == [False, True] and np.isnan(values[1])


def test_three_hundred_thousand_rows(tmp_path: Path) -> None:
    """A look at what is new costs no more than that."""
    path, count = tmp_path / "metrics.csv", 300_000
    path.write_text("\n".join([HEADER, *(f"{k},1,batch,{k}.5,{k}.25,2.5,0.125" for k in range(1, count + 1)), ""]))
    read = Table(path)
    begun = time.process_time()
    read.update()
    first = time.process_time() - begun
    values, there = read.splits["batch"].column("loss")
    assert there.all() and len(values) == count and values[-1] == count + 0.25
    with open(path, "a") as file:
        file.write(f"{count + 1},1,batch,0,7,2.5,0.125\n")
    begun = time.process_time()
    read.update()
    assert time.process_time() - begun < first / 20
    assert read.splits["batch"].column("loss")[0][-1] == 7
