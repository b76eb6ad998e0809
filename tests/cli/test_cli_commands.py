"""The commands that use a finished run or tell about minigen; the process around them all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training.runs import spawn

import minigen as package
from minigen.algorithms.catalog import MODELS
from minigen.autograd import Tensor
from minigen.cli.models import FAMILIES
from minigen.data import load
from minigen.models.vae import one_hot
from minigen.runs import open_run


def test_reconstruct(minigen, trained, tmp_path):
    result = minigen("reconstruct", trained, "-o", "x.png", "-n", 5)
    assert (result.code, result.err) == (0, "") and "5 test images" in result.out
    with Image.open("x.png") as image:
        # 4 groups of input | corrupted | output of 6 pixels, 2 apart, the groups 12 apart; 2 rows; each pixel doubled
        assert image.size == (2 * (4 * 22 + 3 * 12), 2 * (2 * 6 + 2)) and image.mode == "L"
    before = (tmp_path / "x.png").read_bytes()
    assert minigen("reconstruct", trained, "-o", "x.png", "-n", 5, "--checkpoint", "last").code == 0
    assert (tmp_path / "x.png").read_bytes() == before  # one epoch: best is last; and the picture has a fixed noise
    assert minigen("reconstruct", trained, "-o", "y.png", "-n", 5, "--split", "train").code == 0
    assert (tmp_path / "y.png").read_bytes() != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.png", "y.png"]


def test_reconstruct_shows_no_samples(minigen, data):
    """Which stand in the pictures of a run's epochs, for a model that has a prior."""
    assert minigen("train", "vae", "--dataset", data, "--out", "run", "--max-steps", 2, "--batch-size", 16).code == 0
    assert minigen("reconstruct", "run", "-o", "x.png", "-n", 4).code == 0
    with Image.open("x.png") as image:
        assert image.size == (2 * (4 * 14 + 3 * 12), 2 * 6)  # four pairs of 6 pixels, 2 apart


def test_an_encoder_that_sees_labels_is_told_those_of_the_images(minigen, data):
    words = ("--dataset", data, "--out", "run", "--max-steps", 2, "--batch-size", 16, "--latent", 3)
    result = minigen("train", "cvae", *words)
    assert result.code == 0 and "next: minigen reconstruct run -o reconstructions.png" in result.out
    assert minigen("reconstruct", "run", "-o", "x.png", "-n", 4).code == 0
    assert minigen("encode", "run", "-o", "x.npz").code == 0
    model = open_run("run", device="cpu").experiment.modules["model"]
    with np.load("x.npz") as codes, np.load(data) as file, Image.open("x.png") as picture:
        assert codes["codes"].shape == (9, 3) and picture.size == (2 * (4 * 14 + 3 * 12), 2 * 6)
        classes = len(file["classes"]) if "classes" in file else 1 + file["labels"].max()
    test = open_run("run", device="cpu").images("test")
    with model.evaluation():
        wanted = model.encode(Tensor(test.images_float()), Tensor(one_hot(test.labels, classes))).numpy()
    with np.load("x.npz") as codes:
        np.testing.assert_array_equal(codes["codes"], wanted)
        np.testing.assert_array_equal(codes["labels"], test.labels)


def test_labels_that_are_gone(minigen, data, tmp_path):
    for name, keys in {"a.npz": ("images", "labels"), "b.npz": ("images",)}.items():
        with np.load(data) as file:
            np.savez(tmp_path / name, **{key: file[key] for key in keys})
    assert (
        minigen("train", "cvae", "--dataset", "a.npz", "--out", "run", "--max-steps", 2, "--batch-size", 16).code == 0
    )
    Path("b.npz").replace("a.npz")
    for words in (("reconstruct", "-o", "x.png", "-n", 3), ("encode", "-o", "x.npz"), ("evaluate",)):
        result = minigen(words[0], "run", *words[1:])
        assert result.code != 0 and "the encoder of cvae sees labels beside images" in result.err, result
    assert not Path("x.png").exists() and not Path("x.npz").exists()


def test_a_model_without_an_encoder_says_so(minigen, data):
    words = ("--dataset", data, "--out", "run", "--max-steps", 2, "--batch-size", 16)
    assert minigen("train", "gan", *words).code == 0
    for command in ("reconstruct", "encode"):
        for more in ((), ("--split", "valid", "--data-dir", "missing")):
            result = minigen(command, "run", "-o", "x.png" if command == "reconstruct" else "x.npz", *more)
            assert result.code == 2 and "gan has no encoder, so" in result.err


