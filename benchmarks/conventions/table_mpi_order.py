"""The order in which MPI's Allreduce adds float32 numbers of 2, 3 and 4 ranks.

Imports: tables. Read next: ``../../docs/make/conventions.py``.
"""

from __future__ import annotations

from tables import Part, Peer, Row, Table, run

ROWS = tuple(
    Row(f"{ranks} ranks, {n}", f"{ranks} ranks, {n} numbers",
        "It is not the order of the ranks: pairs first. One process that adds four parts one after the other has other "
        "last digits." if (ranks, n) == (4, 7) else "")
    for ranks in (2, 3, 4)
    for n in (7, 1000, 1_000_000)
)  # fmt: skip

TABLE = Table(
    name="mpi_order",
    title="The order in which MPI adds",
    text="`Allreduce` of random float32 numbers, mpi4py with both libraries from wheels, on one machine, with their "
    "default algorithms; the result is compared bit by bit with the sum in every order. minigen itself sends nothing "
    "through MPI.",
    port="where bits shall not depend on the number of ranks, exchange the parts and add them in the order of the "
    "ranks.",
    parts=(Part("", ROWS),),
    peers=(Peer("mpich", "mpich", "in_mpi.py"), Peer("openmpi", "openmpi", "in_mpi.py")),
)

if __name__ == "__main__":
    run(TABLE)
