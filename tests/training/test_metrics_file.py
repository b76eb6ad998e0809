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


@pytest.mark.parametrize(
    "damage", ["step,epoch,split,seconds,loss\n", "a,b\n1,2\n", "", "step,epoch,split,seconds\n1,1\n"]
)
def test_a_changed_table_is_an_error(tmp_path, damage):
    file = MetricsFile(tmp_path / "metrics.csv")
    file.path.write_text(damage)
    with pytest.raises(ValueError, match=r"metrics\.csv was changed: the checkpoint needs its first 1 rows"):
        file.cut(1)
    file.path.unlink()
    with pytest.raises(ValueError, match="is missing"):
        file.cut(1)
