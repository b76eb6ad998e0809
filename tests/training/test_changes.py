"""Longer runs: the same numbers as a run that had been longer from the start, or a line that says that they are not."""

import numpy as np
import pytest
from algorithms.catalog_runs import build_small, images_for, small_options
from training.runs import make_data, run

from minigen.algorithms.catalog import MODELS
from minigen.training.changes import schedule_notes, schedule_settings
from minigen.training.checkpoint import load_checkpoint
from minigen.training.config import planned_steps

NOISY = [name for name, recipe in MODELS.items() if "instance_noise" in recipe.options]


def after_two_steps(name, steps, **options):
    """All parameters, after updates 20 and 21 of so many."""
    experiment, batch = build_small(name, steps=steps, **options), images_for(name, **options)
    for k in (20, 21):
        experiment.schedule(k)
        experiment.step(batch)
    return [p.numpy() for module in experiment.modules.values() for p in module.parameters()]


@pytest.mark.parametrize("name", MODELS)
def test_what_depends_on_the_end_is_named(name):
    """A model that is trained otherwise when more updates are planned says so, by its settings; and no other one."""
    short, long = after_two_steps(name, 30), after_two_steps(name, 60)
    same = all(np.array_equal(a, b) for a, b in zip(short, long, strict=True))
    assert same == (not schedule_settings(small_options(name)))


@pytest.mark.parametrize(
    ("name", "options"),
    [("linear-ae", {"schedule": s}) for s in ("constant", "step", "cosine", "exponential")]
    + [(name, {"instance_noise": 0.2}) for name in NOISY[:1] + NOISY[-1:]],
)
def test_options_that_depend_on_the_end_are_named(name, options):
    short, long = after_two_steps(name, 30, **options), after_two_steps(name, 60, **options)
    same = all(np.array_equal(a, b) for a, b in zip(short, long, strict=True))
    assert same == (not schedule_settings(small_options(name, **options)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "images.npz")


def test_a_line_for_a_longer_run_under_a_schedule(data, tmp_path):
    for schedule, lines in (("constant", 0), ("cosine", 1)):
        made = run(data, tmp_path / schedule, model="linear-ae", schedule=schedule, epochs=1)
        checkpoint = load_checkpoint(made.folder.last)
        for changes, more in (({"epochs": 2}, lines), ({}, 0), ({"max_steps": 100}, 0), ({"epochs": 3}, lines)):
            config = {**made.prepared.config, **changes}
            found = schedule_notes(made.prepared.recipe, config, checkpoint)
            assert len(found) == more, (schedule, changes)
            assert all("planned for 4 updates so far, from update 5 on for" in line for line in found)


def test_planned_steps():
    assert planned_steps({"epochs": 3, "max_steps": None}, 4) == 12
    assert planned_steps({"epochs": 3, "max_steps": 5}, 4) == 5
    assert planned_steps({"epochs": 3, "max_steps": 50}, 4) == 12
