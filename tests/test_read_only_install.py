"""An installation that nobody may write to, for a user without a home folder: training works, and tells of compiling.

Numba then has no place for compiled kernels, matplotlib none for its settings and the glyphs none for their drawings.

Read next: ``kernels/minigen_kernels/cpu/jit.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_training_works_without_a_place_to_write(tmp_path: Path) -> None:
    """A file named `__pycache__` in every folder keeps even root from writing compiled code there."""
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    site.mkdir()
    (site / "__pycache__").touch()  # below which the home folder would be
    for package in ("minigen", "minigen_bench", "kernels/minigen_kernels"):
        target = site / Path(package).name
        shutil.copytree(ROOT / package, target, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            (folder / "__pycache__").touch()
    # Nothing of this process's environment but the path and its one thread: no cache folder is named anywhere.
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.endswith("_NUM_THREADS")}
    env = {**kept, "HOME": str(site / "__pycache__" / "home"), "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "minigen", "train", "ae", "--max-steps", "2", "--limit", "256", "--out", "run"]
    done = subprocess.run(command, env=env, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "minigen: compiling kernels, in every process: there is no folder to keep them in\n"
    assert (here / "run" / "checkpoints" / "last.safetensors").exists()
    asked = [sys.executable, "-c", "import minigen; print(minigen.__file__)"]
    used = subprocess.run(asked, env=env, cwd=here, capture_output=True, text=True, check=True).stdout
    assert used.strip() == str(site / "minigen" / "__init__.py")  # or another installation was tested
