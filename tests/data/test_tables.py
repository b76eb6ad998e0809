"""Parquet tables: columns, classes, the copy of the pictures, and everything that may be wrong."""

import os
import sys
import time

import numpy as np
import pytest
from data.layouts import FEATURES, NAMES, NEEDS_PYARROW, drawn, first_pixels, png, whole, write_table

from minigen.data import load, parquet

STREAM = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MINIGEN_CACHE", str(folder))
    return folder


@STREAM
def test_tables_of_other_programs(tmp_path, stream):
    pa = pytest.importorskip("pyarrow", reason=NEEDS_PYARROW)
    pq = pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)
    x, y = drawn(12)
    table = pa.table({"picture": [png(one) for one in x], "y": [f"class {k}" for k in y], "size": range(12)})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    found = load(tmp_path / "a.parquet", stream=stream)
    assert found.classes == ("class 0", "class 1", "class 2") and found.notes == ("columns that are not used: size",)
    assert whole(tmp_path / "a.parquet", stream=stream)[0] == first_pixels(x)
    pq.write_table(table.append_column("label", table["size"]), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet", stream=stream).class_count == 12  # "label" comes before "y"


@STREAM
def test_classes_of_a_table_are_those_of_its_schema(tmp_path, stream):
    x, y = drawn(12)
    pictures = [png(one) for one in x]
    write_table(tmp_path / "a.parquet", pictures, np.minimum(y, 1))
    assert load(tmp_path / "a.parquet", stream=stream).classes == NAMES  # one of them has no picture
    write_table(tmp_path / "a.parquet", pictures, np.full(12, -1))
    found = load(tmp_path / "a.parquet", stream=stream)
    assert found.labels is None and found.notes == ("the column 'label' has no label of any image",)
    write_table(tmp_path / "a.parquet", pictures, np.where(y, y, -1))
    with pytest.raises(ValueError, match=r"^\S*a.parquet: row 0: has no label, other rows have"):
        load(tmp_path / "a.parquet", stream=stream)


def test_tables_that_are_refused(tmp_path):
    x, y = drawn(9)
    pictures = [png(one) for one in x]
    path = write_table(tmp_path / "a.parquet", pictures, y, second=pictures)
    assert load(path).notes == ("columns that are not used: second",)  # the first has the type Image
    write_table(path, pictures, y, features={}, second=pictures)
    assert load(path).notes == ("columns that are not used: second",)  # the first is called image
    write_table(path, [*pictures[:4], {"bytes": None, "path": "x.png"}, *pictures[5:]], y)
    with pytest.raises(ValueError, match=r"a.parquet: row 4 has no picture in it"):
        load(path)
    write_table(path, [*pictures[:4], b"?", *pictures[5:]], y)
    with pytest.raises(ValueError, match=r"^\S*a.parquet: row 4: cannot be read as a picture"):
        load(path)
    write_table(path, [], [])
    with pytest.raises(ValueError, match="no pictures|has no column"):
        load(path)
    write_table(path, pictures, y)
    data = path.read_bytes()
    for cut in (b"", b"PAR1", data[: len(data) // 2], b"\0" * 99):
        path.write_bytes(cut)
        with pytest.raises(ValueError, match=r"a.parquet: cannot be read as a Parquet table"):
            load(path)
    path.unlink()
    write_table(tmp_path / "t-0.parquet", pictures, y)
    one_class = {**FEATURES, "label": {"_type": "ClassLabel", "names": ["a"]}}
    write_table(tmp_path / "t-1.parquet", pictures, y, features=one_class)
    with pytest.raises(ValueError, match="tables of different columns"):
        load(tmp_path)
    with pytest.raises(ValueError, match="labels is an option of folders of pictures and archives"):
        load(tmp_path / "t-0.parquet", labels=str)


def test_the_copy_of_a_table(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("minigen.data.pixels.MOST", 0)  # pixels that are kept would need no copy
    x, y = drawn(9)
    path = write_table(tmp_path / "a.parquet", [png(one) for one in x], y)
    (cache / "data").mkdir()
    for name, age in {"killed": 4000, "at work": 60}.items():
        (cache / "data" / f".minigen-{name}.tmp").write_bytes(b"a part")
        os.utime(cache / "data" / f".minigen-{name}.tmp", (time.time() - age,) * 2)
    stored = load(path, stream=True)
    assert [left.name for left in cache.glob("data/.*")] == [".minigen-at work.tmp"]
    (cache / "data" / ".minigen-at work.tmp").unlink()
    (copy,) = cache.glob("data/*.pictures")
    assert copy.stat().st_size == sum(len(png(one)) for one in x) and not [*cache.glob("data/.*")]
    copy.unlink()
    with pytest.raises(ValueError, match=r"\.pictures: cannot be read .No such file"):
        np.asarray(stored.images)
    assert whole(path)[0] == first_pixels(x)
    (copy,) = cache.glob("data/*.pictures")
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not as it was written; delete it"):
        load(path)
    copy.unlink()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("usage", (), {"free": 10}))
    with pytest.raises(
        OSError, match="need 0.0 GB of 0.0 GB.*name a folder that can be written and has room in MINIGEN_CACHE"
    ):
        load(path)


def test_two_processes_that_copy_a_table_at_once(tmp_path, cache, monkeypatch):
    x, y = drawn(9)
    path = write_table(tmp_path / "a.parquet", [png(one) for one in x], y)
    rows, others = parquet._rows, []

    def another_is_first(*arguments):
        monkeypatch.setattr(parquet, "_rows", rows)
        others.append(load(path, stream=True))
        return rows(*arguments)

    monkeypatch.setattr(parquet, "_rows", another_is_first)
    mine = load(path, stream=True)
    assert len([*cache.glob("data/*.pictures")]) == 1 and not [*cache.glob("data/.*")]
    assert (np.asarray(mine.images) == np.asarray(others[0].images)).all()  # neither copy has changed


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    path = write_table(tmp_path / "a.parquet", [png(one) for one in drawn(9)[0]], drawn(9)[1])
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"the pictures of .*a.parquet are copied there once.*MINIGEN_CACHE"):
        load(path)


def test_types_of_pictures_and_labels(tmp_path):
    pa = pytest.importorskip("pyarrow", reason=NEEDS_PYARROW)
    pq = pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)
    x, _ = drawn(12)
    pictures = [png(one) for one in x]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())):
        column = pa.array(pictures, pa.binary())
        column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
        pq.write_table(pa.table({"image": column}), tmp_path / "a.parquet", row_group_size=5)
        assert whole(tmp_path / "a.parquet")[0] == first_pixels(x), kind
    for labels, names in (
        (pa.array([k % 2 for k in range(12)], pa.float64()), ("0", "1")),
        (pa.array([k % 2 for k in range(12)]).cast(pa.decimal128(20, 0)), ("0", "1")),
        (pa.array([b"ab"[k % 2 : k % 2 + 1] for k in range(12)]), ("a", "b")),
        (pa.array(["ab"[k % 2] for k in range(12)]).dictionary_encode(), ("a", "b")),
        (pa.array([k > 5 for k in range(12)]), ("False", "True")),
        (pa.array([0.5] * 12), "row 0: column 'label': labels must be whole numbers"),
        (pa.array([1.0, float("nan")] * 6), "row 1: column 'label': labels must be whole numbers"),
        (pa.array([[1, 2]] * 12), "row 0: column 'label': labels must be whole numbers"),
        (pa.array(["a", "a\0b"] * 6), "row 1: column 'label': a label must not hold zeros"),
    ):
        pq.write_table(pa.table({"image": pictures, "label": labels}), tmp_path / "a.parquet", row_group_size=5)
        if isinstance(names, tuple):
            assert load(tmp_path / "a.parquet").classes == names
        else:
            with pytest.raises(ValueError, match=names):
                load(tmp_path / "a.parquet")


def test_without_pyarrow_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    path = write_table(tmp_path / "a.parquet", [png(one) for one in drawn(9)[0]], drawn(9)[1])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'minigen-engine\[parquet\]'"):
        load(path)
