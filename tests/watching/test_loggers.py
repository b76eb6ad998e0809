"""Loggers of the user's own: what they are told, when, and what happens if they fail.

Read next: ``tests/test_examples.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigen as mg
from minigen.watching import Loggers


class Notes(mg.Logger):
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def start(self, settings, units, step):
        self.calls.append(("start", settings["batch_size"], units["loss"], step))

    def scalars(self, step, values):
        self.calls.append(("scalars", step, sorted(values)))

    def images(self, step, pictures):
        self.calls.append(("images", step, {name: x.dtype.name for name, x in pictures.items()}))

    def histograms(self, step, arrays):
        self.calls.append(("histograms", step, {name: (x.shape, float(np.abs(x).sum())) for name, x in arrays.items()}))

    def text(self, step, texts):
        self.calls.append(("text", step, texts["doctor"].splitlines()[0]))

    def finish(self):
        self.calls.append(("finish",))


def train(*loggers, **options):
    given = {"limit": 300, "epochs": 2, "batch_size": 95, "log_every": 2, "progress": False, **options}
    return mg.train("ae", "glyphs", loggers=loggers, **given)


def test_a_logger_is_told_all_in_its_order():
    notes = Notes()
    made = train(notes)
    histograms = [call for call in notes.calls if call[0] == "histograms"]
    assert [call for call in notes.calls if call[0] != "histograms"] == [
        ("start", 95, made.experiment.ledger["loss"].unit, 0),
        ("scalars", 2, ["batch/loss", "batch/reconstruction"]),
        ("scalars", 3, ["train/loss", "train/reconstruction"]),
        ("scalars", 3, ["validation/loss"]), ("images", 3, {"samples": "uint8"}),
        ("scalars", 4, ["batch/loss", "batch/reconstruction"]), ("scalars", 6, ["batch/loss", "batch/reconstruction"]),
        ("scalars", 6, ["train/loss", "train/reconstruction"]),
        ("scalars", 6, ["validation/loss"]), ("images", 6, {"samples": "uint8"}),
        ("text", 6, "doctor: too few updates to look for collapse: 6 of 1,000"),
        ("finish",),
    ]  # fmt: skip
    assert [step for _, step, _ in histograms] == [3, 6]
    names = {name: p.shape for name, p in made.at("last").model.named_parameters()}
    assert {name: shape for name, (shape, _) in histograms[-1][2].items()} == {
        f"{kind}/{name}": shape for kind in ("weights", "gradients") for name, shape in names.items()
    }
    notes.calls.clear()
    made.resume(epochs=3, loggers=[notes], progress=False)
    assert notes.calls[0] == ("start", 95, made.experiment.ledger["loss"].unit, 6)
    assert notes.calls[1] == ("scalars", 8, ["batch/loss", "batch/reconstruction"]) and notes.calls[-1] == ("finish",)


@pytest.mark.parametrize("model", ["ae", "dcgan"])
def test_a_compiled_step_leaves_the_same_gradients(model):
    plain, compiled = Notes(), Notes()
    for notes, compile in ((plain, False), (compiled, True)):
        mg.train(model, "glyphs", limit=300, epochs=3, batch_size=48, loggers=[notes], compile=compile, progress=False)
    gradients = [[call for call in notes.calls if call[0] == "histograms"] for notes in (plain, compiled)]
    assert gradients[0] == gradients[1] and any(name.startswith("gradients") for name in gradients[0][0][2])


def test_logging_changes_no_bit():
    plain, watched = train(), train(Notes())
    for name, p in plain.model.state_dict().items():
        np.testing.assert_array_equal(p, watched.model.state_dict()[name], strict=True)


class Fails(Notes):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def fail(self, where):
        if where == self.where:
            raise ZeroDivisionError(where)

    def start(self, *told):
        self.fail("start")
        super().start(*told)

    def images(self, *told):
        self.fail("images")

    def finish(self):
        super().finish()
        self.fail("finish")


def test_what_a_logger_raises_ends_the_training(tmp_path):
    for where, left in (("start", False), ("images", True), ("finish", True)):
        first, failing, third = Notes(), Fails(where), Notes()
        with pytest.raises(ZeroDivisionError, match=where):
            train(first, failing, third, out=tmp_path / where)
        assert (tmp_path / where).exists() == left  # before the first update there is nothing to keep
        assert first.calls[-1] == ("finish",) and first.calls.count(("finish",)) == 1
        assert third.calls.count(("finish",)) == (where != "start") and failing.calls.count(("finish",)) == left
    made = mg.open_run(tmp_path / "images", "last").resume(progress=False)
    assert made.checkpoint_facts["state"]["step"] == 6


@pytest.mark.parametrize("given", [None, 3, "tensorboard", [print], [mg.Logger], mg.Logger(), {1}])
def test_what_is_no_list_of_loggers(given):
    with pytest.raises(TypeError, match="loggers: expected a list of objects whose class extends mg.Logger, got"):
        mg.train("ae", loggers=given)
    with pytest.raises(TypeError, match="loggers: expected a list"):
        Loggers(given)


def test_nobody_wants_the_arrays():
    assert not Loggers([mg.Logger()]).want_histograms and Loggers([mg.Logger(), Notes()]).want_histograms
