"""How ranks find rank 0, and that ranks which fail leave nothing in the memory that processes share.

Read next: ``ranks.py``, ``minigen/distributed/watchdog.py``.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from distributed.ranks import LIMIT, needs_mpi, start

from minigen.distributed import watchdog

SCRIPT = """
import sys
import minigen as mg
world = mg.distributed.init()
maps = [line.split(maxsplit=5)[-1].strip() for line in open("/proc/self/maps")]
print(*{name for name in maps if name.startswith("/dev/shm/")}, flush=True)
world.gather(0)
if world.rank == 1: raise ZeroDivisionError("of one")
world.gather(0)
"""


def test_the_first_address_that_answers_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with watchdog._connect(["127.0.0.2", "127.0.0.1", "127.0.0.3"], port) as found:
            assert found.getpeername() == ("127.0.0.1", port)
    with pytest.raises(OSError, match=r"refused|timed out"):
        watchdog._connect(["127.0.0.2", "127.0.0.1"], port)


def test_one_of_the_addresses_of_this_machine_answers():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        for host in watchdog._own_addresses()[1:]:
            socket.create_connection((host, port), timeout=10).close()
        watchdog._connect(watchdog._own_addresses(), port).close()


@needs_mpi
@pytest.mark.parametrize("who", [0, 1])
def test_a_rank_that_has_ended_is_not_waited_for(tmp_path, who):
    script = tmp_path / "script.py"
    script.write_text(
        "import minigen as mg\nfrom minigen.distributed import mpi\nmpi.LATE = 0.5\n"
        f"world = mg.distributed.init()\nworld.gather(0)\nif world.rank != {who}: world.gather(1)\n"
    )
    process = start(2, script)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode and f"RankEnded: rank {who} has ended, and rank {1 - who} waits for it" in err


@needs_mpi
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory has no files here")
def test_ranks_that_fail_leave_no_shared_memory(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = start(2, script)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode and "ZeroDivisionError: of one" in err
    assert [name for name in out.split() if Path(name).exists()] == []
