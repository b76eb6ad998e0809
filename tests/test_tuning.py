"""The costs of convolutions: the usual ones, measured ones, and those that a run keeps.

Read next: ``kernels/test_winograd_kernels.py``.
"""

from __future__ import annotations

import json

import pytest

from minigen import tuning
from minigen.training.run_folder import RunFolder
from minigen_kernels.cpu import choice, tune
from minigen_kernels.cpu.circle import Geometry

GEOMETRY = Geometry((16, 16), (16, 16), (3, 3), (1, 1), (1, 1), (1, 1))


@pytest.fixture(autouse=True)
def usual_costs(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))
    monkeypatch.delenv("MINIGEN_CONVOLUTIONS", raising=False)
    yield
    tuning.use(None)


def size():
    way = choice.algorithm(64, 64, 64, 1, GEOMETRY, 4, True, False)
    return way if isinstance(way, int) else 0


def test_the_choice_follows_the_costs():
    assert size() == 4
    tuning.use({"product": 1, "number": 1e6, "kernel": 1})
    assert size() == 0 and tuning.in_use() == {"product": 1, "number": 1e6, "kernel": 1}
    tuning.use(None)
    assert size() == 4


def test_measured_costs_are_kept_and_used_when_a_run_starts(monkeypatch, tmp_path):
    monkeypatch.setattr(tune, "LAYERS", [(1, 16, 16, 8, 3, 1), (2, 32, 16, 8, 3, 1)])
    path = tuning.measure()
    measured = json.loads(path.read_text())
    assert set(measured) == {"product", "number", "kernel"} and min(measured.values()) > 0
    assert tuning.in_use() != measured  # not before
    tuning.start()
    assert tuning.in_use() == measured
    monkeypatch.setenv("MINIGEN_CONVOLUTIONS", "default")
    tuning.start()
    assert tuning.in_use() == choice.COSTS[choice.REGISTER_BYTES]._asdict()
    other = tmp_path / "other.json"
    other.write_text('{"product": 1, "number": 2, "kernel": 3}')
    monkeypatch.setenv("MINIGEN_CONVOLUTIONS", str(other))
    tuning.start()
    assert tuning.in_use() == {"product": 1, "number": 2, "kernel": 3}


def test_a_run_keeps_its_costs(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.costs_of_convolutions() is None
    tuning.use({"product": 1, "number": 2, "kernel": 3})
    folder.write_first_files({}, "cpu")
    tuning.use(None)
    assert folder.costs_of_convolutions() == {"product": 1, "number": 2, "kernel": 3}


@pytest.mark.parametrize("text", ["", "[1]", '{"product": 1}', '{"product": 1, "number": "a", "kernel": 3}'])
def test_a_file_of_something_else(monkeypatch, tmp_path, text):
    path = tmp_path / "convolutions.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="cannot use the costs of convolutions in .*Measure them anew"):
        tuning.start()
