"""Starting processes under mpiexec. Without MPI these tests skip.

Read next: ``test_same_bits.py``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE = Path(sys.executable).parent / "mpiexec"
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
HAVE = MPIEXEC is not None and importlib.util.find_spec("mpi4py") is not None
OPEN_MPI = MPIEXEC is not None and Path(MPIEXEC).with_name("prterun").exists()
needs_mpi = pytest.mark.skipif(not HAVE, reason="needs MPI: pip install 'minigen-engine[mpi]'")
LIMIT = 600  # seconds: a machine may be busy


def start(n: int, *words: object, **environment: str) -> subprocess.Popen[str]:
    """`python WORDS` n times; all of it is one group of processes."""
    given = filter(None, [os.environ.get("PYTHONPATH")])
    paths = os.pathsep.join([*given, str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests")])
    return subprocess.Popen(
        [str(MPIEXEC), "-n", str(n), sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(n: int, *words: object, code: int = 0, limit: float = LIMIT, **environment: str) -> tuple[str, str]:
    """The same to the end; stdout and stderr. It has to end with this code, in `limit` seconds."""
    process = start(n, *words, **environment)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{words} on {n} ranks did not end in {limit} s\n{out}\n{err}") from None
    assert process.returncode == code, f"{words} on {n} ranks: {process.returncode}\n{out}\n{err}"
    return out, err
