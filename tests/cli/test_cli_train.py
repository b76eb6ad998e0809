"""`minigen train`: what it prints and writes, precedence of settings, resuming, JSON."""

import io
import json
import re
import shutil
import signal
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.drawers import add
from rich.console import Console

from minigen.algorithms.catalog import MODELS
from minigen.runs.sessions import Stop
from minigen.training.fit import Means, TrainingState
from minigen.training.progress import Progress, duration

QUICK = ("--batch-size", 16, "--epochs", 2)


def test_header_lines_and_next_commands(minigen, data):
    result = minigen("train", "ae", "--dataset", data, "--seed", 3, *QUICK)
    assert (result.code, result.err) == (0, "")
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("ae-images-20")
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "minigen", "networks", "device", "data", "parameters", "seed", "folder", "epoch", "epoch", "doctor:",
        "finished", "next:", "next:", "next:",
    ]  # fmt: skip
    for part in ("cpu", "float32", "threads: 1", "77 training and 4 validation images of 1x6x6", "4,708", str(folder)):
        assert part in "\n".join(lines[:7])
    assert (
        lines[1] == "networks   model: Dense 36-64-36"
        and "too few updates to look for collapse: 8 of 1,000" in lines[9]
    )
    assert "epoch 2/2  step 8  " in lines[8] and "ms/step  loss 0." in lines[8] and "validation 0." in lines[8]
    assert lines[-2:] == [f"next: minigen evaluate {folder}", f"next: minigen explore {folder} -o page.html"]


def test_options_may_come_first_and_model_from_a_file(minigen, data):
    Path("c.toml").write_text(f'model = "ae"\ndataset = "{data}"\nlatent = 5\nlr = 1\nepochs = 1\nbatch-size = 16\n')
    assert minigen("train", "--config", "c.toml", "--out", "one", "--lr", 0.01).code == 0
    config = tomllib.loads(Path("one/config.toml").read_text())
    given = {"model": "ae", "latent": 5, "lr": 0.01, "epochs": 1, "batch_size": 16, "seed": 0, "optimizer": "adam"}
    assert {name: config[name] for name in given} == given  # a flag, before the file, before defaults
    assert minigen("train", "--out", "two", "--config", "one/config.toml", "deep-ae").code == 0
    assert tomllib.loads(Path("two/config.toml").read_text()) == {**config, "model": "deep-ae"}


def test_json_is_all_there_is_on_stdout(minigen, data):
    result = minigen("train", "ae", "--dataset", data, "--out", "run", "--json", "--max-steps", 5, *QUICK)
    assert result.code == 0 and "epoch" not in result.out.split("{")[0] and "epoch 1/2  step 4" in result.err
    facts = json.loads(result.out)
    assert (facts["status"], facts["epochs"], facts["steps"], facts["run"]) == ("finished", 1, 5, "run")
    assert facts["parameters"] == 4708 and facts["best"]["loss"] <= facts["validation"]["loss"]
    wanted = {"unit": "squared error, mean per pixel", "weight": 1.0, "of": "loss", "share": 1.0}
    assert facts["ledger"]["reconstruction"] == wanted
    note = "too few updates to look for collapse: 5 of 1,000"
    assert facts["doctor"] == {"findings": [], "checks": 1, "note": note} and f"doctor: {note}" in result.err
    assert "epoch 2/2 (1 of 4 steps)  step 5  " in result.err and "after epoch 2" in result.err


@pytest.mark.parametrize("ends", [("--max-steps", 2), ("--epochs", 1, "--max-steps", 4), ("--epochs", 1)])
def test_the_advice_to_a_finished_run_lets_it_go_on(minigen, data, ends):
    """Of 4 updates an epoch: an end that was reached is named, whether it is --epochs, --max-steps, or both."""
    assert minigen("train", "ae", "--dataset", data, "--out", "run", "--batch-size", 16, *ends).code == 0
    advice = minigen("train", "--resume", "run").out.rsplit("to train it longer: minigen ", 1)[1].splitlines()[0]
    result = minigen(*advice.split())
    assert result.code == 0 and f"finished {4 if 2 in ends else 8} steps" in result.out


