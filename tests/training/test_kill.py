"""Runs in processes of their own, killed and interrupted at random moments: all end in the same bits.

All are slow. What is fast stops a run in the tests' own process, at every write: ``test_run.py``.
"""

import random
import re
import shlex
import signal
import tempfile
import time

import pytest
from training.runs import left_behind, make_data, spawn

from minigen.cli import main

SETTINGS = ("--batch-size", 16, "--epochs", 6, "--checkpoint-every", 2, "--log-every", 1, "--latent", 4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=900)


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """What a run leaves that nobody touches, and how many seconds its training takes."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    begun = time.perf_counter()
    with pytest.raises(SystemExit) as info:  # in this process, where all that it imports is there already
        main([str(word) for word in ("train", "denoising-ae", "--dataset", data, "--out", folder, *SETTINGS)])
    assert info.value.code == 0
    return left_behind(folder), time.perf_counter() - begun


class Process:
    """A `minigen` whose output can be read while it runs."""

    def __init__(self, *words):
        self.output = tempfile.TemporaryFile("w+")
        self.popen = spawn(*words, stdout=self.output)

    def wait_for_training(self):
        """Until the header is complete, which is when training begins (or until the process has ended)."""
        limit = time.perf_counter() + 60
        while "\nfolder" not in self.read() and self.popen.poll() is None and time.perf_counter() < limit:
            time.sleep(0.005)

    def read(self):
        self.output.seek(0)
        return self.output.read()

    def finish(self, code=0):
        """Wait for the end, which has to have this exit code; return the output."""
        _, err = self.popen.communicate(timeout=120)
        assert self.popen.returncode == code, err
        text = self.read()
        self.output.close()
        return text


def interrupt(number, *words):
    """Begin the command, send the signal in the training, and return the words of the command that goes on."""
    process = Process(*words)
    process.wait_for_training()
    process.popen.send_signal(number)
    out = process.finish(code=130)
    command = re.search(r"interrupted after step \d+; saved\. To go on: (.*)", out).group(1)
    name, *words = shlex.split(command)
    assert name == "minigen"
    return words


def kill_and_resume(kills, data, folder, expected, seed, words=None):
    rng = random.Random(seed)
    left, seconds = expected
    words = words or ("train", "denoising-ae", "--dataset", data, "--out", folder, *SETTINGS)
    killed = 0
    for _ in range(kills):
        process = Process(*words)
        process.wait_for_training()
        time.sleep(rng.uniform(0, seconds / 2))
        process.popen.kill()
        process.popen.communicate()
        process.output.close()
        killed += process.popen.returncode == -signal.SIGKILL
        words = ("train", "--resume", folder)
    Process(*words).finish()
    assert left_behind(folder) == left
    return killed


@pytest.mark.slow
def test_killed_three_times(data, expected, tmp_path):
    killed = kill_and_resume(3, data, tmp_path / "run", expected, seed=1)
    assert killed >= 1  # a process may be through before its moment comes; then there was nothing to kill


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_twenty_times(data, expected, tmp_path, seed):
    kill_and_resume(4, data, tmp_path / "run", expected, seed=100 + seed)


@pytest.mark.slow
def test_interrupted_twice_and_killed(data, expected, tmp_path):
    words = ("train", "denoising-ae", "--dataset", data, "--out", tmp_path / "run", *SETTINGS)
    for number in (signal.SIGINT, signal.SIGTERM):
        words = interrupt(number, *words)
    assert kill_and_resume(1, data, tmp_path / "run", expected, seed=1, words=words) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(data, expected, tmp_path, number):
    folder = tmp_path / "run"
    Process(*interrupt(number, "train", "denoising-ae", "--dataset", data, "--out", folder, *SETTINGS)).finish()
    assert left_behind(folder) == expected[0]
