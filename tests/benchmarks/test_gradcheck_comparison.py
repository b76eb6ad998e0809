"""The comparison of gradient checkers: the page says what was measured, and the peers are what they claim to be.

Read next: ``benchmarks/gradcheck_comparison.py``.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from museum.gradients.exhibits import room

from benchmarks.gradcheck_comparison import END, PAGE, RESULT, START, refused, table, write_page
from benchmarks.gradient_checkers import CHECKERS, pull_back, subject, values
from minigen import ops

EXHIBITS = {e.name: e for e in [*room("wrong"), *room("right")]}
RESULTS = json.loads(RESULT.read_text(encoding="utf-8"))
PEERS = [name for name in CHECKERS if name != "PyTorch" or importlib.util.find_spec("torch")]


def test_the_page_shows_the_result_file(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.split(START)[1].split(END)[0].strip() == table(RESULTS)
    copy = tmp_path / "page.md"
    copy.write_text(f"before {START} old {END} after", encoding="utf-8")
    write_page(RESULTS, copy)
    assert copy.read_text(encoding="utf-8") == f"before {START}\n\n{table(RESULTS)}\n\n{END} after"


def test_the_result_file_has_the_museum_as_it_is() -> None:
    measured = {name: row["verdict"] for side in ("wrong", "right") for name, row in RESULTS[side].items()}
    assert measured == {e.name: e.verdict for e in EXHIBITS.values()}, "python benchmarks/gradcheck_comparison.py"
    assert all(row["refused"]["minigen"] == RESULTS["seeds"] for row in RESULTS["wrong"].values())
    assert not any(row["refused"]["minigen"] for row in RESULTS["right"].values())


@pytest.mark.parametrize("name", PEERS)
def test_every_checker_can_say_yes_and_no(name: str) -> None:
    assert not refused(name, EXHIBITS["telescope"], 0) or name == "naive"
    assert not refused(name, EXHIBITS["strided_inputs"], 0)
    for exhibit in ("subtraction_without_minus", "tanh_of_tanh", "mse_without_the_two"):
        assert refused(name, EXHIBITS[exhibit], 0)


@pytest.mark.parametrize(
    ("name", "exhibit"),
    [
        ("DeZero's way", "softmax_twice"),
        ("DeZero's way", "clip_squares_the_cotangent"),
        ("PyTorch", "clip_squares_the_cotangent"),
        ("PyTorch", "softmax_summed"),
    ],
)
def test_what_the_page_says_of_peers(name: str, exhibit: str) -> None:
    if name not in PEERS:
        pytest.skip("PyTorch is not installed")
    assert not refused(name, EXHIBITS[exhibit], 0)


def test_the_adapter_calls_forward_and_backward() -> None:
    x, v = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, -1.0], [0.5, 2.0]])
    f, arrays = subject(lambda x, n: (ops.exp(x) * n, x > 0), [x, 2])
    assert len(arrays) == 1 and arrays[0] is not x
    np.testing.assert_allclose(values(f, arrays)[0], 2 * np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(pull_back(f, arrays, [v])[0], 2 * v * np.exp(x), rtol=1e-15)
