"""Whole runs on several ranks: what they leave, how they go on with another number, how they end when a rank dies.

Read next: ``ranks.py``, ``tests/training/test_kill.py``.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import time
import uuid
from pathlib import Path

import pytest
from distributed.ranks import LIMIT, OPEN_MPI, needs_mpi, run, start
from training.runs import left_behind, make_data

import minigen as mg
from minigen.distributed import Local
from minigen.training.checkpoint import load_checkpoint
from minigen.training.replicas import make_team

pytestmark = needs_mpi
END = 30  # seconds in which all ranks end after one has died


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=200)


def train(ranks, data, folder, *words, model="denoising-ae", **settings):
    """`minigen train` on so many ranks; what rank 0 printed."""
    given = {"dataset": data, "batch_size": 24, "epochs": 3, "log_every": 1, "checkpoint_every": 4, **settings}
    flags = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    return run(ranks, "-m", "minigen", "train", model, *flags, "--out", folder, *words)


def resume(ranks, folder, *words, code=0):
    return run(ranks, "-m", "minigen", "train", "--resume", folder, *words, code=code)


def test_a_run_leaves_the_same_for_any_number_of_ranks_and_goes_on_with_another(data, tmp_path):
    """Checkpoints, table, pictures and settings: all but the clock."""
    settings = {"batch_size": 24, "log_every": 1, "checkpoint_every": 4, "progress": False}
    mg.train("denoising-ae", data, out=tmp_path / "one", replicas=6, epochs=3, **settings)
    out, err = train(3, data, tmp_path / "parts", "--json", replicas=6, epochs=1)
    mg.open_run(tmp_path / "parts").resume(epochs=2, progress=False)
    resume(2, tmp_path / "parts", "--epochs", 3)
    assert left_behind(tmp_path / "one") == left_behind(tmp_path / "parts")
    summary = json.loads(out)
    assert summary["distributed"].items() >= {"ranks": 3, "replicas": 6}.items() and summary["distributed"]["bytes"] > 0
    assert 0 < summary["distributed"]["waited"] <= summary["distributed"]["seconds"]
    assert (
        re.search(r"ranks +3 \(.*MPI.*, one machine", err)
        and "6 replicas of 4 images an update" in err
        and "images/s" in err
    )
    assert err.count("finished ") == 1, "more than one rank has printed"


def test_another_number_of_replicas_is_another_run_and_refused(data, tmp_path):
    run = mg.train("ae", data, out=tmp_path / "run", replicas=2, batch_size=24, max_steps=2, progress=False)
    with pytest.raises(mg.ConfigError, match=r"it cannot change replicas \(2 -> 4\)"):
        run.resume(replicas=4, max_steps=4)
    with pytest.raises(mg.ConfigError, match="--replicas 2: 2 replicas cannot be shared by 3 ranks"):
        Local.run(3, lambda world: make_team(run.config, world))


SPOILT = """
import runpy, sys
import numpy as np
from minigen.training.replicas import Replicas

step = Replicas._step

def spoil(self, experiment, replica, batch, asked):
    if replica.number == 3:
        batch.x[:] = np.inf
    return step(self, experiment, replica, batch, asked)

