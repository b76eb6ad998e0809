"""The figures that the guide's exercises ask for are those of the kernels' CUDA source at work.

Read next: ``tests/kernel_view/test_hand_counts.py``.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from kernels.cuda.conftest import needed

from minigen.kernel_view.figures import barriers, traffic
from minigen.kernel_view.looking import Seen, look
from minigen_kernels.host.build import compiler
from minigen_kernels.host.recording import Launch

ANSWERS = Path(__file__).parent / "answers"


def answer(chapter: int, name: str) -> Any:
    return runpy.run_path(str(ANSWERS / f"chapter_{chapter:02}.py"))[name]


def launch(name: str, *shapes: tuple[int, ...]) -> Launch:
    needed("g++", compiler())
    found = look(name, shapes)
    assert isinstance(found, Seen) and len(found.launches) == 1
    return found.launches[0]


@pytest.mark.parametrize("sizes", [(2, 4, 64), (1, 3, 32), (4, 2, 16)])
def test_9_3_batch_norm_backward(sizes: tuple[int, int, int]) -> None:
    seen = launch("batch_norm_backward", sizes)
    moved = traffic(seen)
    of = {t.array: t for t in moved}
    assert answer(9, "count")(*sizes) == {
        "asked x": of["x"].asked,
        "asked w": of["w"].asked,
        "sectors w": of["w"].moved,
        "read": sum(t.read for t in moved),
        "written": sum(t.written for t in moved),
        "barriers": barriers(seen),
    }


@pytest.mark.parametrize(
    ("name", "kernel"), [("momentum", "sgd_update"), ("rmsprop", "rmsprop_update"), ("adam", "adam_update")]
)
def test_11_3_optimizers(name: str, kernel: str) -> None:
    """The view's RMSprop has a momentum, which reads and writes one array more."""
    moved = traffic(launch(kernel, (4, 64)))
    more = 4 * 256 if name == "rmsprop" else 0
    read, written = answer(11, "traffic")(256)[name]
    assert (sum(t.read for t in moved), sum(t.written for t in moved)) == (read + more, written + more)
