"""The mode-coverage benchmark does what its protocol says, goes on where it was stopped, and says what was done.

Read next: ``benchmarks/mode_coverage.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import mode_coverage as benchmark
from minigen.data import Batch
from minigen.data.toys import TOYS


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "PACKS", 300)


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> dict[str, Any]:
    command = ["mode_coverage.py", "--work", str(folder / "work"), "--out", str(folder / "out.json"), *words]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def test_a_run_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two epochs at once are two epochs in two calls, but for the clock."""
    words = ["--cells", "ring/2,grid/1", "--seeds", "1", "--steps", "2"]
    whole = run(monkeypatch, tmp_path / "a", *words, "--epochs", "2")["cells"]
    run(monkeypatch, tmp_path / "b", *words, "--epochs", "1")
    parts = run(monkeypatch, tmp_path / "b", *words, "--epochs", "2")["cells"]
    assert list(whole) == ["ring/2", "grid/1"]
    for cells in (whole, parts):
        for cell in cells.values():
            assert (cell["runs"], cell["epochs"], cell["updates"], cell["full_protocol"]) == (1, 2, 4, False)
            assert cell.pop("ms_per_update")[0] > 0
    assert whole == parts


def test_the_data_are_packs_of_points_of_the_mixture() -> None:
    packs = benchmark.data_of("grid", 2, 0)
    assert packs.shape == (300, 4) and packs.dtype == np.float32
    toy = TOYS["grid"]
    distances = np.linalg.norm(packs.reshape(-1, 1, 2) - toy.centres, axis=2)
    assert distances.min(1).max() < 6 * toy.sigma and len(np.unique(distances.argmin(1))) == 25


def test_both_players_step_from_the_same_weights() -> None:
    """One update of a copy whose discriminator stands still moves the generator to the same place."""
    both, alone = benchmark.build(2, 0), benchmark.build(2, 0)
    alone.optimizers["discriminator"].lr = 0.0
    one = Batch(benchmark.data_of("ring", 2, 0)[:20], None, np.arange(20))
    for experiment in (both, alone):
        experiment.step(one)
    moved = {name: (both.modules[name].state_dict(), alone.modules[name].state_dict()) for name in both.modules}
    assert all(np.array_equal(a, b) for a, b in zip(*(state.values() for state in moved["generator"]), strict=True))
    assert not all(
        np.array_equal(a, b) for a, b in zip(*(state.values() for state in moved["discriminator"]), strict=True)
    )


def test_a_bad_option_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, "--cells", "ring/9")
