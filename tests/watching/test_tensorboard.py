"""Runs with ``--log tensorboard``, stopped, killed and resumed: TensorBoard's own reader finds every step once.

Read next: ``test_loggers.py``.
"""

from __future__ import annotations

import csv
import random
import signal
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.runs import make_data, run, spawn

import minigen as mg
from minigen.training import watch
from minigen.training.session import Interrupted
from minigen.watching import TensorBoard, tensorboard
from minigen.watching.tensorboard import LARGEST, sort_out

pytest.importorskip("tensorboardX", reason="needs tensorboardX")
accumulators = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard, to read what was written"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "images.npz")


def read(folder):
    """What TensorBoard reads in the event files of a run folder."""
    sizes = dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)  # 0: all of them
    found = accumulators.EventAccumulator(str(folder / "tensorboard"), size_guidance=sizes)
    found.Reload()
    return found


def curves(folder):
    """Every scalar by its name: steps and values."""
    found = read(folder)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def table(folder):
    """The same from ``metrics.csv``."""
    with open(folder / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for name, cell in list(row.items())[4:]:
            if cell:
                found.setdefault(f"{row['split']}/{name}", []).append((int(row["step"]), np.float32(cell)))
    return found


def pictures_and_histograms(folder):
    found = read(folder)
    return {
        **{tag: [(e.step, e.encoded_image_string) for e in found.Images(tag)] for tag in found.Tags()["images"]},
        **{tag: [(e.step, e.histogram_value) for e in found.Histograms(tag)] for tag in found.Tags()["histograms"]},
    }


def test_all_of_a_run_is_there(data, tmp_path, caplog):
    made = run(data, tmp_path / "run", log="tensorboard", model="vae")
    found = read(tmp_path / "run")
    assert curves(tmp_path / "run") == table(tmp_path / "run")
    assert not [record for record in caplog.records if "tensorboard" in record.name]  # it misses nothing
    steps = [4, 8]
    assert [e.step for e in found.Images("samples")] == steps
    (first, *_) = found.Images("samples")
    assert first.encoded_image_string.startswith(b"\x89PNG")
    for name, p in made.parameters.items():
        for kind in ("weights", "gradients"):
            histograms = found.Histograms(f"{kind}/{name}")
            assert [e.step for e in histograms] == steps
        last = found.Histograms(f"weights/{name}")[-1].histogram_value
        values = p.numpy().astype(np.float64)
        assert (last.num, last.min, last.max) == (p.size, values.min(), values.max())
        assert sum(last.bucket) == p.size and last.sum == pytest.approx(values.sum(), abs=1e-9)
    assert (
        found.summary_metadata["train/kl"].summary_description
        == "nats per sample, sum over the code, mean over the updates of the epoch"
    )
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= found.summary_metadata.keys()
    assert b"batch_size" in found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"too few updates" in found.Tensors("doctor/text_summary")[0].tensor_proto.string_val[0]


@pytest.mark.parametrize("after", [1, 3, 4, 6])
def test_a_stopped_run_goes_on_without_a_step_twice(data, tmp_path, after):
    settings = {"log": "csv,tensorboard", "checkpoint_every": 3}
    run(data, tmp_path / "whole", **settings)
    steps = iter(range(1, after + 1))
    with pytest.raises(Interrupted):
        run(data, tmp_path / "parts", stop=lambda: next(steps) == after, **settings)
    run(data, tmp_path / "parts", resume=True, **settings)
    assert curves(tmp_path / "parts") == curves(tmp_path / "whole")
    whole, parts = (pictures_and_histograms(tmp_path / name) for name in ("whole", "parts"))
    if after == 4:  # between the last update of an epoch and its end: a checkpoint has no gradients
        assert [step for step, _ in parts.pop("gradients/decoder.2.bias")] == [8]
        whole, parts = ({k: v for k, v in found.items() if "gradients/" not in k} for found in (whole, parts))
    same = parts == whole  # pytest would print all of it
    assert same


class Killed(Exception):  # noqa: N818
    """Stands for a process that is gone."""


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "half"])
@pytest.mark.parametrize("event", [2, 3, 5, 6, 7, 8, 9, 20, 43, 44])
def test_a_run_that_ends_in_any_event(data, tmp_path, monkeypatch, event, whole):
    """The events that were written after the last checkpoint come once more, and are there once; a half one is gone."""
    settings = {"log": "tensorboard", "checkpoint_every": 3, "epochs": 3}
    write, left = TensorBoard._event, [event]

    def write_or_die(self, **fields):
        write(self, **fields)
        left[0] -= 1
        if not left[0]:
            self._file.close()
            path = next(self.folder.iterdir())
            path.write_bytes(path.read_bytes()[: None if whole else -10])
            raise Killed

    monkeypatch.setattr(TensorBoard, "_event", write_or_die)
    with pytest.raises(Killed):
        run(data, tmp_path / "run", **settings)
    monkeypatch.undo()
    again = (tmp_path / "run").exists()  # if it saw no step there is nothing to keep
    run(data, tmp_path / "run", resume=again, **settings)
    assert again == (event > 2)
    assert curves(tmp_path / "run") == table(tmp_path / "run")
    found = pictures_and_histograms(tmp_path / "run")
    assert "samples" in found and all([step for step, _ in found[tag]] == [4, 8, 12] for tag in found)


