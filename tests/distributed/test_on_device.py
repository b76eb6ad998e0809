"""Replicas and ranks on GPUs: what they bring together is there, too, and a rank has a GPU of its own.

On the double of CuPy there are two devices, and NCCL between them; on a machine with one GPU ranks share it, and main
memory takes the place of NCCL.

Read next: ``test_communicator.py``, ``tests/device``.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from distributed.ranks import needs_mpi, run
from distributed.test_same_bits import SCRIPT

import minigen as mg

OPTIONS = {"max_steps": 3, "batch_size": 8, "replicas": 2, "progress": False, "doctor": False, "validation": 0.0}
DEVICES = {"CUPY_DOUBLE_DEVICES": "2"}
GPU = 'device="cuda"'


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["ae", "dcgan", "vq-vae", "began"])
def test_replicas_on_a_gpu_make_the_updates_of_the_cpu(model):
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    small = {} if model == "ae" else {"channels": 4}
    here, there = (mg.train(model, images, device=device, **small, **OPTIONS) for device in ("cpu", "cuda"))
    wanted, found = (run.folder.read_checkpoint(run.folder.last).arrays for run in (here, there))
    rows = [run.metrics for run in (here, there)]
    assert rows[0].keys() == rows[1].keys() and wanted.keys() == found.keys()
    for name in rows[0]:
        if rows[0][name].dtype.kind == "f" and name != "seconds":
            assert np.allclose(rows[0][name], rows[1][name], rtol=1e-3, atol=1e-4, equal_nan=True), name


@needs_mpi
@pytest.mark.gpu
@pytest.mark.parametrize("without", [{}, {"MINIGEN_NCCL": "0"}])
def test_the_same_bits_on_one_gpu_and_on_two(without):
    """Four replicas: on two ranks each has two, of which the second is another thread."""
    models = f"ae:{GPU}", f"vq-vae:{GPU}", f'dcgan:{GPU},batch_norm="global"'
    one, two = (run(n, SCRIPT, 4, 3, *models, **DEVICES, **without)[0].split() for n in (1, 2))
    assert one == two and [*one[::2]] == [*models]


PLACES = """
import json, os
import numpy as np
import minigen as mg
from minigen import Tensor
from minigen.device import cuda_device, to_device

world = mg.distributed.init()
p = Tensor(to_device(np.zeros(100_000, np.float32), "cuda"), requires_grad=True)
p.grad = Tensor(to_device(np.full(100_000, 2.0 * world.rank, np.float32), "cuda"))
mg.distributed.average_gradients([p])
assert p.grad.device == "cuda" and (p.grad.numpy() == world.size - 1).all()
import cupy
from cupy.cuda import nccl
found = world.gather((cuda_device(), int(p.grad.data.device.id)))
if world.rank == 0:
    print(json.dumps([found, cupy.cuda.runtime.getDeviceCount(), nccl.available, world.describe()]))
"""


@needs_mpi
@pytest.mark.gpu
@pytest.mark.parametrize(
    "without", [{}, {"MINIGEN_NCCL": "0"}, {"CUPY_DOUBLE_NCCL": "0"}, {"CUPY_DOUBLE_DEVICES": "1"}]
)
def test_each_rank_takes_a_gpu_of_its_own_and_nccl_where_it_can(tmp_path, without):
    script = tmp_path / "places.py"
    script.write_text(PLACES)
    found, count, available, shown = json.loads(run(2, script, **{**DEVICES, **without})[0])
    assert found == [[rank % count] * 2 for rank in range(2)]
    assert ("NCCL" in shown) == (count > 1 and available and "MINIGEN_NCCL" not in without)
