"""`minigen train my_vae.py:MyVAE`, and the commands that open such a run: options, config, changes of the file, errors.

Read next: ``test_cli_train.py``.
"""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from algorithms import own_networks

QUICK = ("--batch-size", 16, "--epochs", 1, "--threads", 1)
SOURCE = Path(own_networks.__file__).read_text(encoding="utf-8")


@pytest.fixture
def file():
    """The user's file, in the current folder."""
    Path("nets.py").write_text(SOURCE)
    return Path("nets.py").absolute()


def is_one_line(result):
    return result.err.count("\n") == 1 and result.err.startswith("minigen: error: ")


def test_everything_that_a_named_model_has(minigen, data, file, monkeypatch, tmp_path):
    words = ("--dataset", data, "--out", "run", "--hidden", 12, "--latent", 3, *QUICK)
    result = minigen("train", "nets.py:LikeVAE", *words)
    assert (result.code, result.err) == (0, ""), result
    assert "LikeVAE: The dense VAE of the catalog, written by a user" in result.out and "kl" in result.out
    assert "model: Dense 36-12-3, Dense 12-3-12-36" in result.out
    config = tomllib.loads(Path("run/config.toml").read_text())
    assert config["model"] == f"{file}:LikeVAE" and (config["hidden"], config["latent"]) == (12, 3)
    monkeypatch.chdir("/")
    run = tmp_path / "run"
    told = f"minigen: note: the network of this run is {file}:LikeVAE; that code is executed\n"
    for command in (
        ("sample", run, "-n", 4, "-o", tmp_path / "s.png"),
        ("reconstruct", run, "-n", 4, "-o", tmp_path / "r.png"),
        ("encode", run, "-o", tmp_path / "c.npz"),
        ("evaluate", run, "--json"),
        ("compare", run, run, "--samples", 0, "-o", tmp_path / "both.png"),
    ):
        result = minigen(*command)
        assert result.code == 0 and told in result.err, result
        assert "elbo" in json.loads(result.out)["metrics"] if command[0] == "evaluate" else True
    assert np.load(tmp_path / "c.npz")["codes"].shape == (9, 3)
    result = minigen("train", "--resume", run, f"{file}:LikeVAE", "--epochs", 2)
    assert result.code == 0 and result.err == told and "run, from step 4" in result.out
    assert "cannot change hidden (12 -> 13)" in minigen("train", f"{file}:LikeVAE", "--resume", run, "--hidden", 13).err
    assert "is of model 'LikeVAE', not of" in minigen("train", "--resume", run, f"{file}:Dense").err


def test_a_run_may_begin_from_a_config_file_and_a_module(minigen, data, file, monkeypatch):
    file = file.rename(file.with_name("nets_by_name.py"))
    monkeypatch.syspath_prepend(str(file.parent))
    words = ("--dataset", data, *QUICK)
    result = minigen("train", "nets_by_name:Dense", "--out", "one", "--no-deep", "--kind", "odd", "--scale", 2, *words)
    assert result.code == 0, result
    file.write_text(SOURCE + "\n")
    assert minigen("train", "--config", "one/config.toml", "--out", "two").code == 0
    one, two = (tomllib.loads(Path(f"{name}/config.toml").read_text()) for name in ("one", "two"))
    assert one.pop("model_digest") != two.pop("model_digest") and one == two
    assert (two["deep"], two["kind"], two["scale"], two["model"]) == (False, "odd", 2.0, f"{file}:Dense")
    assert json.loads(minigen("train", f"{file}:Features", "--json", *words).out)["model"] == "Features"
    assert next(Path("runs").iterdir()).name.startswith("Features-images-")


def test_help_shows_its_options(minigen, file):
    out = " ".join(minigen("train", "nets.py:Dense", "--help").out.split())
    assert "Options of Dense" in out and "--hidden INTEGER an argument of Dense [default: 9]" in out
    assert "--deep / --no-deep" in out and "--likelihood" not in out and "digest" not in out
    assert "Dense: An autoencoder with a forward alone. From " in out
    assert "--likelihood" in minigen("train", "nets.py:LikeVAE", "--help").out
    assert "Dense:" not in minigen("list").out


