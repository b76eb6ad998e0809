"""Kernels compiled ahead by other processes: who compiles what, who waits for whom, and what may go wrong.

Read next: ``test_kernel_cache.py``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minigen.algorithms.catalog import MODELS
from minigen_kernels import ahead
from minigen_kernels.cpu import cache
from minigen_kernels.cpu.lanes import REGISTER_BYTES

ROOT = Path(__file__).resolve().parents[2]
LIST = json.loads(ahead.NEEDED.read_text(encoding="utf-8"))


def test_every_model_is_in_the_list_and_every_line_is_a_kernel():
    lists = LIST["models"].values()
    assert set(LIST["models"]) == {"32", "64"} and all(set(models) == set(MODELS) for models in lists)
    used = {number for models in lists for numbers in models.values() for number in numbers}
    assert used == set(range(len(LIST["kernels"])))
    for line in LIST["kernels"]:
        kernel, types = ahead.found(line)
        assert isinstance(kernel._cache, cache.KernelCache)
        assert ahead.written(kernel.py_func, types) == line


def test_a_kernel_that_is_no_more_is_left_out(monkeypatch, tmp_path):
    lines = ["random._gone(int64,)", "gone.kernel(int64,)", LIST["kernels"][0]]
    old = tmp_path / "needed.json"
    old.write_text(json.dumps({"kernels": lines, "models": {str(REGISTER_BYTES): {"ae": [0, 1, 2]}}}), encoding="utf-8")
    monkeypatch.setattr(ahead, "NEEDED", old)
    assert ahead.needed("ae") == [ahead.found(LIST["kernels"][0])]


@pytest.fixture
def nothing_kept(monkeypatch):
    """Four cores, a cache that lacks everything, and crews that only say what they are."""
    crews: list[Crew] = []
    monkeypatch.setattr(ahead, "crews", crews)
    monkeypatch.setattr(cache, "made_elsewhere", cache.made_elsewhere)
    monkeypatch.setenv(ahead.SWITCH, "1")
    monkeypatch.setattr(ahead, "is_kept", lambda kernel, types: False)
    monkeypatch.setattr(ahead, "can_be_kept", lambda kernel: True)
    monkeypatch.setattr(ahead, "spare_cores", lambda: 3)
    monkeypatch.setattr(ahead, "Crew", Crew)
    return crews


class Crew:
    """In the place of processes."""

    def __init__(self, model: str, count: int) -> None:
        self.model, self.count, self.works = model, count, True

    def made(self, path: Path) -> bool:
        return True

    def is_at_work(self) -> bool:
        return self.works


def test_other_cores_compile(nothing_kept, monkeypatch):
    assert ahead.begin("dcgan") == 3
    assert cache.made_elsewhere(Path("kernel.nbc"))
    assert ahead.begin("ae") == 0  # one crew at a time
    nothing_kept[0].works = False
    monkeypatch.setattr(ahead, "spare_cores", lambda: 1)
    assert ahead.begin("ae") == 1
    assert [(crew.model, crew.count) for crew in nothing_kept] == [("dcgan", 3), ("ae", 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spare_cores", lambda: 0),
        ("is_kept", lambda kernel, types: True),
        ("can_be_kept", lambda kernel: False),
        ("Crew", lambda model, count: open("/nowhere/at/all")),
    ],
)
def test_nothing_is_started_where_it_would_not_help(nothing_kept, monkeypatch, name, value):
    monkeypatch.setattr(ahead, name, value)
    assert ahead.begin("dcgan") == 0 and nothing_kept == []


def test_nothing_is_started_for_an_unknown_model_by_another_program_or_if_it_is_turned_off(nothing_kept, monkeypatch):
    assert ahead.begin("my-model") == 0
    monkeypatch.setattr(sys, "executable", "/opt/editor/editor")
    assert ahead.begin("dcgan") == 0
    monkeypatch.undo()
    monkeypatch.setattr(ahead, "is_kept", lambda kernel, types: False)
    monkeypatch.setenv(ahead.SWITCH, "0")
    assert ahead.begin("dcgan") == 0


def test_a_file_has_to_be_writable(monkeypatch):
    kernel, types = ahead.needed("ae")[0]
    assert ahead.can_be_kept(kernel)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert not ahead.can_be_kept(kernel)
    monkeypatch.setattr(kernel, "_cache", cache.NoCache())
    assert not ahead.can_be_kept(kernel) and not ahead.is_kept(kernel, types)


class Member:
    """In the place of a process that compiles."""

    def __init__(self, lives: bool) -> None:
        self.lives = lives

    def poll(self) -> int | None:
        return None if self.lives else 1


@pytest.fixture
def crew(tmp_path):
    made = ahead.Crew.__new__(ahead.Crew)
    made.folder, made.members = tmp_path, [Member(True), Member(False)]
    return made


def test_what_nobody_has_claimed_is_compiled_here(crew):
    path = Path("kernel.nbc")
    assert crew.made(path) is False
    assert ahead.claim(crew.folder, path, "0") is False  # and by nobody else


def test_what_another_process_compiles_is_waited_for(crew):
    path, waited = Path("kernel.nbc"), []
    assert ahead.claim(crew.folder, path, "0")
    waiting = threading.Thread(target=lambda: waited.append(crew.made(path)))
    waiting.start()
    time.sleep(0.1)
    assert waiting.is_alive()
    (crew.folder / "kernel.nbc.done").touch()
    waiting.join(60)
    assert waited == [True]


@pytest.mark.parametrize("who", ["1", ""])
def test_a_process_that_ended_is_not_waited_for(crew, who):
    assert ahead.claim(crew.folder, Path("kernel.nbc"), who)
    crew.members[0].lives = who == "1"
    assert crew.made(Path("kernel.nbc")) is True  # it is looked for once more, then compiled here


def test_without_its_folder_a_crew_is_not_asked(crew):
    crew.folder = crew.folder / "gone"
    assert crew.made(Path("kernel.nbc")) is False


TRAINED = """
import sys
from minigen_kernels import ahead
ahead.spare_cores = lambda: {cores}
begin = ahead.begin
ahead.begin = lambda model: print("processes:", begin(model))
from minigen.cli import main
sys.argv = ["minigen", "train", "ae", "--max-steps", "2", "--out", sys.argv[1]]
main()
"""


def trained(folder: Path, cores: int) -> str:
    """What a training prints that has `cores` to spare; compiled kernels and the run are in the folder."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    env = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "numba"), "PYTHONPATH": path, ahead.SWITCH: "1"}
    command = [sys.executable, "-c", TRAINED.format(cores=cores), str(folder / f"run {cores}")]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=600).stdout


def numbers(path: Path) -> bytes:
    """All tensors in a file, without its header, which holds the time."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


@pytest.mark.slow
def test_the_bits_of_a_training_do_not_depend_on_who_compiles(tmp_path):
    assert "processes: 0" in trained(tmp_path / "alone", 0)
    assert "processes: 2" in trained(tmp_path / "together", 2)
    assert "processes: 0" in trained(tmp_path / "together", 3)  # all is there
    alone, together = (
        {re.sub(r"-\d+\.py.*", "", file.name) for file in (tmp_path / name / "numba").rglob("*.nbc")}
        for name in ("alone", "together")
    )
    assert alone == together and len(alone) >= len(LIST["models"][str(REGISTER_BYTES)]["ae"])
    runs = [tmp_path / "alone" / "run 0", tmp_path / "together" / "run 2", tmp_path / "together" / "run 3"]
    first, *others = (numbers(run / "checkpoints" / "last.safetensors") for run in runs)
    assert first and others == [first, first]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ae", "conv-ae", "dcgan", "wgan-gp"])
def test_the_list_is_that_of_today(model):
    """If this fails: python benchmarks/needed_kernels.py"""
    command = [sys.executable, str(ROOT / "benchmarks" / "needed_kernels.py"), model, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
