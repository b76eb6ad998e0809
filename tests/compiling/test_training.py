"""A run whose updates are replayed leaves what a run of plain updates leaves, bit for bit.

Fast with some models, slow with all 40. Read next: ``test_compile.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from algorithms.catalog_runs import slow_unless
from capture.test_training import BATCHES, EPOCHS, make_images
from capture.test_training import settings_of as settings_on_a_gpu
from training.runs import left_behind, run, stopped_and_resumed

from minigen.algorithms.catalog import MODELS
from minigen.training.session import Interrupted

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")

#: Models whose update cannot be replayed, and why.
PLAIN = {"unrolled-gan": "the learning rate of an optimizer, which the step reads or sets"}
LATE = {"began": 2}  # in the first steps its balance is an array, then a number of NumPy's: it begins anew
FAST = ("ae", "vae", "acgan", "gan", "unrolled-gan")


def settings_of(name: str) -> dict[str, Any]:
    return {**settings_on_a_gpu(name), "device": "cpu"}


def kept(folder: Path) -> str:
    """What the run has left, as text, as if it had not been compiled."""
    text = repr(left_behind(folder))
    return text.replace('"compile": true', '"compile": false').replace("compile = true", "compile = false")


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_a_compiled_run_leaves_what_a_plain_one_leaves(name: str, tmp_path: Path) -> None:
    data = make_images(name, tmp_path / "images.npz")
    plain = run(data, tmp_path / "plain", model=name, **settings_of(name))
    compiled = run(data, tmp_path / "compiled", model=name, **settings_of(name), compile=True)
    assert plain.captured is None and compiled.captured is not None
    assert compiled.state.step == EPOCHS * BATCHES
    if name in PLAIN:
        assert compiled.captured.replays == 0
        assert PLAIN[name] in str(compiled.captured.reason)
    else:
        assert compiled.captured.reason is None
        assert compiled.captured.replays == LATE.get(name, EPOCHS * BATCHES - 4)
    assert kept(tmp_path / "compiled") == kept(tmp_path / "plain")


def test_a_compiled_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    data = make_images("vae", tmp_path / "images.npz")
    whole = stopped_and_resumed(data, tmp_path, after=6, model="vae", **settings_of("vae"), compile=True)
    assert whole.captured is not None and whole.captured.replays == 4


def test_a_compiled_run_goes_on_plainly(tmp_path: Path) -> None:
    data, settings = make_images("vae", tmp_path / "images.npz"), settings_of("vae")
    steps = iter(range(1, 7))
    with pytest.raises(Interrupted):
        run(data, tmp_path / "parts", stop=lambda: next(steps) == 6, model="vae", **settings, compile=True)
    rest = run(data, tmp_path / "parts", resume=True, model="vae", **settings, compile=False)
    assert rest.captured is None and not rest.prepared.config["compile"]
    run(data, tmp_path / "plain", model="vae", **settings)
    assert kept(tmp_path / "parts") == kept(tmp_path / "plain")


def test_what_is_said_of_the_steps_is_said_once(tmp_path: Path) -> None:
    data = make_images("ae", tmp_path / "images.npz")
    made = run(data, tmp_path / "run", model="ae", **settings_of("ae"), compile=True)
    assert made.pop_notes() == []  # it was said after an epoch
    assert made.captured is not None and made.captured.status() == "steps are replayed"
