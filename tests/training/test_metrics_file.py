"""The table of a run: exact numbers, columns that appear late, and cutting back."""

import csv

import pytest

from minigen.training.metrics_file import MetricsFile


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_come_back_exactly_and_late_terms_get_a_column(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.append(1, 1, "batch", 0.5, {"loss": 0.1})
    assert read(file.path) == [{"step": "1", "epoch": "1", "split": "batch", "seconds": "0.500", "loss": "0.1"}]
    file.append(2, 1, "validation", 1.0, {"loss": 1 / 3, 'a, "b"': 2.0})
    file.close()
    first, second = read(file.path)
    assert first['a, "b"'] == "" and float(second['a, "b"']) == 2.0 and float(second["loss"]) == 1 / 3
    assert file.rows == 2


def test_cut_forgets_what_came_later_and_goes_on(tmp_path):
    one, two = MetricsFile(tmp_path / "one.csv"), MetricsFile(tmp_path / "two.csv")
    for step in range(5):
        one.append(step, 1, "batch", 0.0, {"loss": step / 7})
        if step < 3:
            two.append(step, 1, "batch", 0.0, {"loss": step / 7})
    again = MetricsFile(one.path)
    again.cut(3)
    for file in (again, two):
        file.append(9, 2, "train", 0.0, {"loss": 0.5, "kl": 0.25})
        file.close()
    assert one.path.read_bytes() == two.path.read_bytes()
    again.cut(0)
    assert not again.path.exists()
    again.append(1, 1, "batch", 0.0, {"loss": 1.0})
    assert len(read(again.path)) == again.rows == 1
    again.close()
    one.close()


DAMAGED = {
    "no rows": b"step,epoch,split,seconds,loss\n",
    "another table": b"a,b\n1,2\n",
    "nothing": b"",
    "cut": b"step,epoch,split,seconds,loss\n1,1,batch,0",
    "no number": b"step,epoch,split,seconds,loss\n1,1,batch,0,0.5x\n",
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_table_is_set_aside_and_a_new_one_begun(tmp_path, damage):
    path = tmp_path / "metrics.csv"
    for name in ("metrics.damaged.csv", "metrics.damaged1.csv"):  # nothing that was set aside is written over
        file = MetricsFile(path)
        path.write_bytes(DAMAGED[damage])
        file.cut(1)
        assert (tmp_path / name).read_bytes() == DAMAGED[damage] and not path.exists()
        (note,) = file.notes
        assert "metrics.csv does not have the first 1 rows" in note and note.endswith(f"the old one is {name}")
    file.append(2, 1, "batch", 0.0, {"loss": 0.25})
    file.close()
    assert file.rows == len(read(path)) == 1 and file.terms("batch") == [{"loss": 0.25}]


def test_a_missing_table_is_begun_anew(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.cut(7)
    assert file.rows == 0 and file.notes == [f"{file.path} is missing; a new table is begun"]
    file.cut(0)
    assert len(file.notes) == 1


def test_a_table_that_vanishes_or_is_replaced_under_way(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv")
    for step in range(3):
        file.append(step, 1, "batch", 0.0, {"loss": 1.0})
    content = file.path.read_bytes()
    file.path.unlink()
    file.path.write_bytes(content)  # as an editor saves it
    file.append(3, 1, "batch", 0.0, {"loss": 1.0})
    assert [row["step"] for row in read(file.path)] == ["0", "1", "2", "3"] and not file.notes
    file.path.unlink()
    file.append(4, 1, "batch", 0.0, {"loss": 1.0, "kl": 2.0})
    file.close()
    assert [row["step"] for row in read(file.path)] == ["4"] and file.rows == 1
    assert file.notes == [f"{file.path} has vanished; a new table begins with step 4"]
