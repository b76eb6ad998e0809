"""``minigen explore -o``: where the page goes, and what is said when there is none.

Read next: ``../pages/test_explore.py``.
"""

import importlib
import shutil

import pytest


@pytest.mark.parametrize("name", ["page.html", "page"])
def test_a_page_is_written(minigen, trained, tmp_path, name):
    done = minigen("explore", trained, "-o", name)
    path = tmp_path / "page.html" if name == "page.html" else tmp_path / "page" / "index.html"
    assert done.code == 0 and done.err == ""
    assert str(path.relative_to(tmp_path)) in done.out and "MB" in done.out
    assert path.read_text().startswith("<!doctype html>") and "denoising-ae" in path.read_text()
    assert minigen("explore", trained, "-o", name).code == 0  # an old page is replaced
    assert [one.name for one in tmp_path.iterdir()] == [name.partition("/")[0]]


def test_what_is_no_page_stays(minigen, trained, tmp_path):
    (tmp_path / "notes.html").write_text("my notes")
    (tmp_path / "notes").write_text("more of them")
    for name, words in (
        ("notes.html", "it exists and is no HTML page"), ("notes", "it is a file; give a folder"),
        ("page.png", "take a name that ends in .html"), ("nowhere/page", "there is no folder"),
        ("", "must not be empty"),
    ):  # fmt: skip
        done = minigen("explore", trained, "-o", name)
        assert done.code in (1, 2) and words in done.err and done.err.count("\n") == 1, done.err
    assert (tmp_path / "notes.html").read_text() == "my notes" and len(list(tmp_path.iterdir())) == 2
    assert minigen("explore", trained, "-o", "notes.html", "--force").code == 0
    for words in (("--port", 8000), ("--host", "0.0.0.0")):
        done = minigen("explore", trained, "-o", "page.html", *words)
        assert done.code == 2 and f"leave {words[0]} out" in done.err and not (tmp_path / "page.html").exists()


def test_a_broken_checkpoint_and_images_that_are_gone(minigen, trained, data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-50])
    done = minigen("explore", run, "-o", "page.html")
    assert done.code == 1 and "checkpoints" in done.err and "page.html" not in done.err and done.err.count("\n") == 1
    moved = tmp_path / "moved"
    shutil.copytree(trained, moved)
    config = moved / "config.toml"
    config.write_text(config.read_text().replace(str(data), str(tmp_path / "gone.npz")))
    done = minigen("explore", moved, "-o", "page.html")
    assert done.code != 0 and "gone.npz" in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "page.html").exists() and not list(tmp_path.glob(".minigen*"))


MODEL = """
from minigen import losses, nn, ops

class Blur(nn.Module):
    def __init__(self, image_shape, rng):
        self.layer = nn.Conv2d(1, 1, 3, padding="same", rng=rng)

    def objective(self, x, rng):
        return losses.mse(self.layer(x), x)
"""


def test_a_model_without_a_decoder(minigen, data, tmp_path):
    (tmp_path / "blur.py").write_text(MODEL)
    words = ("train", "blur.py:Blur", "--dataset", data, "--epochs", 1, "--out", "run", "--no-doctor")
    done = minigen(*words)
    assert done.code == 0, done.err
    done = minigen("explore", "run", "-o", "page.html")
    assert done.code == 2 and "there is nothing to explore" in done.err.splitlines()[-1]
    assert not (tmp_path / "page.html").exists()


OWN = """
import numpy as np
from minigen import nn, ops

class Coder(nn.Module):
    objective = "mse"

    def __init__(self, image_shape, rng):
        pixels = image_shape[1] * image_shape[2]
        self.down = nn.Sequential(nn.Flatten(), nn.Dense(pixels, 3, rng=rng))
        self.up = nn.Sequential(nn.Dense(3, pixels, rng=rng), ops.sigmoid, nn.Reshape(image_shape))

    def encode(self, x):
        return self.down(x)

    def decode(self, z):
        return self.up(z)

class Deciding(Coder):
    def decode(self, z):
        return self.up(z if float(z.numpy().max()) < 1e9 else -z)
"""


def test_a_network_of_a_users_own_is_written_if_it_is_made_of_operations(minigen, data, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    for name in ("Coder", "Deciding"):
        words = ("train", f"own.py:{name}", "--dataset", data, "--epochs", 1, "--out", name, "--no-doctor")
        assert minigen(*words).code == 0
    done = minigen("explore", "Coder", "-o", "page.html")
    assert done.code == 0 and '"decoder"' in (tmp_path / "page.html").read_text(), done.err
    done = minigen("explore", "Deciding", "-o", "other.html")
    assert done.code == 2 and "a page of Deciding cannot compute its decoder; leave -o out" in done.err
    assert "no graph says the same for all inputs" in done.err and not (tmp_path / "other.html").exists()


def test_a_large_page_is_noted(minigen, trained, monkeypatch):
    monkeypatch.setattr(importlib.import_module("minigen.cli.explore"), "LARGE", 0.01)
    done = minigen("explore", trained, "-o", "page.html")
    assert done.code == 0 and done.err.startswith("minigen: note: a page above 0.01 MB opens slowly"), done.err


def test_points_are_no_images(minigen, tmp_path):
    words = ("train", "gan", "--dataset", "ring", "--limit", 200, "--epochs", 1, "--hidden", 8, "--out", "run")
    done = minigen(*words)
    assert done.code == 0 and "minigen explore" not in done.out
    done = minigen("explore", "run", "-o", "page.html")
    assert done.code == 2 and "ring holds points of the plane" in done.err and not (tmp_path / "page.html").exists()