def test_errors_of_the_command_line(minigen, data, file):
    for words, message in {
        ("nets.py:Dense", "--hiden", 3): "unknown option '--hiden'. Did you mean '--hidden'?",
        ("nets.py:Dense", "--hidden", "x"): "'x' is not a valid integer",
        ("nets.py:Dense", "--corruption", "masking"): "model 'Dense' has no option --corruption; these have it: denois",
        ("nets.py:Dens",): "nets.py has no 'Dens'. Did you mean 'Dense'?; it defines LikeVAE, Dense, Logits, Coder,",
        ("nets.py",): "'nets.py' names no class or function: give it as my_module:MyLayer or path/to/file.py:MyLayer",
        ("gone.py:Dense",): "there is no file gone.py",
        ("dense",): "unknown model 'dense'",
    }.items():
        result = minigen("train", *words, "--dataset", data, "--out", "run")
        assert result.code == 2 and is_one_line(result) and message in result.err, result
        assert not Path("run").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return self.back(self.net(x))", "return self.net(x)", "has to give images (2, 1, 6, 6), and gave a"),
        ("pixels, hidden)", "pixels + 1, hidden)", "Dense.forward raises ShapeError: Dense 'net.1': expected input"),
        ("objective = \"mse\"", "pass", "Dense names no objective, so nothing can be descended"),
        ("objective = \"mse\"", "objective = lambda self, x, rng: 1 / 0", "Dense.objective raises ZeroDivisionError"),
        ("deep=True", "deep", "its constructor needs 'deep', which nothing gives"),
        ("import math", "import maths", "the import of nets.py raises ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_trained_leaves_no_folder(minigen, data, file, old, new, message):
    text = SOURCE.replace(old, new, 1).replace("scale: float = 1, deep,", "scale, deep,").replace("kind=", "kind: str=")
    if new == "deep":
        text = SOURCE.replace('scale: float = 1, deep=True, kind="plain"', 'deep, scale=1, kind="plain"', 1)
        text = text.replace("image_shape, hidden: int = 9, deep,", "image_shape, deep, hidden=9,", 1)
    file.write_text(text)
    result = minigen("train", "nets.py:Dense", "--dataset", data, "--out", "run", *QUICK)
    assert result.code in (1, 2) and is_one_line(result) and message in result.err, result
    assert not Path("run").exists()


def test_an_objective_that_fails_later_is_the_users(minigen, data, file):
    file.write_text(SOURCE.replace("fit, size =", "assert not self.training\n        fit, size =", 1))
    result = minigen("train", "nets.py:Noisy", "--dataset", data, "--out", "run", *QUICK)
    assert result.code == 1 and is_one_line(result) and "Noisy.objective raises AssertionError" in result.err, result
    assert not Path("run").exists()


def test_a_file_that_has_changed_or_gone(minigen, data, file):
    assert minigen("train", "nets.py:Dense", "--dataset", data, "--out", "run", *QUICK).code == 0
    file.write_text(SOURCE + "# a remark\n")
    result = minigen("reconstruct", "run", "-n", 2, "-o", "a.png")
    assert result.code == 0 and f"note: {file}:Dense is not as it was when this run began" in result.err, result
    file.write_text(SOURCE.replace("nn.Dense(hidden, pixels)", "nn.Dense(hidden, pixels, bias=False)"))
    result = minigen("reconstruct", "run", "-n", 2, "-o", "b.png")
    assert result.code == 1 and "is not as it was" in result.err and "is of another model" in result.err, result
    for text, message in {
        SOURCE.replace("class Dense", "class Other").replace("(Dense)", "(Other)"): "nets.py has no 'Dense'",
        SOURCE.replace("hidden: int = 9", "width: int = 9").replace("hidden", "width"): "has no option 'hidden'",
        None: "there is no file",
    }.items():
        file.unlink() if text is None else file.write_text(text)
        for command in (("reconstruct", "run", "-o", "c.png"), ("train", "--resume", "run", "--epochs", 2)):
            result = minigen(*command)
            assert result.code == 1 and message in result.err.splitlines()[-1], result
    assert (
        f"Put it back, or write where it is now into the line `model = ...` of {Path('run/config.toml')}" in result.err
    )
    assert "damaged" not in result.err
    Path("elsewhere.py").write_text(SOURCE)
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace(str(file), str(Path("elsewhere.py").absolute())))
    result = minigen("train", "--resume", "run", "--epochs", 2)
    assert result.code == 0 and "is not as it was" not in result.err, result
    Path("elsewhere.py").write_text(SOURCE.replace("class Dense", "class Other").replace("(Dense)", "(Other)"))
    config.write_text(config.read_text().replace("elsewhere.py:Dense", "elsewhere.py:Other"))
    assert minigen("reconstruct", "run", "-o", "c.png").code == 0
    assert minigen("train", "--resume", "run", "--epochs", 3).code == 0


def test_a_gan_cannot_begin_from_it(minigen, data, file):
    assert minigen("train", "nets.py:Dense", "--dataset", data, "--out", "run", *QUICK).code == 0
    result = minigen("train", "gan", "--init-generator-from", "run", "--dataset", data, *QUICK)
    assert result.code == 2 and "run is a run of 'Dense', which is no autoencoder or VAE" in result.err, result
