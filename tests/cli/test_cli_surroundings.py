"""What a process may meet: Ctrl-C while it loads, a reader who leaves, a locale without letters, others like it."""

import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training.runs import make_data, spawn

from minigen import interrupt
from minigen.atomic import temporary_path, write_atomically
from minigen.pictures import save_png
from minigen.training import run_folder
from minigen.training.printable import printable
from minigen.training.run_folder import choose_path, new_run_folder

QUICK = ("--batch-size", 16, "--latent", 2)


@pytest.mark.parametrize("stub", ["numpy", "click"])
def test_ctrl_c_while_the_command_is_loaded(tmp_path, stub):
    """A library that is imported sends the signal: NumPy is the first that is loaded, click one of the last."""
    (tmp_path / f"{stub}.py").write_text("import os, signal, time\nos.kill(os.getpid(), 2)\ntime.sleep(9)\n")
    path = os.pathsep.join([str(tmp_path), *(os.path.abspath(entry) for entry in sys.path if entry)])
    start = {"-m": ["-m", "minigen"], "script": [str(tmp_path / "minigen")]}
    (tmp_path / "minigen").write_text("import sys\nfrom minigen.cli import main\nmain()\n")
    for words in start.values():
        done = subprocess.run(
            [sys.executable, *words, "list"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
        )
        assert (done.returncode, done.stderr, done.stdout) == (130, "minigen: interrupted\n", "")


@pytest.mark.parametrize(
    ("argv", "orig", "command"),
    [
        (["-m"], ["python", "-m", "minigen", "list"], True),
        (["-m"], ["python", "-mminigen"], True),
        (["-m"], ["python", "-m", "theirs.minigen"], False),
        (["-m"], ["python", "-m", "theirs", "minigen"], False),
        (["/usr/bin/minigen"], ["python", "/usr/bin/minigen"], True),
        (["minigen.exe"], ["python"], True),
        (["/home/me/minigen.py"], ["python"], False),
        (["/usr/bin/pytest"], ["python"], False),
        ([""], ["python"], False),
        ([], ["python"], False),
    ],
)
def test_a_program_that_imports_minigen_is_left_alone(monkeypatch, argv, orig, command):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig)
    assert interrupt.is_command() == command


def test_training_goes_on_when_nobody_reads_any_more(tmp_path):
    data = make_data(tmp_path / "images.npz")
    process = spawn("train", "ae", "--dataset", data, "--epochs", 3, "--out", tmp_path / "run", *QUICK)
    assert process.stdout.readline().startswith("minigen")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (0, "")
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 3


def test_letters_in_a_locale_that_has_none(tmp_path):
    folder = tmp_path / "Größe"
    folder.mkdir()
    data = make_data(tmp_path / "images.npz")
    words = ("train", "ae", "--max-steps", 1, *QUICK)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = spawn(*words, "--dataset", data, "--out", folder / "run", **plain)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "set PYTHONUTF8=1" in out, (out, err)


@pytest.mark.parametrize(("encoding", "help"), [("ascii", "set PYTHONUTF8=1"), ("utf-8", "rename the file or folder")])
def test_names_that_are_no_text(minigen, tmp_path, monkeypatch, encoding, help):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    data = make_data(Path(os.fsdecode(b"bad\xff.npz")))
    result = minigen("train", "ae", "--dataset", data, "--max-steps", 1, "--out", "run", *QUICK)
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "bad\\udcff.npz" in result.err and help in result.err
    assert not Path("run").exists()


def test_trainings_of_one_second_and_one_process_number(tmp_path, monkeypatch):
    """As in three containers that share a folder: all names are made of the same numbers."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 29, 12, 0, 0)

    monkeypatch.setattr(run_folder.datetime, "datetime", Clock)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    monkeypatch.chdir(tmp_path)
    blocks = [new_run_folder(choose_path(None, "ae", "glyphs"), rename=True) for _ in range(3)]
    folders = [block.__enter__() for block in blocks]  # all are being prepared at once
    for number, folder in enumerate(folders):
        folder.write_config({"model": "ae", "seed": number})
    for block in blocks:
        block.__exit__(None, None, None)
    assert sorted(folder.read_config()["seed"] for folder in folders) == [0, 1, 2]
    name = "ae-glyphs-2026-11-29_12-00-00"
    assert sorted(os.listdir("runs")) == [name, f"{name}-2", f"{name}-3"]


def test_temporary_names_cannot_be_known_and_no_link_is_followed(tmp_path, monkeypatch):
    assert len({temporary_path(tmp_path) for _ in range(100)}) == 100
    monkeypatch.setattr("secrets.token_hex", lambda n: "known")  # should somebody know one all the same
    victim = tmp_path / "victim"
    victim.write_text("mine")
    temporary_path(tmp_path).symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "x", b"data")
    with pytest.raises(FileExistsError):
        save_png(np.zeros((2, 2), np.uint8), tmp_path / "x.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    temporary_path(tmp_path).unlink()
    temporary_path(tmp_path).symlink_to(folder)
    with pytest.raises(OSError, match="File exists"), new_run_folder(tmp_path / "run"):
        pass
    assert victim.read_text() == "mine" and not list(folder.iterdir())


def test_a_disk_that_gives_back_something_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    true_fsync = os.fsync

    def spoil(descriptor):
        true_fsync(descriptor)
        for temporary in tmp_path.glob(".minigen-*.tmp"):
            temporary.write_bytes(b"nem")

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(OSError, match="not what the disk gives back"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


def test_what_is_printed_is_shown():
    assert printable("a\x1b[31m\tb\nc\u202e\udcff\x9b\u2028ü±é\U0001f600") == (
        "a\\x1b[31m\\tb\nc\\u202e\\udcff\\x9b\\u2028ü±é\U0001f600"
    )


def test_a_batch_of_one_is_told_in_the_words_of_the_command(minigen, data):
    for model in ("gan", "unrolled-gan"):
        result = minigen("train", model, "--dataset", data, "--batch-size", 1, "--hidden", 4, "--out", "run")
        assert result.code == 2 and "take --batch-size 2 or more" in result.err and "eval()" not in result.err
        assert not Path("run").exists()
    np.savez("two.npz", images=np.full((2, 8, 8), 99, np.uint8))  # one is held out, and no larger batch would help
    result = minigen("train", "gan", "--dataset", "two.npz", "--hidden", 4, "--out", "run")
    assert result.code == 2 and result.err.strip().endswith("of a batch of one; give more images"), result.err


def test_fewer_images_than_an_update_takes(minigen, tmp_path):
    make_data(tmp_path / "few.npz", n=5)
    result = minigen("train", "wgan-gp", "--dataset", "few.npz", "--validation", 0)
    assert result.code == 2 and "there must be at least 5 images to train on, and there are 4" in result.err
    assert "a smaller --n-critic" in result.err