def test_resume(minigen, data):
    assert minigen("train", "ae", "--dataset", data, "--out", "run", *QUICK).code == 0
    result = minigen("train", "--resume", "run")
    assert result.code == 0
    assert "this run is finished; to train it longer: minigen train --resume run --epochs 4" in result.out
    assert minigen("train", "ae", "--dataset", data, "--out", "short", *QUICK, "--max-steps", 3).code == 0
    assert "to train it longer: minigen train --resume short --max-steps 6" in minigen("train", "--resume", "short").out
    result = minigen("train", "--resume", "run", "ae", "--device", "auto", "--epochs", 3, "--latent", 64)
    assert result.code == 0 and "run, from step 8" in result.out and "epoch 3/3" in result.out
    assert tomllib.loads(Path("run/config.toml").read_text())["epochs"] == 3
    for words, message in {
        ("--epochs", 1): "epochs 1: the run has done 3 already",
        ("--latent", 5, "--seed", 0): "cannot change latent (64 -> 5).",
        ("conv-ae",): "is of model 'ae', not of 'conv-ae'",
        ("--out", "other"): "leave --config and --out out",
    }.items():
        result = minigen("train", "--resume", "run", *words)
        assert result.code == 2 and message in result.err, words
    assert json.loads(minigen("train", "--resume", "run", "--json").out)["status"] == "finished"


def test_relative_paths_hold_from_elsewhere(minigen, data, monkeypatch, tmp_path):
    Path("images.npz").write_bytes(data.read_bytes())
    assert minigen("train", "ae", "--dataset", "images.npz", "--out", "run", *QUICK).code == 0
    monkeypatch.chdir("/")
    result = minigen("train", "--resume", tmp_path / "run", "--epochs", 3)
    assert result.code == 0, result.err


def test_a_run_without_validation(minigen, data):
    result = minigen("train", "ae", "--dataset", data, "--out", "run", "--validation", 0, *QUICK)
    assert result.code == 0 and "validation" not in result.out
    assert not Path("run/checkpoints/best.safetensors").exists() and Path("run/samples/epoch_002.png").exists()
    assert minigen("reconstruct", "run", "-o", "x.png", "-n", 3).code == 0  # from the last checkpoint
    result = minigen("evaluate", "run", "--checkpoint", "best")
    assert result.code == 1 and "best.safetensors: there is no such file" in result.err


def test_help_shows_general_settings(minigen):
    out = minigen("train", "--help").out
    assert "\n  minigen train ae\n  minigen train conv-ae" in out and "\b" not in out and "\\b" not in out
    command, general = (" ".join(part.split()) for part in out.split("Settings:"))  # as if no line were broken
    assert "--resume" in command and "--batch-size" in general and "[default: 128]" in general
    assert "[default: 0]" in general and "--corruption-level" not in general  # of a model
    assert "minigen train MODEL --help" in general and "minigen list" in general


def test_help_for_a_model_shows_its_options_alone(minigen):
    for words in (("denoising-ae", "--help"), ("--help", "denoising-ae"), ("--epochs", 3, "denoising-ae", "-h")):
        out = minigen("train", *words).out
        general, own = (" ".join(part.split()) for part in out.split("Options of denoising-ae:"))
        assert "--batch-size" in general and "--latent" not in general
        assert "--corruption-level" in own and "[default: 0.3]" in own and "[default: 64]" in own
        assert "--sparsity" not in out and MODELS["denoising-ae"].paper[:30] in own
    for name, recipe in MODELS.items():
        out = minigen("train", name, "--help").out
        for option in {*recipe.options}:
            assert "--" + option.replace("_", "-") in out, (name, option)
    result = minigen("train", "convae", "--help")
    assert result.code == 2 and "unknown model 'convae'. Did you mean 'conv-ae'?" in result.err


