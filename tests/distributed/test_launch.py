"""How processes find out that they were started together, and what they say where that cannot work.

Read next: ``test_same_bits.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from distributed.ranks import ROOT, needs_mpi, run

from minigen.distributed import Launch, launch
from minigen.distributed.mpi import fits

NOWHERE = {name: "" for name in ("PMI_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, None),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, Launch("MPICH or Intel MPI", 4, 3)),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, Launch("Open MPI", 2, 0)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5"}, Launch("Slurm", 8, 5)),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),  # the script of a job
        ({"PMI_SIZE": "many", "PMI_RANK": "0"}, None),
    ],
)
def test_what_launchers_leave_in_the_environment(environment, wanted):
    assert launch(environment) == wanted


def minigen(*words, **environment):
    paths = os.pathsep.join([*environment.pop("PYTHONPATH", []), str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, "-m", "minigen", *words],
        env={**os.environ, **NOWHERE, **environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def without_mpi(tmp_path):
    """A folder that hides mpi4py."""
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ImportError(\"No module named 'mpi4py'\")")
    return [str(tmp_path)]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_mpiexec_without_the_extra_is_an_error_on_every_rank(tmp_path, rank):
    code, out, err = minigen("train", "ae", PMI_SIZE="2", PMI_RANK=rank, PYTHONPATH=without_mpi(tmp_path))
    assert code == 1 and not out
    assert err.count("\n") == 1 and err.rstrip().endswith("pip install 'minigen-engine[mpi]'")
    assert "one of 2 processes" in err


@needs_mpi
def test_the_mpiexec_of_another_mpi_is_an_error():
    """Each process believes that it is rank 0 of 1."""
    code, out, err = minigen("train", "ae", OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="0")
    assert code == 1 and not out
    assert err.count("\n") == 1 and "Open MPI started 2 processes, but in each of them MPI" in err
    assert err.rstrip().endswith("beside its `python`, as bin/mpiexec")


@needs_mpi
def test_processes_that_the_library_does_not_find_are_an_error():
    """Each believes that it is rank 0 of 1, whatever the launcher."""
    code, out, err = minigen("train", "ae", SLURM_STEP_NUM_TASKS="2", SLURM_PROCID="0")
    assert code == 1 and not out
    assert "Slurm started 2 processes, but in each of them MPI" in err and "sees 1" in err


@pytest.mark.parametrize(
    ("launcher", "libraries"),
    [
        ("Open MPI", {"Open MPI"}),
        ("MPICH or Intel MPI", {"MPICH", "Intel MPI"}),
        ("Slurm", {"Open MPI", "MPICH", "Intel MPI"}),
    ],
)
def test_which_library_finds_the_processes_of_which_launcher(launcher, libraries):
    assert {name for name in ("Open MPI", "MPICH", "Intel MPI") if fits(launcher, name)} == libraries
    assert fits(launcher, "one that nobody knows")


def test_commands_that_share_no_work_are_refused_and_rank_0_says_so():
    for rank, said in ("0", "minigen: error: MPICH or Intel MPI started 3 processes"), ("1", ""):
        code, out, err = minigen("list", PMI_SIZE="3", PMI_RANK=rank)
        assert code == 2 and not out and err.startswith(said) and bool(err) == bool(said)


@needs_mpi
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch-size", 33), "--batch-size 33 does not make 2 equal replicas; take --batch-size 32 or 34"),
        (("--nonsense",), "unknown option '--nonsense'"),
    ],
)
def test_a_wrong_setting_is_said_once(words, said):
    out, err = run(2, "-m", "minigen", "train", "ae", *words, code=2)
    assert not out and err.count("minigen: error:") == 1 and said in err
