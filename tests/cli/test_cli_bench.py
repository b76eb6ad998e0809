"""``minigen bench``: a line for each step, the numbers as JSON, and one message for a name that is not known.

Read next: ``minigen/cli/bench.py``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigen_bench.session import GROUPS, chosen
from minigen_bench.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")])}
COMMAND = [sys.executable, "-m", "minigen", "bench", "--peers", "none", "--rounds", "1"]


def bench(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command in a new process, in a folder where there is no `benchmarks/`."""
    return subprocess.run([*COMMAND, *words], env=ENV, cwd=cwd, capture_output=True, text=True, check=False)


def test_it_prints_a_line_for_each_step_and_writes_the_numbers(tmp_path: Path) -> None:
    done = bench("--models", "dense-ae", "-o", "speed.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("dense-ae"))
    ms = result["models"]["dense-ae"]["runs"]["minigen"]["min_ms"]
    assert float(line.split()[1]) == pytest.approx(ms, rel=1e-2)  # three digits
    assert result["models"]["dense-ae"]["batch"] == 128 and result["run"]["threads"] == 1
    assert bench("--models", "dense-ae", "-o", "speed.json", cwd=tmp_path).returncode == 0  # it may be written anew


def test_ctrl_c_leaves_the_steps_that_are_done(tmp_path: Path) -> None:
    words = [*COMMAND, "--models", "dense-ae,conv-ae", "-o", "speed.json"]
    with subprocess.Popen(words, env=ENV, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "speed.json").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert b"dense-ae" in out and err.endswith(b"minigen: interrupted\n") and b"Traceback" not in err
    assert list(json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))["models"]) == ["dense-ae"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "dense"], "--models: dense is not known; choose from all, training, quick, dense-ae, "),
        (
            ["--peers", "tensorflow"],
            "--peers: tensorflow is not known; choose from minigen-compiled, minigen-captured, ",
        ),
        (["--threads", "1000"], "--threads 1000: this process has "),
    ],
)
def test_a_bad_option_is_one_message(words: list[str], said: str, tmp_path: Path) -> None:
    done = bench(*words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_names_and_groups_are_taken_once() -> None:
    names = ["vae", *GROUPS["quick"]]
    assert chosen("--models", "vae, quick,vae", list(STEPS), GROUPS) == names
    assert chosen("--models", "all", list(STEPS), GROUPS) == list(STEPS)


def test_importing_the_command_loads_no_peer() -> None:
    code = "import sys, minigen.cli; print([m for m in ('torch', 'jax', 'numba', 'llvmlite') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
