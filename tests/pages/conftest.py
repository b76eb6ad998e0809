"""A page of a small beta-VAE, from disk, for the tests of its controls.

Read next: ``test_explore.py``, ``test_explore_mine.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages.explored import explored
from pages.small_runs import small_run

import minigen as mg


@pytest.fixture(scope="package")
def run() -> mg.Run:
    return small_run("beta-vae")


@pytest.fixture(scope="package")
def file(run: mg.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    run.explore(path)
    return path


@pytest.fixture
def page(file: Path) -> Iterator[Any]:
    with explored(file, width=1280, height=1000) as opened_page:
        yield opened_page
