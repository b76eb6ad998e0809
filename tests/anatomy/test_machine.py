"""What the machine can do is measured once, kept, and measured again where what was kept is no such thing.

Read next: ``test_explain.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigen import set_num_threads
from minigen.anatomy import machine


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Small measurements, in a cache of their own."""
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "SIDE", 128)
    monkeypatch.setattr(machine, "SIZES", (1 << 12, 1 << 16))
    return tmp_path / "cache" / machine.FILE


def never(*_: Any) -> Any:
    raise AssertionError("measured again")


def test_the_rates_are_measured_once_for_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    single, double = machine.rates("cpu", "float32"), machine.rates("cpu", np.float64)
    assert single.name.endswith("float32") and double.name.endswith("float64")
    for rates in (single, double):
        assert 1e8 < rates.flops < 1e14 and 0 < rates.call < 1
        assert [moved for moved, _ in rates.copies] == [1 << 13, 1 << 17]  # read and written
        assert all(1e7 < rate < 1e13 for _, rate in rates.copies)
    monkeypatch.setattr(machine, "_measure", never)
    assert (machine.rates("cpu", "float32"), machine.rates("cpu", "float64")) == (single, double)
    machine.forget()
    machine.forget()  # there is nothing to forget
    with pytest.raises(AssertionError, match="measured again"):
        machine.rates("cpu", "float32")


def test_other_threads_are_another_machine() -> None:
    one = machine.rates("cpu", "float32")
    try:
        set_num_threads(2)
    except ValueError:
        pytest.skip("this process has one core")
    try:
        assert machine.rates("cpu", "float32").name != one.name
    finally:
        set_num_threads(1)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"a": 1', '{"NAME": {"flops": "fast"}}', '{"NAME": {"flops": 1e9}}'])
def test_a_damaged_file_is_replaced(small: Path, text: str) -> None:
    name = machine.rates("cpu", "float32").name
    small.write_text(text.replace("NAME", name), encoding="utf-8")
    again = machine.rates("cpu", "float32")
    assert again.flops > 1e8 and machine.rates("cpu", "float32") == again


def test_where_nothing_can_be_kept_it_is_measured_all_the_same(small: Path) -> None:
    small.parent.write_text("a file where the folder should be", encoding="utf-8")
    assert machine.rates("cpu", "float32").flops > 1e8


def test_the_rate_of_a_copy_is_that_of_the_nearest_size() -> None:
    rates = machine.Rates("", 1.0, ((1 << 10, 3.0), (1 << 20, 2.0)), 1.0)
    assert [rates.copy_rate(moved) for moved in (0, 1 << 9, 1 << 14, 1 << 16, 1 << 30)] == [3, 3, 3, 2, 2]
