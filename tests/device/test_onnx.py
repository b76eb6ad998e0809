"""A network on a GPU leaves as an ONNX file like one on the CPU, and stays where it is.

Read next: ``tests/onnx/test_export.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_cases  # noqa: F401 - skips without the packages
import pytest

import minigen as mg
from minigen import nn, ops

pytestmark = pytest.mark.gpu


def test_a_network_on_the_gpu_is_written_as_one_on_the_cpu(tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=mg.Generator(0)), nn.BatchNorm(2), ops.relu, nn.Flatten(), nn.Dense(32, 3)
    )
    x = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32)
    mg.onnx.export(net, x, tmp_path / "cpu.onnx")
    net.to("cuda")
    mg.onnx.export(net, mg.Tensor(x, device="cuda"), tmp_path / "cuda.onnx")
    assert (tmp_path / "cpu.onnx").read_bytes() == (tmp_path / "cuda.onnx").read_bytes()
    assert all(p.device == "cuda" for p in net.parameters())


def test_a_run_on_the_gpu(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((40, 1, 8, 8)).astype(np.float32)
    for model in ("vae", "vq-vae", "gan"):
        run = mg.train(model, data=images, progress=False, max_steps=2, batch_size=8, device="cuda")
        made = run.export(tmp_path / "part.onnx")
        assert made.difference is not None and made.difference <= 1e-5
