"""Data sets with a handful of images: every model trains, and is evaluated on one, two and three test images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minigen.algorithms.catalog import MODELS

SIDE = 8


def save_data(test_images):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (30, SIDE, SIDE), dtype=np.uint8)
    y = np.arange(30) % 2
    np.savez("few.npz", x_train=x, y_train=y, x_test=x[:test_images], y_test=y[:test_images])


def is_evaluated(minigen, name, *options):
    for count in (1, 2, 3):
        save_data(count)
        if not Path("run").exists():
            result = minigen("train", name, "--dataset", "few.npz", "--max-steps", 1, "--out", "run", *options)
            assert result.code == 0, result
        result = minigen("evaluate", "run", "--json")
        assert result.code == 0, result
        found = json.loads(result.out)
        assert found["images"] == count and all(np.isfinite(value) for value in found["metrics"].values())
        yield found
    shutil.rmtree("run")


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_packs_of_one_test_image(minigen, network):
    size = ("--channels", 4) if network == "conv" else ("--hidden", 8)
    words = ("--batch-size", 4, "--network", network, *size)
    reasons = [found["left_out"].get("scores") for found in is_evaluated(minigen, "pacgan", *words)]
    assert all("packs of 2 images" in reason for reason in reasons)
    save_data(4)
    assert minigen("train", "pacgan", "--dataset", "few.npz", "--max-steps", 1, "--out", "run", *words).code == 0
    assert "scores" not in json.loads(minigen("evaluate", "run", "--json").out)["left_out"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_model_on_a_handful_of_images(minigen, name):
    small, options = {"latent": 4, "hidden": 16, "channels": 4}, MODELS[name].options
    idle = {"conv": "hidden", "dense": "channels"}.get(options.get("network"))
    if options.get("layers") == 0:  # then there is no hidden layer
        idle = "hidden"
    given = [(k, v) for k, v in small.items() if k in options and k != idle]
    words = [word for key, value in given for word in (f"--{key}", value)]
    assert len(list(is_evaluated(minigen, name, "--batch-size", 4, *words))) == 3


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_in_batches_of_a_few(minigen, name, size):
    save_data(3)
    result = minigen("train", name, "--dataset", "few.npz", "--max-steps", 1, "--batch-size", size, "--out", "run")
    if result.code:
        assert size == 1 and result.code == 2 and "take --batch-size 2 or more" in result.err, result