def test_the_option_comes_and_goes(data, tmp_path):
    """A run that is resumed without it has a gap; what is written again by it is cut out all the same."""
    folder = tmp_path / "run"
    run(data, folder, log="tensorboard", epochs=1)
    run(data, folder, log="csv", epochs=2, resume=True)
    assert [step for step, _ in curves(folder)["train/loss"]] == [4]
    run(data, folder, log="tensorboard", epochs=3, resume=True)
    assert [step for step, _ in curves(folder)["train/loss"]] == [4, 12]
    assert len(list((folder / "tensorboard").iterdir())) == 2
    assert b"epochs" in read(folder).summary_metadata["_hparams_/session_start_info"].plugin_data.content


def test_a_run_goes_back_to_its_best_checkpoint_where_the_package_is_missing(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    made = mg.train("ae", "glyphs", limit=300, epochs=2, log="tensorboard", out=folder, progress=False, log_every=1)
    monkeypatch.setattr(tensorboard, "why_not", lambda: "it is missing")
    monkeypatch.setattr(watch, "why_not", lambda: "it is missing")
    with pytest.raises(mg.ConfigError, match="--log tensorboard: it is missing"):
        made.resume(epochs=3)
    best = made.at("best").checkpoint_facts["state"]["step"]
    made.resume(checkpoint="best", epochs=3, log="csv", progress=False)
    assert max(step for step, _ in curves(folder)["batch/loss"]) == best


def test_a_missing_package_is_named_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(mg.ConfigError, match=r"--log tensorboard: .*pip install 'minigen-engine\[tensorboard\]'"):
        mg.train("ae", "no-such-data", log="tensorboard", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_in_memory_has_no_folder():
    with pytest.raises(mg.ConfigError, match="--log tensorboard: event files need a folder.*out="):
        mg.train("ae", log="tensorboard")


def test_a_deleted_file_is_begun_anew(tmp_path):
    board = TensorBoard(tmp_path / "tensorboard")
    board.start({}, {}, 0)
    board.scalars(1, {"batch/loss": 1.0})
    (path,) = board.folder.iterdir()
    path.unlink()
    board.folder.rmdir()
    board.scalars(2, {"batch/loss": 2.0})
    board.finish()
    assert curves(tmp_path) == {"batch/loss": [(2, 2.0)]}


@given(st.lists(st.floats(width=64), min_size=1))
def test_every_value_is_in_the_histogram_or_counted_beside_it(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("run")
    board = TensorBoard(folder / "tensorboard")
    array = np.array(values)
    board.start({}, {}, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        board.histograms(1, {"weights/w": array})
    board.finish()
    found = read(folder)
    drawn = found.Histograms("weights/w")[0].histogram_value if "weights/w" in found.Tags()["histograms"] else None
    beside = {tag.split("/")[-1]: found.Scalars(tag)[0].value for tag in found.Tags()["scalars"]}
    assert (drawn.num if drawn else 0) + sum(beside.values()) == array.size
    assert beside.get("NaN", 0) == np.isnan(array).sum() and beside.get("infinite", 0) == np.isinf(array).sum()
    inside = array[np.abs(array) <= LARGEST]
    assert sort_out(array)[0].tolist() == inside.tolist()
    if drawn:
        assert sum(drawn.bucket) == inside.size and drawn.bucket_limit[-1] == inside.max()


@pytest.mark.slow
def test_killed_runs(tmp_path):
    data = make_data(tmp_path / "images.npz", n=900)
    words = ("train", "denoising-ae", "--dataset", data, "--out", tmp_path / "run", "--batch-size", 16, "--epochs", 6)
    words += ("--checkpoint-every", 7, "--log-every", 1, "--latent", 4, "--log", "csv,tensorboard")
    rng, killed = random.Random(0), 0
    for _ in range(4):
        process = spawn(*words)
        limit = time.monotonic() + 60
        while not list(tmp_path.glob("run/tensorboard/*")) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.05, 1.2))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        words = ("train", "--resume", tmp_path / "run")
    _, error = (process := spawn(*words)).communicate()
    assert process.returncode == 0, error
    assert killed >= 1
    assert curves(tmp_path / "run") == table(tmp_path / "run")
