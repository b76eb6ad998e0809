"""`minigen sample`: what is drawn, that it depends on seed and number alone, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from cli.drawers import add
from PIL import Image

from minigen.runs.density import fit_density
from minigen.runs.sampling import draw_codes


def train(minigen, data, *words, model="drawer", out="run"):
    result = minigen("train", model, "--dataset", data, "--batch-size", 16, "--max-steps", 1, "--out", out, *words)
    assert result.code == 0, result


def arrays(minigen, *words, run="run", seed=0):
    result = minigen("sample", run, "-o", "x.npz", "--seed", seed, *words)
    assert (result.code, result.err) == (0, ""), result
    with np.load("x.npz") as file:
        return dict(file)


@pytest.fixture
def drawer(minigen, data, monkeypatch):
    add(monkeypatch)
    train(minigen, data)


def test_samples(minigen, drawer):
    found = arrays(minigen, "-n", 7)
    assert found["images"].shape == (7, 1, 6, 6) and found["codes"].shape == (7, 3)
    assert found["value_range"].tolist() == [0, 1] and "labels" not in found
    assert len(arrays(minigen)["images"]) == 64
    assert not list(Path().glob(".*"))
    many = arrays(minigen, "-n", 230)
    assert np.array_equal(many["images"][:7], found["images"]) and np.array_equal(many["codes"][:7], found["codes"])
    assert not np.array_equal(arrays(minigen, "-n", 7, seed=1)["images"], found["images"])
    assert abs(many["codes"].mean()) < 0.2 and abs(many["codes"].std() - 1) < 0.1  # 690 normal numbers


def test_the_picture_is_that_of_the_arrays(minigen, drawer):
    images = arrays(minigen, "-n", 9)["images"]
    result = minigen("sample", "run", "-n", 9, "-o", "x.png")
    assert result.code == 0 and "x.png: 9 images, codes from the prior, by run/checkpoints/last" in result.out
    with Image.open("x.png") as picture:
        shades = np.asarray(picture)[::2, ::2]
    assert shades.shape == (3 * 6 + 2 * 2, 3 * 6 + 2 * 2)
    wanted = (images[4, 0] * 255 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(shades[8:14, 8:14], wanted)
    before = Path("x.png").read_bytes()
    assert minigen("sample", "run", "-n", 9, "-o", "x.png").code == 0 and Path("x.png").read_bytes() == before


def test_interpolation(minigen, drawer):
    ends = arrays(minigen, "-n", 4)["codes"]
    for words, middle in ((("--interpolate", "linear"), True), (("--interpolate",), False)):
        rows = arrays(minigen, *words, "-n", 2)["codes"].reshape(2, 10, 3)
        np.testing.assert_allclose(rows[:, 0], ends[0::2], atol=1e-6)
        np.testing.assert_allclose(rows[:, -1], ends[1::2], atol=1e-6)
        straight = (4 * rows[:, 0] + 5 * rows[:, -1]) / 9
        assert np.allclose(rows[:, 5], straight, atol=1e-5) == middle
    assert minigen("sample", "run", "--interpolate", "-o", "x.png").code == 0
    with Image.open("x.png") as picture:
        assert picture.size == (2 * (10 * 8 - 2), 2 * (8 * 8 - 2))


def test_traversal(minigen, drawer):
    start = arrays(minigen, "-n", 2)["codes"]
    rows = arrays(minigen, "--traverse", 1, "-n", 2)["codes"].reshape(2, 10, 3)
    assert np.array_equal(rows[:, :, [0, 2]], start[:, None, [0, 2]].repeat(10, 1))
    assert (np.diff(rows[:, :, 1]) > 0).all() and rows[0, -1, 1] == pytest.approx(2.576, abs=0.15)
    every = arrays(minigen, "--traverse", "all")["codes"].reshape(3, 10, 3)
    for unit in range(3):
        others = [u for u in range(3) if u != unit]
        assert np.array_equal(every[unit][:, others], start[:1, others].repeat(10, 0))
        assert len(np.unique(every[unit][:, unit])) == 10


def test_the_plane_of_codes(minigen, data, monkeypatch):
    add(monkeypatch, prior="uniform")
    train(minigen, data, "--latent", 2)
    found = arrays(minigen, "--grid", "-n", 5)["codes"].reshape(5, 5, 2)
    np.testing.assert_allclose(found[0, :, 0], [-0.8, -0.4, 0, 0.4, 0.8], atol=0.03)
    np.testing.assert_allclose(found[:, 0, 1], [0.8, 0.4, 0, -0.4, -0.8], atol=0.03)
    result = minigen("sample", "run", "--grid", "-o", "x.png")
    assert "12 x 12 images" in result.out


def test_truncation(minigen, drawer):
    assert np.abs(arrays(minigen, "-n", 300, "--truncation", 0.5)["codes"]).max() <= 0.5


def test_classes(minigen, data, monkeypatch):
    add(monkeypatch, classes=True)
    train(minigen, data)
    found = arrays(minigen, "-n", 7)
    assert found["labels"].tolist() == [0, 1, 2, 0, 1, 2, 0]
    one = arrays(minigen, "-n", 7, "--class", 2)
    assert one["labels"].tolist() == [2] * 7 and np.array_equal(one["codes"], found["codes"])
    assert np.array_equal(one["images"][2], found["images"][2]) and (one["images"][0] > found["images"][0]).all()
    rows = arrays(minigen, "--interpolate", "-n", 4)["labels"].reshape(4, 10)
    assert rows.tolist() == [[k] * 10 for k in (0, 1, 2, 0)]  # a row is of one class
    assert arrays(minigen, "--traverse", "all", "--class", 1)["labels"].tolist() == [1] * 30


def test_codes_without_a_prior_come_from_a_density(minigen, data, monkeypatch):
    add(monkeypatch, prior=None, encoder=True)
    train(minigen, data)
    for kind in ("gaussian", "mixture"):
        codes = arrays(minigen, "-n", 150, "--density", kind)["codes"]
        images = np.load(data)["images"][:, 0, :3] / 255  # nearly the training split: of the first pixels
        np.testing.assert_allclose(codes.mean(0), images.mean(0), atol=0.15)
        result = minigen("sample", "run", "-o", "x.png", "--density", kind)
        assert f"codes from the {kind} fitted to the codes of 81 training images" in result.out
    assert "codes from the mixture" in minigen("sample", "run", "-o", "x.png").out  # if nothing is said
    assert len(arrays(minigen, "--interpolate", "linear")["images"]) == 80


def test_a_density_instead_of_a_prior(minigen, data, monkeypatch):
    add(monkeypatch, encoder=True)
    train(minigen, data)
    prior, fitted = arrays(minigen), arrays(minigen, "--density", "gaussian")
    assert prior["codes"].min() < 0 and not np.array_equal(prior["codes"], fitted["codes"])
    codes = np.random.default_rng(0).normal(size=(50, 3))
    assert draw_codes(fit_density(codes, "gaussian").draw, 5, 0).shape == (5, 3)


def test_points_are_plotted(minigen, monkeypatch):
    add(monkeypatch)
    train(minigen, "ring", "--limit", 500)
    assert minigen("sample", "run", "-o", "x.png", "-n", 500).code == 0
    with Image.open("x.png") as picture:
        assert picture.size == (400, 400)
    with Image.open("run/samples/step_000001.png") as picture:
        assert picture.size == (400, 400)


REFUSED = {
    ("-n", 0): "0 is not in the range x>=1",
    ("-o", "x.jpg"): "take a name that ends in .png or .npz",
    ("-o", "x"): "take a name that ends in .png",
    ("-o", ""): "-o must not be empty",
    ("--class", 1): "--class 1: drawer knows no classes; leave it out",
    ("--traverse", 3): "--traverse 3: the code has the units 0 to 2; give one, or 'all'",
    ("--traverse", "x"): "--traverse x: the code has the units 0 to 2",
    ("--traverse", "all", "-n", 4): "-n 4: there are 3 code units to traverse",
    ("--grid",): "--grid needs codes of 2 units, this model has 3; train it with --latent 2",
    ("--grid", "--interpolate"): "--grid and --interpolate exclude each other; give one",
    ("--traverse", 0, "--interpolate", "linear"): "--interpolate and --traverse exclude each other",
    ("--interpolate", "curved"): "'curved' is not one of 'linear', 'spherical'",
    ("--truncation", 0): "0.0 is not in the range x>=0.01",
    ("--density", "gaussian"): "drawer has no encoder, so there are no codes to fit a density to",
    ("--seed", -1): "-1 is not in the range",
}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: " ".join(map(str, words)))
def test_what_is_refused(minigen, drawer, words):
    output = () if "-o" in words else ("-o", "x.png")
    result = minigen("sample", "run", *output, *words)
    assert result.code == 2 and len(result.err.splitlines()) == 1 and REFUSED[words] in result.err, result
    assert [path.name for path in Path().iterdir()] == ["run"]


def test_models_that_cannot(minigen, data, monkeypatch):
    add(monkeypatch, latent=False, encoder=True)
    add(monkeypatch, "classy", classes=True, prior="uniform", encoder=True)
    train(minigen, data)
    train(minigen, data, model="classy", out="classy")
    for words, message in {
        ("run",): "drawer makes no images from codes, so there is nothing to draw",
        ("classy", "--class", 3): "--class 3: the model has the classes 0 to 2",
        ("classy", "--class", -1): "--class -1: the model has the classes 0 to 2",
        ("classy", "--truncation", 1): "--truncation 1: truncation is for a prior of standard normal codes",
        ("classy", "--truncation", 1, "--density", "gaussian"): "--truncation is for a prior, not for a density",
    }.items():
        result = minigen("sample", *words, "-o", "x.png")
        assert result.code == 2 and message in result.err and not Path("x.png").exists(), result
