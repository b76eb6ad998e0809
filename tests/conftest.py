"""What holds for the whole suite: how hypothesis draws, and what happens to GPU tests on a machine without a GPU.

Read next: ``op_table.py``.
"""

from __future__ import annotations

import os

# One thread, before NumPy is loaded: BLAS threads spin while they wait, which on shared cores takes many times as long.
os.environ.update(
    {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
)

import pytest
from hypothesis import settings

from minigen.device import cuda_status

# No deadline: the first example of a kernel compiles it. On a CI machine the same examples come in every run.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
# `--hypothesis-profile=seeded --hypothesis-seed=N`: the examples of N. Derandomised tests do not look at the seed, and
# on a CI machine hypothesis derandomises every profile that does not say otherwise.
settings.register_profile("seeded", deadline=None, derandomize=False)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu`, with the reason, where no GPU works."""
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu:
        return
    usable, reason = cuda_status()
    if not usable:
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason=reason))
