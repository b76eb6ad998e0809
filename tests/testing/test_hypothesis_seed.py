"""The last step of ``.ci/run``: on a CI machine, where tests are derandomised, a seed acts all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
DRAWS = """
from hypothesis import given, settings, strategies as st

@settings(max_examples=20, database=None)
@given(n=st.integers(0, 10**9))
def test_draws(n):
    print("drew", n)
"""


def drawn(folder: Path, *words: str) -> list[str]:
    """The examples of a test in a process of its own, below the conftest of this suite."""
    env = {**os.environ, "CI": "true", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", *words, "test_draws.py"]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "drew" in line]


@pytest.mark.slow
def test_a_seed_acts_on_a_ci_machine(tmp_path):
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "test_draws.py").write_text(DRAWS)
    seeded = "--hypothesis-profile=seeded"
    first, again = (drawn(tmp_path, seeded, "--hypothesis-seed=1") for _ in range(2))
    other = drawn(tmp_path, seeded, "--hypothesis-seed=2")
    assert len(first) >= 20 and first == again and first != other
    assert drawn(tmp_path, "--hypothesis-seed=1") == drawn(tmp_path, "--hypothesis-seed=2")  # why the profile is needed


def test_the_command_of_ci_names_what_exists():
    text = (TESTS.parent / ".ci" / "run").read_text()
    assert "--hypothesis-profile=seeded --hypothesis-seed=" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("tests/kernels tests/gradcheck"))
    done = subprocess.run(
        ["bash", "-c", f"ls -d {line}"], cwd=TESTS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
