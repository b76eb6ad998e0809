"""How libraries take turns, with workers that only say what they would measure.

Read next: ``minigen_bench/harness.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigen_bench import harness, tables
from minigen_bench.harness import DisagreementError, Settings, WorkerEndedError, measure

SECONDS = {"minigen": 0.1, "torch": 0.2, "torch-tuned": 0.25, "jax": 0.4}


class Claims:
    """A worker of no process: a step takes `SECONDS`, and later rounds are slower."""

    def __init__(self, kind: str, step: str, settings: Settings, weights: Path) -> None:
        if kind == "torch-tuned":
            raise WorkerEndedError("no such thing here")
        self.kind, self.times = kind, []
        loss = 0.5 if kind != "jax" or settings.batch != 13 else 0.6
        seconds = SECONDS.get(kind, 0.0)
        self.first: dict[str, Any] = {
            "losses": [[loss]], "step_seconds": seconds, "first_seconds": 1.0, "versions": {kind: "1"}, "remark": "",
            "parameters": 1000, "facts": {},
        }  # fmt: skip

    def round(self, steps: int) -> None:
        if self.kind == "machine":
            n = len(self.times) + 1
            self.times.append({"product": {"NumPy": 1e9 * n, "PyTorch": 2e9}, "copy": {"NumPy": 4e9}})
            return
        seconds = SECONDS[self.kind] * steps * (1 + len(self.times))
        self.times.append({"seconds": seconds, "host_seconds": seconds, "cpu_seconds": seconds})

    def peak_bytes(self) -> int:
        return 5_000_000

    def stop(self) -> None:
        pass


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "Worker", Claims)


@pytest.mark.usefixtures("claimed")
def test_what_the_rounds_come_to() -> None:
    peers = ["torch", "torch-tuned", "torch-compile", "jax"]
    found = measure("wgan-gp", peers, Settings(rounds=5, seconds=0.4, batch=10), lambda _: None)
    runs = found["runs"]
    assert runs["minigen"]["min_ms"] == pytest.approx(100) and runs["minigen"]["median_ms"] == pytest.approx(300)
    assert [runs[kind]["steps_a_round"] for kind in ("minigen", "torch", "jax")] == [4, 2, 1]
    assert len(runs["torch"]["rounds_ms"]) == 5 and len(runs["jax"]["rounds_ms"]) == harness.SLOW_ROUNDS
    assert found["left_out"].keys() == {"torch-tuned", "torch-compile"}
    assert found["left_out"]["torch-tuned"] == "no such thing here"
    assert found["rates"]["product"] == {"NumPy": 5e9, "PyTorch": 2e9} and found["sgemm"] == 5e9
    assert found["floor_ms"] == pytest.approx(1000 * (found["flops"] / 5e9 + 28_000 / 4e9))
    result = {"run": {"device": "cpu"}, "models": {"wgan-gp": found}}
    assert tables.ratios(result) == {"wgan-gp": pytest.approx(0.5)}
    assert any(gap.startswith("torch.compile of wgan-gp: ") for gap in tables.gaps(result))


@pytest.mark.usefixtures("claimed")
def test_libraries_that_compute_something_else_are_not_compared() -> None:
    with pytest.raises(
        DisagreementError, match=r"dense-ae: the losses of update 0 differ: minigen \[0.5\], jax \[0.6\]"
    ):
        measure("dense-ae", ["jax"], Settings(rounds=1, batch=13), lambda _: None)


@pytest.mark.usefixtures("claimed")
def test_a_command_is_held_around_each_round(tmp_path: Path) -> None:
    log = tmp_path / "log"
    hold = ["sh", "-c", f'echo began >> {log}; "$@"; echo ended >> {log}', "sh"]
    measure("dense-ae", ["torch"], Settings(rounds=2, hold=hold), lambda _: None)
    assert log.read_text().split() == ["began", "ended"] * 2


def test_outputs_are_compared_by_one_number() -> None:
    from minigen_bench.worker import as_number

    assert as_number(np.float32(-2)) == -2 and as_number(np.array([3.0, -4.0])) == pytest.approx(12.5**0.5)
