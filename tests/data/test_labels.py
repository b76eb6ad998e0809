"""Labels from a table beside the pictures, or from a function: what is found out, and what is refused by line."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.data.labels import read_labels

NAMES = ["a.png", "b.png", "sub/c.jpg"]


def write(root, text, name="labels.csv", encoding="utf-8"):
    path = root / name
    path.write_bytes(text.encode(encoding))
    return path


def read(root, text, labels=None, names=NAMES, **how):
    path = write(root, text, **how)
    return read_labels(labels or str(path), {"": names}, root)


TABLES = {
    "comma and header": "file,class\na.png,cat\nb.png,dog\nsub/c.jpg,cat\n",
    "no header": "a.png,cat\nb.png,dog\nsub/c.jpg,cat\n",
    "semicolon": "file;class\na.png;cat\nb.png;dog\nsub/c.jpg;cat\n",
    "tab, no newline at the end": "a.png\tcat\nb.png\tdog\nsub/c.jpg\tcat",
    "bar, windows lines": "file|class\r\na.png|cat\r\nb.png|dog\r\nsub/c.jpg|cat\r\n",
    "label first": "class,file\ncat,a.png\ndog,b.png\ncat,sub/c.jpg\n",
    "without endings": "id,class\na,cat\nb,dog\nsub/c,cat\n",
    "file names alone": "a.png,cat\nb.png,dog\nc.jpg,cat\n",
    "backslashes and ./": "./a.png,cat\n.\\b.png,dog\nsub\\c.jpg,cat\n",
    "blanks and empty lines": "\na.png , cat\n\nb.png, dog \n  \nsub/c.jpg,cat\n\n",
    "a blank before quotes": '"a.png", "cat"\n"b.png", "dog"\n"sub/c.jpg", "cat"\n',
    "quotes": '"file","class"\n"a.png","cat"\n"b.png","dog"\n"sub/c.jpg","cat"\n',
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_kinds_of_tables(tmp_path, kind, encoding):
    classes, numbers, notes = read(tmp_path, TABLES[kind], encoding=encoding)
    assert classes == ("cat", "dog") and notes == ()
    assert numbers[""].tolist() == [0, 1, 0] and numbers[""].dtype == np.int64


def test_a_path_with_the_name_of_the_folder_or_from_the_table_on(tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    for cells in (["pictures/a.png", "pictures/b.png", "pictures/sub/c.jpg"], [str(root / n) for n in NAMES]):
        path = write(tmp_path, "".join(f"{cell},{k}\n" for k, cell in enumerate(cells)))
        assert read_labels(str(path), {"": NAMES}, root)[1][""].tolist() == [0, 1, 2]


def test_where_the_table_is_searched(tmp_path, monkeypatch):
    root = tmp_path / "pictures"
    root.mkdir()
    write(root, "a.png,x\n", name="in.csv")
    write(tmp_path, "a.png,y\n", name="out.csv")
    monkeypatch.chdir(tmp_path)
    assert read_labels("in.csv", {"": ["a.png"]}, root)[0] == ("x",)
    assert read_labels("out.csv", {"": ["a.png"]}, root)[0] == ("y",)
    with pytest.raises(FileNotFoundError, match=r"there is no file no.csv:x, neither from here nor in .*pictures"):
        read_labels("no.csv:x", {"": ["a.png"]}, root)


def test_several_columns_are_chosen_by_name_or_number(tmp_path):
    text = "file,Age,class\na.png,3,cat\nb.png,10,dog\nsub/c.jpg,3,cat\n"
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=r"which column has the labels\? Name it, labels.csv:COLUMN: Age, class"):
        read(tmp_path, text)
    assert read(tmp_path, text, f"{path}:class")[0] == ("cat", "dog")
    for column in ("Age", "age", "2"):
        classes, numbers, _ = read(tmp_path, text, f"{path}:{column}")
        assert classes == ("3", "10") and numbers[""].tolist() == [0, 1, 0]
    for column, message in (("colour", "no column 'colour'; its columns are file, Age, class"), ("9", "no column '9'")):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, text, f"{path}:{column}")
    bare = text.partition("\n")[2]
    assert read(tmp_path, bare, f"{path}:3")[0] == ("cat", "dog")
    with pytest.raises(ValueError, match="no column 'class'; it has no line of names; give a number to 3"):
        read(tmp_path, bare, f"{path}:class")


def test_the_numbers_of_the_classes_are_those_of_all_splits(tmp_path):
    path = write(tmp_path, "train/a.png,7\ntrain/b.png,10\ntest/a.png,2\n")
    parts = {"train": ["train/a.png", "train/b.png"], "test": ["test/a.png"]}
    classes, numbers, _ = read_labels(str(path), parts, tmp_path)
    assert classes == ("2", "7", "10")
    assert numbers["train"].tolist() == [1, 2] and numbers["test"].tolist() == [0]


def test_rows_of_no_picture_are_counted_and_pictures_of_no_row_refused(tmp_path):
    text = TABLES["no header"]
    notes = read(tmp_path, text + "gone.png,cat\nlost.png,dog\n")[2]
    assert notes == ("labels.csv: 2 rows that name no picture: gone.png, lost.png",)
    # as the first line too: its label comes again, so it is no line of names
    assert read(tmp_path, "gone.png,cat\n" + text)[2] == ("labels.csv: 1 row that names no picture: gone.png",)
    with pytest.raises(ValueError, match=r"2 of 5 pictures have no row in it: d.png, e.png; add rows"):
        read(tmp_path, text, names=[*NAMES, "d.png", "e.png"])


WRONG = {
    "": "expected a table with at least two columns",
    "a.png\nb.png\n": "expected a table with at least two columns",
    "x,1\ny,2\n": r"no column names the pictures of .*: a cell should be a path such as .*the first line is 'x, 1'",
    "a.png,cat\nb.png,dog,x\nsub/c.jpg,cat\n": "line 2: expected 2 cells as in the first line, got 3",
    'a.png,cat\n"b.png"x,dog\nsub/c.jpg,cat\n': "line 2: it is no CSV",
    "a.png,cat\nb.png,\nsub/c.jpg,cat\n": "line 2: b.png has no label: column 2 is empty",
    "a.png,cat\nb.png,dog\na.png,dog\nsub/c.jpg,cat\n": "two labels for a.png: 'cat' in line 1, 'dog' in line 3",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_tables(tmp_path, text):
    with pytest.raises(ValueError, match=rf"labels.csv: {WRONG[text]}"):
        read(tmp_path, text)


def test_other_files_and_names_of_several_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"line 1: several pictures are called 'a.png'; write their paths"):
        read(tmp_path, "a.png,1\nb.png,2\n", names=["x/a.png", "y/a.png", "y/b.png"])
    with pytest.raises(ValueError, match=r"no text in UTF-8 \(byte 7\)"):
        read(tmp_path, "a.png,cäat\n", encoding="latin-1")
    (tmp_path / "labels.csv").write_bytes(b"\0\1\2,3\n")
    with pytest.raises(ValueError, match="it is no text"):
        read_labels(str(tmp_path / "labels.csv"), {"": NAMES}, tmp_path)


def test_a_function(tmp_path):
    classes, numbers, notes = read_labels(lambda name: name[0], {"": NAMES}, tmp_path)
    assert classes == ("a", "b", "s") and numbers[""].tolist() == [0, 1, 2] and notes == ()
    assert read_labels(lambda name: np.int32(len(name)), {"": NAMES}, tmp_path)[0] == ("5", "9")
    assert read_labels(lambda name: "sub" in name, {"": NAMES}, tmp_path)[0] == ("0", "1")
    for bad in (None, 1.5, "", "a\0"):
        with pytest.raises(TypeError, match=r"the function gives .* for 'a.png'; expected a text or a whole number"):
            read_labels(lambda name, bad=bad: bad, {"": NAMES}, tmp_path)


def test_a_function_that_raises_says_for_which_picture(tmp_path):
    with pytest.raises(KeyError) as caught:
        read_labels(lambda name: {"a.png": "cat"}[name], {"": NAMES}, tmp_path)
    assert caught.value.__notes__ == ["labels: the function raised this for 'b.png'"]


def test_two_columns_of_one_name_are_told_apart_by_number(tmp_path):
    text = "file,kind,kind,Kind\na.png,1,2,3\nb.png,1,2,3\nsub/c.jpg,1,2,3\n"
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=r"2 columns are called 'kind'; give a number, labels.csv:2 or labels.csv:3"):
        read(tmp_path, text, f"{path}:kind")
    with pytest.raises(ValueError, match=r"3 columns are called 'KIND'"):
        read(tmp_path, text, f"{path}:KIND")
    assert read(tmp_path, text, f"{path}:3")[0] == ("2",) and read(tmp_path, text, f"{path}:Kind")[0] == ("3",)


def test_a_column_that_is_no_class_is_pointed_out(tmp_path):
    names = [f"{k}.png" for k in range(30)]
    notes = read(tmp_path, "".join(f"{n},{k}\n" for k, n in enumerate(names)), names=names)[2]
    assert notes == ("labels: 30 classes of 30 pictures; are these the classes?",)


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(lambda s: s.strip())


@settings(max_examples=60)
@given(
    labels=st.lists(CELLS, min_size=3, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    header=st.booleans(),
)
def test_what_the_csv_module_writes_is_read(tmp_path_factory, labels, delimiter, quoting, header):
    names = [f"n{k}.png" for k in range(len(labels))]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
    writer.writerows([["file name", "the class"]] * header + [list(row) for row in zip(names, labels, strict=True)])
    classes, numbers, _ = read(tmp_path_factory.mktemp("table"), out.getvalue(), names=names)
    assert [classes[k] for k in numbers[""]] == [label.strip() for label in labels]
