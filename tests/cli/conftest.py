"""The command `minigen`, called in this process: exit code, stdout, stderr."""

from dataclasses import dataclass

import pytest
from training.runs import make_data

from minigen.cli import main

COMPILING = "compiling kernels, once"


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def minigen(capsys, tmp_path, monkeypatch):
    """Call the command line in an empty folder; whatever it prints is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("MINIGEN_DATA", "MINIGEN_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    # Whether kernels are compiled in a test depends on what ran before: nothing is said of it (test_cli_kernels.py).
    monkeypatch.setattr("minigen_kernels.cpu.cache.logged", {COMPILING})

    def call(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as info:
            main([str(word) for word in words])
        return Result(info.value.code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A file of 90 images with labels: 77 to train on, 4 for validation, 9 to test."""
    return make_data(tmp_path_factory.mktemp("data") / "images.npz")


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """The folder of a finished run. Tests must not change it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.raises(SystemExit) as info:
        words = "train denoising-ae --epochs 1 --batch-size 16 --latent 4 --threads 1".split()
        main([*words, "--dataset", str(data), "--out", str(folder)])
    assert info.value.code == 0
    return folder
