"""What the command says of compiling: one line where kernels are new, none where they are loaded."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys

import pytest
from training.runs import spawn

from minigen.cli.console import show_compile_notices
from minigen_kernels.cpu import cache

LINE = "minigen: compiling kernels, once\n"


def test_news_of_kernels_are_lines_on_stderr(minigen, monkeypatch):
    monkeypatch.setattr(cache, "logged", set())
    minigen("list")
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        for _ in range(2):
            show_compile_notices()  # a second time changes nothing
            cache.log_once(logging.INFO, "compiling kernels, once")
            cache.log_once(logging.WARNING, "cannot be kept", "/here: No space left on device")
    assert error.getvalue() == f"{LINE}minigen: cannot be kept: /here: No space left on device\n"


@pytest.mark.parametrize("gone", [None, "closed"])
def test_news_for_nobody(monkeypatch, gone):
    show_compile_notices()
    monkeypatch.setattr(cache, "logged", set())
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", buffering=1) as pipe:
        monkeypatch.setattr(sys, "stderr", pipe if gone else None)
        cache.log_once(logging.INFO, "compiling kernels, once")
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


@pytest.mark.slow
def test_the_first_run_says_that_it_compiles(data, tmp_path):
    """Piped, as here. A damaged file is told in one line more."""
    words = ("train", "linear-ae", "--dataset", data, "--max-steps", 1, "--latent", 4, "--batch-size", 16)
    kept = tmp_path / "kept"

    def said(name: str) -> str:
        process = spawn(*words, "--out", tmp_path / name, NUMBA_CACHE_DIR=str(kept))
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return err

    assert [said("first"), said("second")] == [LINE, ""]
    files = sorted(kept.rglob("*.nbc"))
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    lines = said("third").splitlines()
    assert len(lines) == 2 and "is compiled anew: " in lines[0] and lines[1] == LINE.strip()
    assert sorted(kept.rglob("*.nbc")) == files and said("fourth") == ""


def test_a_program_that_imports_minigen_says_nothing_of_compiling(tmp_path):
    program = "import numpy as np, minigen as mg; print(mg.Generator(0).uniform((3,)).shape)"
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(3,)\n", "") and list(tmp_path.rglob("*.nbc"))