def test_help_shows_the_defaults_of_the_model(minigen, monkeypatch):
    recipe = replace(MODELS["ae"], options={**MODELS["ae"].options, "epochs": 77})
    monkeypatch.setitem(MODELS, "ae", recipe)
    assert "[default: 77]" in " ".join(minigen("train", "ae", "--help").out.split())
    assert "[default: 77]" not in " ".join(minigen("train", "--help").out.split())


def test_the_next_commands_fit_the_model(minigen, data, monkeypatch):
    add(monkeypatch)
    add(monkeypatch, "blind", latent=False)
    result = minigen("train", "drawer", "--dataset", data, "--out", "run", *QUICK)
    commands = ["sample run -o samples.png", "evaluate run", "explore run -o page.html"]
    wanted = [f"next: minigen {command}" for command in commands]
    assert [line for line in result.out.splitlines() if line.startswith("next:")] == wanted
    assert "next:" not in minigen("train", "blind", "--dataset", data, "--out", "blind", *QUICK).out


def test_a_moved_data_set_is_found_by_data_dir(minigen, data):
    Path("here.npz").write_bytes(data.read_bytes())
    assert minigen("train", "ae", "--dataset", "here.npz", "--out", "run", *QUICK).code == 0
    Path("elsewhere").mkdir()
    Path("here.npz").rename("elsewhere/here.npz")
    result = minigen("evaluate", "run")
    assert result.code == 1 and "there is no file or folder" in result.err
    assert minigen("evaluate", "run", "--data-dir", "elsewhere").code == 0
    assert minigen("train", "--resume", "run", "--data-dir", "elsewhere", "--epochs", 3).code == 0


def test_other_data_are_named_when_a_run_is_resumed(minigen, data):
    Path("here.npz").write_bytes(data.read_bytes())
    assert minigen("train", "ae", "--dataset", "here.npz", "--out", "run", *QUICK).code == 0
    np.savez("here.npz", images=np.load(data)["images"][:, :5, :5], labels=np.load(data)["labels"])
    result = minigen("train", "--resume", "run", "--epochs", 3)
    assert result.code == 1 and "here.npz now has image shape [1, 5, 5], not [1, 6, 6]; mean 0." in result.err
    assert "value range" not in result.err  # it is the same


def test_pictures_may_be_cleared_away(minigen, data):
    assert minigen("train", "ae", "--dataset", data, "--out", "run", *QUICK).code == 0
    shutil.rmtree("run/samples")
    assert minigen("train", "--resume", "run", "--epochs", 3).code == 0
    assert [path.name for path in Path("run/samples").iterdir()] == ["epoch_003.png"]