def test_evaluate(minigen, trained):
    result = minigen("evaluate", trained, "--json")
    assert (result.code, result.err) == (0, "")
    facts = json.loads(result.out)
    assert facts["images"] == 9 and facts["checkpoint"].endswith("best.safetensors")
    wanted = {"mse", "bce", "psnr", "linear_probe_accuracy", "nearest_neighbour_accuracy"}  # no ssim below 11x11
    assert facts["metrics"].keys() == wanted == facts["units"].keys()
    assert facts["metrics"]["psnr"] == pytest.approx(-10 * np.log10(facts["metrics"]["mse"]), abs=0.5)  # mean of logs
    table = minigen("evaluate", trained).out
    assert f"{facts['metrics']['mse']:.5f} ±" in table and "nats, mean per pixel" in table
    assert facts["standard_errors"].keys() == wanted and "follow no prior" in facts["left_out"]["samples"]


def test_a_denoising_model_is_measured_on_corrupted_images(minigen, trained, data):
    facts = json.loads(minigen("evaluate", trained, "--json").out)
    assert facts["corrupted"] is True and ", seen corrupted\n" in minigen("evaluate", trained).out
    run = open_run(trained, device="cpu")
    x = load(str(data), split="test").images_float()
    restored = np.mean((run.experiment.pictures(x)[2].astype(np.float64) - x) ** 2)
    clean = np.mean((run.experiment.reconstruct(x).astype(np.float64) - x) ** 2)
    assert facts["metrics"]["mse"] == pytest.approx(restored, rel=1e-6) != pytest.approx(clean, rel=1e-6)


def test_encode(minigen, trained, data):
    result = minigen("encode", trained, "-o", "codes")  # no suffix is added
    assert (result.code, result.err) == (0, "")
    test = load(str(data), split="test")
    with np.load("codes") as file:
        assert sorted(file) == ["codes", "labels", "split"] and file["split"] == "test"
        assert file["codes"].shape == (9, 4) and file["codes"].dtype == np.float32
        np.testing.assert_array_equal(file["labels"], test.labels)


def test_list(minigen):
    out = minigen("list").out
    for name, recipe in MODELS.items():
        assert name in out and recipe.summary in out and recipe.paper in out
    models = json.loads(minigen("list", "--json").out)["models"]
    assert [m["name"] for m in models] == list(MODELS)
    assert models[0]["options"] == dict(MODELS["ae"].options) and models[0]["order"] == 1
    assert [line for line in out.splitlines() if line and line[0] != " "][:4] == list(FAMILIES.values())
    assert "second derivatives" in out and "minigen train MODEL --help" in out


def test_info(minigen):
    facts = json.loads(minigen("info", "--json").out)
    assert facts["minigen"] == package.__version__ and facts["packages"]["numpy"] == np.__version__
    assert facts["cores"] >= 1 and facts["devices"]["cuda"] and facts["threads"]["blas"] and facts["folders"]["cache"]
    out = minigen("info").out
    assert "openblas" in out.lower() or "blas" in out and np.__version__ in out


def test_help_and_version(minigen):
    assert minigen().out == minigen("--help").out == minigen("-h").out
    assert minigen("--version").out == f"minigen, version {package.__version__}\n"
    for command in (
        "train",
        "sample",
        "reconstruct",
        "evaluate",
        "compare",
        "encode",
        "gradcheck",
        "prove",
        "list",
        "info",
    ):
        result = minigen(command, "-h")
        assert result.code == 0 and result.out.startswith(f"Usage: minigen {command} ")


def test_help_loads_nothing_heavy():
    code = (
        "import sys, minigen.cli\n"
        "try: minigen.cli.main(['--help'])\n"
        "except SystemExit as e: assert e.code == 0\n"
        "heavy = {'numba', 'matplotlib', 'cupy', 'PIL', 'pooch', 'safetensors'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path[:] = " + repr(sys.path) + "\n" + code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_who_stops_reading_ends_the_program_without_a_word(trained):
    process = spawn("list")
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("", 1)
    process.stderr.close()


def test_no_color(trained, data, tmp_path):
    """Colours only on terminals, and never with NO_COLOR."""
    process = spawn("train", "--resume", trained, TERM="xterm", FORCE_COLOR="1", NO_COLOR="1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "\x1b[3" not in out, err
