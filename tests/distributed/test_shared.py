"""Ranks of one machine that has little memory to share: messages take its place, with the same bits.

Read next: ``ranks.py``, ``minigen/distributed/shared.py``.
"""

from __future__ import annotations

from distributed.ranks import needs_mpi, run

pytestmark = needs_mpi

SCRIPT = """
import sys, zlib
import numpy as np
from minigen import distributed
from minigen.distributed import Team, shared

shared._is_room = lambda needed: needed <= int(sys.argv[1])
world = distributed.init()
replicas, words = Team(world, 2 * world.size).replicas, []
for m in (10, 400_000, 10, 500_000, 399_999):
    draw = np.random.default_rng(m)
    rows = draw.normal(size=(2 * world.size, m)).astype(np.float32)
    found = replicas[0]._team.run([lambda r=r: r.mean([rows[r.number]])[0] for r in replicas])
    assert all(np.array_equal(f, found[0]) for f in found)
    words.append(zlib.crc32(found[0].tobytes()))
print(world._bytes, *words) if world.rank == 0 else None
"""


def test_messages_take_the_place_of_memory_that_is_not_there(tmp_path):
    script = tmp_path / "sums.py"
    script.write_text(SCRIPT)
    found = {free: run(2, script, free)[0].split() for free in (0, 1 << 23, 1 << 40)}
    windows = {free: int(words[0]) for free, words in found.items()}
    assert windows[0] == 0 and windows[1 << 23] == 1 << 20 and windows[1 << 40] >= 3 * 4 * 500_000
    assert found[0][1:] == found[1 << 23][1:] == found[1 << 40][1:]
