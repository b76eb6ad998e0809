"""`mg.train` and `Run.resume` in a script under mpiexec: every rank has the Run that rank 0 has, and one that goes on.

Read next: ``ranks.py``, ``test_runs.py``.
"""

from __future__ import annotations

import shutil

import pytest
from distributed.ranks import LIMIT, needs_mpi, run, start
from training.runs import make_data

import minigen as mg

pytestmark = needs_mpi

SCRIPT = """
import os, sys, zlib
import minigen as mg
data, out = sys.argv[1:]
os.chdir(out)
settings = {"batch_size": 24, "epochs": 1, "progress": False, "threads": 1}
world = mg.distributed.init()

def show(run):
    states = [module.state_dict() for module in run.experiment.modules.values()]
    weights = zlib.crc32(b"".join(array.tobytes() for state in states for array in state.values()))
    here = weights, run.checkpoint_facts["state"]["step"], run.metrics["loss"].tolist()
    assert world.gather(here) == [here] * world.size, world.gather(here)
    if world.rank == 0:
        print(here[1], len(here[2]), flush=True)

run = mg.train("vae", data, out="run", log="tensorboard", **settings)
show(run)
run.resume(epochs=2, progress=False)
show(run)
run = mg.open_run("run")
run.resume(epochs=3, progress=False)
show(run)
run = mg.train("vae", data, **settings)
run.resume(epochs=2, progress=False)
show(run)
"""


def test_every_rank_has_the_run_of_rank_0_and_can_go_on(tmp_path):
    pytest.importorskip("tensorboardX")
    script, data = tmp_path / "script.py", make_data(tmp_path / "images.npz", n=200)
    script.write_text(SCRIPT)
    out, _ = run(2, script, data, tmp_path)
    assert [int(line.split()[0]) for line in out.splitlines()] == [7, 14, 21, 14], out
    assert [*tmp_path.glob("run*")] == [tmp_path / "run"]


def test_ranks_that_find_other_checkpoints_are_refused(tmp_path):
    """The same words in other working directories, of which one holds an older copy of the run."""
    data = make_data(tmp_path / "images.npz", n=200)
    trained = mg.train("ae", data, out=tmp_path / "0" / "run", replicas=2, batch_size=24, epochs=1, progress=False)
    shutil.copytree(tmp_path / "0", tmp_path / "1")
    trained.resume(epochs=2, progress=False)
    before = (tmp_path / "0" / "run" / "checkpoints" / "last.safetensors").read_bytes()
    script = tmp_path / "script.py"
    script.write_text(
        "import os, runpy\n"
        "rank = os.environ.get('PMI_RANK') or os.environ['OMPI_COMM_WORLD_RANK']\n"
        f"os.chdir(os.path.join({str(tmp_path)!r}, rank))\n"
        "runpy.run_module('minigen', run_name='__main__', alter_sys=True)\n"
    )
    process = start(2, script, "train", "--resume", "run", "--epochs", 3)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode and "the step of the checkpoint is 7 on rank 1, and 14 on rank 0" in err, err
    assert (tmp_path / "0" / "run" / "checkpoints" / "last.safetensors").read_bytes() == before