def test_what_ctrl_c_does():
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background of a shell
    with Stop(signal.SIGTERM) as stop:
        with pytest.raises(KeyboardInterrupt):  # while data are loaded: at once
            signal.raise_signal(signal.SIGINT)
        stop.wait_for_step()
        assert not stop.requested()
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_tells_how_to_go_on(minigen, data, monkeypatch):
    def evaluate(batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    original = MODELS["ae"]
    recipe = replace(original, build=lambda setup: replace(original.build(setup), evaluate=evaluate))
    monkeypatch.setitem(MODELS, "ae", recipe)
    result = minigen("train", "ae", "--dataset", data, "--out", "run", "--checkpoint-every", 3, *QUICK)
    assert result.code == 130 and result.err.strip() == "minigen: interrupted"
    assert result.out.endswith("stopped; step 3 is saved. To go on: minigen train --resume run\n")
    monkeypatch.setitem(MODELS, "ae", original)
    assert "run, from step 3" in minigen("train", "--resume", "run").out


def progress(terminal, width=200, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    console = Console(file=stream, force_terminal=terminal, width=width, legacy_windows=False, _environ={})
    return Progress(console, epochs=3, max_steps=None, steps_per_epoch=4), stream


def printed(stream):
    stream.flush()
    return stream.buffer.getvalue().decode()


def test_the_live_line_is_for_terminals_only(monkeypatch):
    monkeypatch.setattr("minigen.training.progress.REFRESH", 0.0)
    for terminal in (True, False):
        shown, stream = progress(terminal)
        with shown:
            for batch in (1, 2):
                shown.step(TrainingState(4 + batch, 1, batch, Means()), {"loss": 0.25, "kl": 0.125})
            shown.epoch(TrainingState(8, 2, 0, Means()), {"loss": 0.5}, {"loss": 0.75}, best=True)
        text = printed(stream)
        assert (
            ("epoch 2/3  1/4" in text)
            == ("first step" in text)
            == ("ETA 0:" in text)
            == ("kl 0.125" in text)
            == terminal
        )
        assert "epoch 2/3  step 8  " in text and "loss 0.5  validation 0.75 (best)" in text


def test_a_log_has_a_line_every_half_minute(monkeypatch):
    now = iter(range(0, 1000, 20))
    monkeypatch.setattr("minigen.training.progress.time.perf_counter", lambda: float(next(now)))
    shown, stream = progress(False)
    with shown:
        for batch in range(1, 5):
            shown.step(TrainingState(batch, 0, batch, Means()), {"loss": 0.25, "kl": 0.125})
    lines = printed(stream).splitlines()  # after 40 and 80 seconds
    assert [line[:16] for line in lines] == ["epoch 1/3  2/4  ", "epoch 1/3  4/4  "] and "kl 0.125" in lines[1]


def test_the_first_step_which_compiles_is_no_part_of_the_rate(monkeypatch):
    now = iter([0.0, 46.0, 78.0, 110.0, 142.0, 142.0, 143.0, 143.0])
    monkeypatch.setattr("minigen.training.progress.time.perf_counter", lambda: next(now))
    shown, stream = progress(False)
    with shown:
        for batch in range(1, 5):
            shown.step(TrainingState(batch, 0, batch, Means()), {"loss": 0.25})
        shown.epoch(TrainingState(4, 1, 0, Means()), {"loss": 0.25}, None, best=False)
        shown.step(TrainingState(5, 1, 1, Means()), {"loss": 0.25})
        shown.epoch(TrainingState(5, 1, 1, Means()), {"loss": 0.25}, None, best=False)
    first, second, third, fourth, epoch, last = printed(stream).splitlines()
    assert "first step 46.0 s" in first and "ETA" not in first and "ms/step" not in first
    assert all("32000.00 ms/step" in line for line in (second, third, fourth, epoch)) and "ETA 5:20" in second
    assert "1000.00 ms/step" in last


def test_the_only_step_of_a_run_has_its_time(monkeypatch):
    now = iter([0.0, 2.0, 2.0])
    monkeypatch.setattr("minigen.training.progress.time.perf_counter", lambda: next(now))
    shown, stream = progress(False)
    with shown:
        shown.step(TrainingState(1, 0, 1, Means()), {"loss": 0.25})
        shown.epoch(TrainingState(1, 0, 1, Means()), {"loss": 0.25}, None, best=False)
    assert "2000.00 ms/step" in printed(stream)


def test_numbers_that_explode_are_named_after_a_short_run(minigen, data):
    result = minigen("train", "ae", "--dataset", data, "--lr", 1e6, "--optimizer", "adam", "--max-steps", 3, *QUICK)
    assert result.code == 0 and "doctor: exploding weights: the largest weight is" in result.out


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_narrow_terminal_keeps_one_line_and_the_loss(width, encoding):
    shown, stream = progress(True, width, encoding)
    with shown:
        shown.step(TrainingState(5, 1, 1, Means()), {"loss": 0.25, **dict.fromkeys("abcdefgh", 1.0)})
    plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip("\r") for line in printed(stream).splitlines()]
    assert max(map(len, plain)) <= width
    assert ("loss 0.25" in plain[0]) == (width >= 40)
    assert ("first step" in plain[0]) == ("━━" in plain[0] or "--" in plain[0]) == (width >= 60)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (41, "0:41"), (59.6, "1:00"), (3723, "1:02:03")])
def test_duration(seconds, text):
    assert duration(seconds) == text
