"""Replicas on a GPU: what they bring together is there, too.

Read next: ``test_communicator.py``, ``tests/device``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigen as mg

OPTIONS = {"max_steps": 3, "batch_size": 8, "replicas": 2, "progress": False, "doctor": False, "validation": 0.0}


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
