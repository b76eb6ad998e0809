"""Settings: precedence, types, ranges, guesses for misspelt names, and what a resumed run may change."""

import pytest

from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError, Option, check_value, did_you_mean
from minigen.training.config import CHANGEABLE, DEFAULTS, GENERAL, check_change, read_config_file, resolve

OPTIONS = {"latent": Option(int, "size", minimum=1), "lr": Option(float, "rate", minimum=0, exclusive=True)}
RECIPE = Recipe("toy", "family", "summary", "paper", {"latent": 64, "lr": 0.1, "epochs": 3}, lambda setup: None)


def test_every_general_setting_has_a_default_of_its_kind():
    assert GENERAL.keys() == DEFAULTS.keys() and set(CHANGEABLE) <= GENERAL.keys()
    for name, value in DEFAULTS.items():
        assert value is None or check_value(name, value, GENERAL[name]) == value


def test_given_values_go_before_those_of_the_recipe_before_general_ones():
    config = resolve(RECIPE, OPTIONS, {"latent": 8, "seed": 5})
    assert (config["model"], config["latent"], config["seed"], config["epochs"]) == ("toy", 8, 5, 3)
    assert config["batch_size"] == DEFAULTS["batch_size"] and config["lr"] == 0.1
    with pytest.raises(ConfigError, match=r"toy has no option 'latnt'. Did you mean 'latent'\?"):
        resolve(RECIPE, OPTIONS, {"latnt": 8})


@pytest.mark.parametrize(
    ("value", "option", "message"),
    [
        (1.5, Option(int, ""), "x must be a whole number, got 1.5"),
        (True, Option(int, ""), "x must be a whole number, got True"),
        ("3", Option(int, ""), "x must be a whole number, got '3'"),
        (True, Option(float, ""), "x must be a number, got True"),
        (1, Option(bool, ""), "x must be true or false, got 1"),
        (1, Option(str, ""), "x must be a text, got 1"),
        (0, Option(int, "", minimum=1), "x must be at least 1, got 0"),
        (0.0, Option(float, "", minimum=0, exclusive=True), "x must be greater than 0, got 0.0"),
        (0.6, Option(float, "", maximum=0.5), "x must be at most 0.5, got 0.6"),
        (float("nan"), Option(float, "", minimum=0), "x must be at least 0, got nan"),
        (float("nan"), Option(float, ""), "x must be a finite number, got nan"),
        (float("inf"), Option(float, "", minimum=0), "x must be a finite number, got inf"),
        ("adm", Option(str, "", choices=("adam", "sgd")), "x must be adam or sgd, got 'adm'. Did you mean 'adam'?"),
    ],
)
def test_bad_values(value, option, message):
    with pytest.raises(ConfigError) as info:
        check_value("x", value, option)
    assert str(info.value) == message


def test_whole_numbers_are_numbers():
    value = check_value("lr", 1, Option(float, ""))
    assert value == 1.0 and type(value) is float
    assert check_value("seed", 2**63 - 1, GENERAL["seed"]) == 2**63 - 1
    with pytest.raises(ConfigError, match="at most 9223372036854775807"):
        check_value("seed", 2**63, GENERAL["seed"])


def test_config_files(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('model = "ae"\nbatch-size = 32\nlr = 1e-2\n')
    assert read_config_file(path, lambda model: ["batch_size", "lr"]) == {"model": "ae", "batch_size": 32, "lr": 0.01}
    with pytest.raises(ConfigError, match=r"c\.toml: unknown setting 'lr'\."):
        read_config_file(path, lambda model: ["batch_size"])
    path.write_text("epochss = 3\n")
    with pytest.raises(ConfigError, match=r"unknown setting 'epochss'. Did you mean 'epochs'\?"):
        read_config_file(path, lambda model: GENERAL)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"c\.toml is no TOML file"):
        read_config_file(path, lambda model: GENERAL)
    path.write_text("epochs = = 3\n")
    with pytest.raises(ConfigError, match=r"c\.toml is no TOML file"):
        read_config_file(path, lambda model: GENERAL)


def test_what_a_resumed_run_may_change():
    old = resolve(RECIPE, OPTIONS, {})
    assert check_change(old, {"latent": 64, "epochs": 9}) == {**old, "epochs": 9}
    with pytest.raises(ConfigError, match=r"cannot change latent \(64 -> 8\), seed \(0 -> 1\)\. Only epochs"):
        check_change(old, {"latent": 8, "seed": 1, "epochs": 9})


def test_guesses():
    assert did_you_mean("EPOCS", ["epochs", "lr"]) == ". Did you mean 'epochs'?"
    assert did_you_mean("qqq", ["epochs", "lr"]) == "."
