"""Who started this process: what ``mpiexec`` and ``srun`` write into the environment of each of theirs.

Imports: nothing. Read next: ``mpi.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

# By the launcher: how many processes it started, and the number of this one. Slurm's are those of a step (`srun`): a
# script that `sbatch` runs alone has the number of tasks of the job, and is one process.
LAUNCHERS = {
    "Open MPI": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "MPICH or Intel MPI": ("PMI_SIZE", "PMI_RANK"),
    "Slurm": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
}


class Launch(NamedTuple):
    """A start of `size` processes by a launcher, of which this is number `rank`."""

    launcher: str
    size: int
    rank: int


def launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """How this process was started together with others; None if it was not, or alone."""
    environment = os.environ if environment is None else environment
    for name, (size, rank) in LAUNCHERS.items():
        if environment.get(size, "").isdigit() and environment.get(rank, "").isdigit():
            found = Launch(name, int(environment[size]), int(environment[rank]))
            if found.size > 1:
                return found
    return None
