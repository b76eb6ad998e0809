"""Fixtures of the tests of the CUDA room: where compiled kernels lie, and the host that runs them.

Read next: ``host.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kernels.cuda.host import Host

from minigen_kernels.host.build import compiler


def needed(tool: str, found: Any) -> Any:
    """`found`; or if it is None, skip the test. Where CI is set, fail: a missing compiler must not pass for a proof."""
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{tool} is missing, and CI is set: the CUDA kernels are not proven here")
        pytest.skip(f"{tool} is not installed")
    return found


@pytest.fixture(scope="session")
def need() -> Callable[[str, Any], Any]:
    """`need("nvcc", shutil.which("nvcc"))`: what was found, or a skip (with CI: a failure) that names the tool."""
    return needed


@pytest.fixture(scope="session")
def cuda_host_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where libraries of the host are kept: from run to run in pytest's cache, or for this session."""
    needed("g++", compiler())
    cache = getattr(request.config, "cache", None)
    return Path(cache.mkdir("cuda_host")) if cache is not None else tmp_path_factory.mktemp("cuda_host")


@pytest.fixture(scope="session")
def host(cuda_host_folder: Path) -> Host:
    """Runs a wrapper of the CUDA room on NumPy arrays, in both thread orders."""
    return Host(cuda_host_folder)
