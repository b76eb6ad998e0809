"""The published and measured numbers in chapter 13 of the guide are those of ``benchmarks/results``.

Read next: ``docs/guide/13_vae.md``, ``benchmarks/vae_vs_published.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "guide" / "13_vae.md").read_text(encoding="utf-8").split())
RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.parametrize(
    ("said", "file", "keys"),
    [
        (r"reaches \$(\S+) \\pm (\S+)\$ nats per test image", "vae", ("nll", "standard_error_over_images")),
        (r"\(200 draws\), where (\S+) is published", "vae", ("published",)),
        (r"same setting in PyTorch gives (\S+)\. ", "vae-pytorch", ("nll",)),
        (r"which has it too, reaches (\S+)\. ", "vae-deep", ("nll",)),
        (r"fortieth of its updates is at (\S+), where (\S+) is published", "iwae-short", ("nll", "published")),
    ],
)
def test_the_numbers_are_those_that_were_measured(said: str, file: str, keys: tuple[str, ...]) -> None:
    result = json.loads((RESULTS / f"{file}-binarized-mnist.json").read_text(encoding="utf-8"))
    found = re.search(said, PAGE)
    assert found is not None, said
    assert list(found.groups()) == [f"{result[key]:.2f}" for key in keys]
