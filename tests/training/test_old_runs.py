"""Runs that minigen 0.2.0 wrote before its rooms were rebuilt (issue 11) are opened, and go on with the same bits.

``version_0_2`` has a run of each family, stopped after 3 updates, and the checkpoint after 7 that the old code made of
it. A run of version 0.1.0 is in ``tests/cli/test_cli_faults.py``.

Read next: ``test_run.py``.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import minigen as mg

OLD = Path(__file__).parent / "version_0_2"
WRITTEN_ON = "f80df3c5f122e872"  # what `bits_of_products` is on the machine that wrote the runs


def bits_of_products() -> str:
    """Other processors add up the terms of a matrix product in another order."""
    rng = np.random.default_rng(0)
    shapes = [
        ((4, 16), (16, 4)),
        ((4, 4), (4, 4)),
        ((16, 4), (4, 4)),
        ((4, 4), (4, 16)),
        ((4, 16), (16, 3)),
        ((2, 4), (4, 4)),
    ]
    products = [rng.normal(size=a).astype(np.float32) @ rng.normal(size=b).astype(np.float32) for a, b in shapes]
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, products))).hexdigest()[:16]


@pytest.mark.parametrize("name", ["ae", "vae", "wgan-gp", "vae-gan"])
def test_it_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    run = mg.open_run(tmp_path / name, data_dir=tmp_path).resume(max_steps=7, progress=False)
    assert run.path is not None
    found, expected = (
        mg.load(run.path / "checkpoints/last.safetensors"),
        mg.load(OLD / name / "after_7_updates.safetensors"),
    )
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        if bits_of_products() == WRITTEN_ON:
            assert found[key].tobytes() == array.tobytes(), key
        np.testing.assert_allclose(found[key], array, rtol=1e-2, atol=1e-4, err_msg=key)
    assert (run.path / "metrics.csv").read_text().startswith((OLD / name / "metrics.csv").read_text())
    assert np.isfinite(run.sample(3, density=None if name != "ae" else "gaussian")).all()
