"""Every example runs as its docstring says, with a few steps on a few images, and leaves its picture.

Read next: ``test_readme.py``.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from autoencoder_runs import glyphs
from PIL import Image

from minigen import data

FOLDER = Path(__file__).resolve().parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
NAMES = [path.stem for path in EXAMPLES]

# What each example writes, and the size of the picture: images of 28x28, each pixel twice as wide and high.
PICTURES = {
    "03_autoencoder": ("autoencoder.png", (4 * 58 + 3 * 12, 8 * 28 + 7 * 2)),
    "04_denoising": ("denoising.png", (3 * 88 + 2 * 12, 8 * 28 + 7 * 2)),
    "05_sparse_features": ("sparse_features.png", (10 * 28 + 9 * 2, 10 * 28 + 9 * 2)),
    "06_conv_autoencoder": ("conv_autoencoder.png", (4 * 58 + 3 * 12, 8 * 28 + 7 * 2)),
}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in; `data.load` gives 800 glyphs to train on and 300 to test."""

    def few(name: str, *, split: str = "train", data_dir: str | None = None) -> data.Dataset:
        assert (name, data_dir) == ("glyphs", None)
        return glyphs(split, {"train": 800, "test": 300}[split])

    monkeypatch.setattr(data, "load", few)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_which_examples_there_are() -> None:
    assert [name[:2] for name in NAMES] == [f"{i + 1:02}" for i in range(len(NAMES))]
    assert NAMES[:2] == ["01_fit_a_line", "02_gradcheck_your_layer"]
    assert NAMES[2:] == list(PICTURES)


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_one_short_file_with_its_command_and_outcome(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 150
    docstring = ast.get_docstring(ast.parse(text)) or ""
    commands = re.findall(r"^    python (\S+)(.*?)(?:#.*)?$", docstring, re.M)
    assert commands and all(file == f"examples/{path.name}" for file, _ in commands)
    for part in ("Expected:", "second"):  # what comes out, and how long it takes
        assert part in docstring
    for _, words in commands:  # every option that is shown exists
        for option in re.findall(r"--[a-z-]+", words):
            assert f'"{option}"' in text


def test_fit_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    slope, intercept = load("01_fit_a_line").main()
    assert abs(slope - 3) < 0.05 and abs(intercept + 1) < 0.05  # as its docstring says
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_gradcheck_finds_the_wrong_layer(capsys: pytest.CaptureFixture[str]) -> None:
    message = load("02_gradcheck_your_layer").main()
    assert re.search(r"WRONG, input 0 at index \(\d, \d\): analytic -?[\d.]+, numeric -?[\d.]+", message)
    assert "Passed: parameter 'slope'" in message  # that gradient is right in both layers
    table, _, rest = capsys.readouterr().out.partition("The wrong layer is found out")
    assert table.count("right") == 9 and "WRONG" not in table  # two orders, four tensors, and a cotangent
    assert message in rest


@pytest.mark.parametrize("name", PICTURES)
def test_an_example_writes_its_picture(name: str, few_images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = load(name).main(steps=3)
    file, (width, height) = PICTURES[name]
    assert [path.name for path in few_images.iterdir()] == [file]
    with Image.open(file) as image:
        assert image.size == (2 * width, 2 * height)
        assert np.asarray(image).std() > 10  # there is something on it
    assert f"wrote {file}" in capsys.readouterr().out
    assert np.isfinite(result).all()


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_as_a_program(
    path: Path, few_images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its command line: every option has a place in `main`, and --help shows the docstring."""
    words: list[Any] = {
        "01_fit_a_line": ["--steps", 5],
        "02_gradcheck_your_layer": [],
        "03_autoencoder": ["--steps", 2, "--epochs", 1, "--out", "a.png"],
        "04_denoising": ["--steps", 2, "--noise", "masking", "--level", 0.5, "--device", "cpu", "--out", "a.png"],
        "05_sparse_features": ["--steps", 2, "--weight", 0.001, "--out", "a.png"],
        "06_conv_autoencoder": ["--steps", 2, "--images", 200, "--out", "a.png"],
    }[path.stem]
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
    runpy.run_path(str(path), run_name="__main__")
    assert (few_images / "a.png").exists() == (path.stem in PICTURES)
    capsys.readouterr()
    if words:
        monkeypatch.setattr(sys, "argv", [str(path), "--help"])
        with pytest.raises(SystemExit) as info:
            runpy.run_path(str(path), run_name="__main__")
        assert info.value.code == 0
        assert (ast.get_docstring(ast.parse(path.read_text())) or "?").splitlines()[0] in capsys.readouterr().out


def test_autoencoder_learns(few_images: Path) -> None:
    assert load("03_autoencoder").main(epochs=25) < 0.06  # seen: 0.043 after 150 updates; the untrained one has 0.23


def test_denoising_gives_back_less_noise_than_it_was_given(few_images: Path) -> None:
    for noise in ("gaussian", "salt-and-pepper"):
        before, after = load("04_denoising").main(epochs=25, noise=noise)
        assert after < 0.8 * before  # seen: 0.67 and 0.25 after 150 updates


def test_the_penalty_switches_units_off(few_images: Path) -> None:
    plain, sparse = load("05_sparse_features").main(epochs=40)
    assert sparse < 0.6 * plain


def test_conv_autoencoder_learns(few_images: Path) -> None:
    module = load("06_conv_autoencoder")
    assert module.main(images=800) < 0.8 * module.main(steps=1)  # 12 updates against one
