"""Every example runs as its docstring says, with a few steps on a few images, and leaves its picture.

Read next: ``docs/test_readme.py``.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import glyphs
from museum.trained_models import digits
from PIL import Image
from training.runs import make_data

from minigen import data

FOLDER = Path(__file__).resolve().parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
NAMES = [path.stem for path in EXAMPLES]

# What each example writes, and the size of the picture: images of 28x28, each pixel twice as wide and high.
PICTURES = {
    "03_autoencoder": ("autoencoder.png", (4 * 58 + 3 * 12, 8 * 28 + 7 * 2)),
    "04_denoising": ("denoising.png", (3 * 88 + 2 * 12, 8 * 28 + 7 * 2)),
    "05_sparse_features": ("sparse_features.png", (10 * 28 + 9 * 2, 10 * 28 + 9 * 2)),
    "06_conv_autoencoder": ("conv_autoencoder.png", (4 * 58 + 3 * 12, 8 * 28 + 7 * 2)),
    "07_vae": ("vae.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "08_vae_latent_map": ("latent_map.png", (15 * 28 + 14, 15 * 28 + 14)),
    "09_gan": ("gan.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "10_dcgan": ("dcgan.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "11_wgan_gp": ("wgan_gp.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "12_autoencoder_inside_gan": ("autoencoder_inside_gan.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "13_transfer_decoder_to_generator": ("transfer.png", (8 * 28 + 7 * 2, 6 * 28 + 5 * 2)),
    "14_mode_collapse_and_cure": ("mode_collapse.png", (612, 400)),  # three plots, twice
    "15_vq_vae": ("vq_vae.png", (8 * 28 + 7 * 2, 8 * 28 + 7 * 2)),
    "16_unrolled_gan": ("unrolled.png", (612, 200)),  # a plot for each moment
}

# What else an example needs; `.ci/run` installs it.
PACKAGES = {"17_mlflow": ("mlflow", "sqlalchemy", "alembic"), "18_wandb": ("wandb",), "19_data_parallel": ()}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_few(make: Callable[[str, int], data.Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    def few(name: str, *, split: str = "train", data_dir: str | None = None) -> data.Dataset:
        assert (name, data_dir) == ("glyphs", None)
        return make(split, {"train": 800, "test": 300}[split])

    monkeypatch.setattr(data, "load", few)


@pytest.fixture
def few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in; `data.load` gives 800 glyphs to train on and 300 to test."""
    monkeypatch.chdir(tmp_path)
    load_few(glyphs, monkeypatch)
    return tmp_path