Replicas._step = spoil
runpy.run_module("minigen", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(("ranks", "rank"), [(1, 0), (2, 1)])
def test_a_nan_ends_all_with_the_replica_and_the_operation(data, tmp_path, ranks, rank):
    script = tmp_path / "spoilt.py"
    script.write_text(SPOILT)
    words = ["--dataset", data, "--batch-size", 24, "--replicas", 4, "--out", tmp_path / "run"]
    _, err = run(ranks, script, "train", "ae", *words, code=1)
    assert err.count("error:") == 1, err
    where = f"loss is nan in replica 3 of 4, on rank {rank}; the first operation that gave NaN or infinity is Linear of"
    assert f"error: step 1: {where}" in err


@pytest.mark.skipif(OPEN_MPI, reason="Open MPI ends ranks half a second after Ctrl-C, whatever they say")
def test_ctrl_c_ends_all_ranks_after_the_same_update(data, tmp_path):
    process, _ = begun(2, "ae", "--dataset", data, "--batch-size", 24, "--epochs", 10**6, "--out", tmp_path / "run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, err
    (step,) = re.findall(r"interrupted after step (\d+); saved", out)
    assert f"To go on: mpiexec -n 2 minigen train --resume {tmp_path / 'run'}" in out
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors").facts["state"]["step"] == int(step)


@pytest.mark.parametrize(
    ("pixel", "said"),
    [
        (0, r"rank 1 of 2, process \d+ on .*, fails: error: .*black"),
        (200, r"the setting dataset is .* on rank 1, and .* on rank 0; it has to be the same"),
    ],
)
@pytest.mark.slow
def test_a_rank_whose_images_are_others_ends_all_and_is_named(data, tmp_path, pixel, said):
    lines = [
        "import os, sys, runpy, numpy as np",
        f"other = {str(tmp_path / 'other.npz')!r}",
        f"np.savez(other, images=np.full((200, 6, 6), {pixel}, np.uint8), labels=np.zeros(200, int))",
        "if os.environ.get('PMI_RANK', os.environ.get('OMPI_COMM_WORLD_RANK')) == '1': sys.argv[4] = other",
        "runpy.run_module('minigen', run_name='__main__', alter_sys=True)",
    ]
    script = tmp_path / "other_images.py"
    script.write_text("\n".join(lines))
    process = start(2, script, "train", "ae", "--dataset", data, "--batch-size", 24, "--out", tmp_path / "run")
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode and re.search(said, err), err
    assert not (tmp_path / "run").exists()


def test_an_error_that_a_script_does_not_catch_ends_all_ranks(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import minigen as mg\nworld = mg.distributed.init()\n"
        "if world.rank == 1: raise ZeroDivisionError('of one')\nworld.gather(0)\n"
    )
    process = start(2, script)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode and "rank 1 of 2" in err and "ZeroDivisionError: of one" in err


def pid_of(mark: str, rank: int) -> int:
    """The process of that rank among those with this mark in their environment."""
    while True:
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = path.read_bytes().split(b"\0")
            except OSError:
                continue
            ranks = {f"{name}={rank}".encode() for name in ("PMI_RANK", "OMPI_COMM_WORLD_RANK")}
            if f"MARK={mark}".encode() in environment and ranks & {*environment}:
                return int(path.parent.name)
        time.sleep(0.05)


def begun(ranks, *words):
    """`minigen train` when it has said where the run is, and a mark in the environment of its processes."""
    mark = uuid.uuid4().hex
    process = start(ranks, "-m", "minigen", "train", *words, MARK=mark, PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    for line in process.stdout:
        if "folder" in line:  # behind escape sequences where a launcher gives ranks a terminal, as Open MPI's does
            break
    return process, mark


def killed(ranks, victim, after, *words):
    """Start, kill a rank so many seconds after the beginning, and wait for the end: its seconds, and stderr."""
    process, mark = begun(ranks, *words)
    time.sleep(after)
    began = time.monotonic()
    os.kill(pid_of(mark, victim), signal.SIGKILL)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode
    return time.monotonic() - began, err


@pytest.mark.slow
def test_ten_times_a_killed_rank_ends_all_and_the_run_goes_on_to_the_same_bits(data, tmp_path):
    draw = random.Random(10)
    flags = ["--dataset", data, "--batch-size", 24, "--replicas", 6, "--epochs", 10**6, "--checkpoint-every", 3]
    words = ["denoising-ae", *flags, "--out", tmp_path / "run"]
    for _ in range(10):
        ranks = draw.choice([2, 3])
        victim = draw.randrange(ranks)
        seconds, err = killed(ranks, victim, draw.uniform(0, 0.8), *words)
        assert seconds < END
        assert f"rank {victim} of {ranks}, process" in err and "has died" in err, err
        command = re.search(r"To go on: (.*)", err)
        assert command is not None, err
        assert shlex.split(command[1]) == shlex.split(f"mpiexec -n {ranks} minigen train --resume {tmp_path / 'run'}")
        words = ["--resume", tmp_path / "run"]
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    end = ["--max-steps", last.facts["state"]["step"] + 5]
    resume(3, tmp_path / "run", *end)
    run(1, "-m", "minigen", "train", "denoising-ae", *flags, "--out", tmp_path / "whole", *end)
    assert left_behind(tmp_path / "run") == left_behind(tmp_path / "whole")
