"""Runs that minigen 0.2.0 wrote before its rooms were rebuilt (issue 11) are opened, and go on as they would have done.

``version_0_2`` has a run of each family, stopped after 3 updates, and the checkpoint after 7 that the old code made of
it. The code of today makes nearly the same one: it adds up the terms of its products in another order. A run of version
0.1.0 is in ``tests/cli/test_cli_faults.py``.

Read next: ``test_run.py``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import minigen as mg

OLD = Path(__file__).parent / "version_0_2"

#: Biases in front of a batch norm, which takes them away again: their gradients are rounding errors, and Adam makes
#: steps of full size of them. 4 updates of 0.0005 in either run.
WITHOUT_EFFECT = ("modules/generator/0.bias", "modules/decoder/0.bias", "modules/average/network.0.bias")


@pytest.mark.parametrize("name", ["ae", "vae", "wgan-gp", "vae-gan"])
def test_it_goes_on(name: str, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    run = mg.open_run(tmp_path / name, data_dir=tmp_path).resume(max_steps=7, progress=False)
    assert run.path is not None
    found, expected = (
        mg.load(run.path / "checkpoints/last.safetensors"),
        mg.load(OLD / name / "after_7_updates.safetensors"),
    )
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        atol = 2 * 4 * 5e-4 if key in WITHOUT_EFFECT else 1e-4
        np.testing.assert_allclose(found[key], array, rtol=1e-2, atol=atol, err_msg=key)
    assert (run.path / "metrics.csv").read_text().startswith((OLD / name / "metrics.csv").read_text())
    assert np.isfinite(run.sample(3, density=None if name != "ae" else "gaussian")).all()