@pytest.fixture
def small_images(few_images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same images in 14x14 pixels, for what is learnt from them: a fourth of the work."""
    load_few(digits, monkeypatch)


def test_which_examples_there_are() -> None:
    assert [name[:2] for name in NAMES] == [f"{i:02}" for i in range(len(NAMES))]
    assert NAMES[:3] == ["00_tiny_engine", "01_fit_a_line", "02_gradcheck_your_layer"]
    assert NAMES[3:] == [*PICTURES, *PACKAGES]
    readme = (FOLDER.parent / "README.md").read_text()
    assert f"`examples/` has {len(NAMES)} scripts" in readme


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


def test_tiny_engine(capsys: pytest.CaptureFixture[str]) -> None:
    path = FOLDER / "00_tiny_engine.py"
    text = path.read_text()
    assert len(text.splitlines()) <= 120 and "minigen" not in text.replace("minigen/autograd/", "")  # NumPy alone
    derivatives, loss = load(path.stem).main()
    assert derivatives == [8, 12, 12, 6, 0] and loss < 0.001  # as its docstring says
    assert capsys.readouterr().out.startswith("x^3 and its derivatives at 2: 8 12 12 6 0\n")


def test_fit_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    slope, intercept = load("01_fit_a_line").main()
    assert abs(slope - 3) < 0.05 and abs(intercept + 1) < 0.05  # as its docstring says
    assert len(capsys.readouterr().out.splitlines()) == 11


def test_gradcheck_finds_the_wrong_layers(capsys: pytest.CaptureFixture[str]) -> None:
    averaged, mended, detached, right = load("02_gradcheck_your_layer").main()
    assert re.search(r"WRONG, parameter 'slope' at index \(\d,\), order 1", averaged)
    assert "numeric / 4 everywhere" in averaged and averaged.count(" OK\n") == 3  # a batch of four; three are right
    assert mended.startswith("OK") and mended.count(" OK\n") == 4 and "WRONG" not in mended
    assert re.search(r"WRONG, .*, order 2", detached) and "a constant to the engine" in detached
    assert right.startswith("OK") and right.count(" OK\n") == 9  # two orders, four tensors, and a cotangent
    assert "every one rejected" in right
    shown = capsys.readouterr().out
    assert all(report in shown for report in (averaged, mended, detached, right))


@pytest.mark.parametrize("name", PICTURES)
def test_an_example_writes_its_picture(name: str, few_images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = {"vae_steps": 3} if name.startswith("13") else {}
    result = load(name).main(steps=3, **others)
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
        "00_tiny_engine": [],
        "01_fit_a_line": ["--steps", 5],
        "02_gradcheck_your_layer": [],
        "03_autoencoder": ["--steps", 2, "--epochs", 1, "--out", "a.png"],
        "04_denoising": ["--steps", 2, "--noise", "masking", "--level", 0.5, "--device", "cpu", "--out", "a.png"],
        "05_sparse_features": ["--steps", 2, "--weight", 0.001, "--out", "a.png"],
        "06_conv_autoencoder": ["--steps", 2, "--images", 200, "--out", "a.png"],
        "07_vae": ["--steps", 2, "--binarize", "--device", "cpu", "--out", "a.png"],
        "08_vae_latent_map": ["--steps", 2, "--epochs", 1, "--out", "a.png"],
        "09_gan": ["--steps", 2, "--device", "cpu", "--out", "a.png"],
        "10_dcgan": ["--steps", 2, "--out", "a.png"],
        "11_wgan_gp": ["--steps", 2, "--penalty", 5, "--out", "a.png"],
        "12_autoencoder_inside_gan": ["--steps", 2, "--diversity", 0.5, "--out", "a.png"],
        "13_transfer_decoder_to_generator": ["--steps", 2, "--vae-steps", 2, "--device", "cpu", "--out", "a.png"],
        "14_mode_collapse_and_cure": ["--steps", 2, "--seed", 1, "--out", "a.png"],
        "15_vq_vae": ["--steps", 2, "--restart", 1, "--out", "a.png"],
        "16_unrolled_gan": ["--steps", 2, "--ahead", 1, "--out", "a.png"],
        "17_mlflow": ["--steps", 2, "--epochs", 1, "--model", "ae", "--dataset", "images.npz"],
        "18_wandb": ["--steps", 2, "--epochs", 1, "--model", "ae", "--dataset", "images.npz", "--mode", "offline"],
        "19_data_parallel": ["--steps", 2, "--epochs", 1, "--batch-size", 60],
    }[path.stem]
    for package in PACKAGES.get(path.stem, ()):
        pytest.importorskip(package, reason=f"{path.stem} needs {package}")
        make_data(few_images / "images.npz", n=300)
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    if PACKAGES.get(path.stem):  # what these packages keep in a process would be found by the tests after this one
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry))
        subprocess.run([sys.executable, str(path), *map(str, words)], check=True)
    else:
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


def test_autoencoder_learns(small_images: None) -> None:
    assert load("03_autoencoder").main(epochs=25) < 0.06  # seen: 0.033 after 175 updates; the untrained one has 0.21


def test_denoising_gives_back_less_noise_than_it_was_given(small_images: None) -> None:
    for noise in ("gaussian", "salt-and-pepper"):
        before, after = load("04_denoising").main(epochs=25, noise=noise)
        assert after < 0.8 * before  # seen: 0.51 and 0.22 after 175 updates


def test_the_penalty_switches_units_off(few_images: Path) -> None:
    plain, sparse = load("05_sparse_features").main(epochs=40)
    assert sparse < 0.6 * plain


def test_vae_learns(small_images: None) -> None:
    assert load("07_vae").main(epochs=15) < 0.7 * load("07_vae").main(steps=1)  # 90 updates against one


def test_the_latent_map_has_a_place_for_every_code(small_images: None) -> None:
    module = load("08_vae_latent_map")
    codes = module.places()
    assert codes.shape == (225, 2) and abs(codes.mean(0)).max() < 1e-6 and abs(codes.std(0) - 1).max() < 0.05
    assert module.main(epochs=15) < module.main(steps=1) - 15  # nats, after 90 updates; seen: 49 and 74


def test_conv_autoencoder_learns(few_images: Path) -> None:
    module = load("06_conv_autoencoder")
    assert module.main(images=800) < 0.8 * module.main(steps=1)  # 12 updates against one


def test_neither_player_of_the_gan_wins(few_images: Path) -> None:
    real, made = load("09_gan").main(steps=60)
    assert 0.5 < real < 0.99 and 0.01 < made < real - 0.05  # seen: 0.75 and 0.55


def test_the_penalty_holds_the_slope_at_one(small_images: None) -> None:
    module = load("11_wgan_gp")
    (_, held), (_, free) = module.main(steps=25), module.main(steps=25, penalty=0.0)
    assert abs(held - 1) < 0.7 and free > 2 * held  # after 25 updates it is still on its way to 1


@pytest.mark.parametrize("steps", [100, pytest.param(200, marks=pytest.mark.slow)])
def test_an_autoencoder_as_discriminator_converges(steps: int, small_images: None) -> None:
    module = load("12_autoencoder_inside_gan")
    assert module.main(steps=steps) < 0.7 * module.main(steps=10)  # seen: 0.33 (100) and 0.72


@pytest.mark.parametrize("name", ["14_mode_collapse_and_cure", "16_unrolled_gan"])
def test_plots_show_the_whole_plane(name: str, few_images: Path) -> None:
    """Few points stand at the left and lower edge, where all those below 0 are put if the picture begins there."""
    load(name).main(steps=2, out="a.png")
    with Image.open("a.png") as picture:
        panel = np.asarray(picture.convert("L"))[:400:2, :400:2] < 255  # a plot of 200 x 200 dots, each 2 pixels wide
    assert panel[:, 0].sum() + panel[-1].sum() < 0.05 * panel.sum()  # seen: 0 and 2 %; cut off at 0: 9 and 56 %


@pytest.mark.slow
@pytest.mark.parametrize("small", [True, False])
def test_transfer_is_ahead(small: bool, few_images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With images of 14x14 pixels and half the units always, as the example is with the slow tests."""
    module = load("13_transfer_decoder_to_generator")
    if small:
        load_few(digits, monkeypatch)
        monkeypatch.setattr(module, "WIDTH", 200)
    given, fresh = module.main(steps=300, vae_steps=300)
    assert given > fresh + 0.03  # seen: 0.41 and 0.32 of small images, 0.52 and 0.45 of whole ones
