"""What the library does for all 40 models is what the command does: the same bits of parameters, metrics and results.

Fast with a few models of the three families, slow with the others.

Read next: ``test_library.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import BATCH, SHAPE, slow_unless, small_options
from training.runs import left_behind

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.cli import main
from minigen.pictures import as_png, sheet
from minigen.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # dcgan-ae has the paper's kernel

N = 150
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, N)
IMAGES = (RNG.random((N, *SHAPE)) * 0.6 + 0.1 * LABELS[:, None, None, None]).astype(np.float32)  # floats from 0 to 1
STEPS = 3


def command(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as info:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert info.value.code == 0, err
    return out


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in a file, which has the name that images in memory have, since results quote it."""
    path = tmp_path_factory.mktemp("data") / "in-memory.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    return path


#: Of each family, and what trains in several stages or with a codebook; all others are slow.
FAST = ("ae", "stacked-ae", "vae", "vq-vae", "wgan-gp", "vae-gan")


def settings_of(name: str) -> dict[str, Any]:
    usual = MODELS[name].options
    small = {key: value for key, value in small_options(name).items() if value != usual[key]}
    small |= {"n_critic": 2} if usual.get("n_critic", 1) > 1 else {}
    return {**small, "batch_size": BATCH, "max_steps": STEPS, "log_every": 1, "seed": 5}


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_the_library_does_what_the_command_does(
    name: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of(name)
    flags = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", value)]
    command(capsys, "train", name, "--dataset", file, "--out", "theirs", *flags)
    run = mg.train(name, data=IMAGES, labels=LABELS, out="ours", progress=False, **settings)
    memory = mg.train(name, data=IMAGES, labels=LABELS, progress=False, **settings)
    assert run.path == Path("ours") and memory.path is None and capsys.readouterr() == ("", "")

    theirs, ours = left_behind("theirs"), left_behind("ours")
    for key in ("files", "metrics", "samples"):
        assert ours[key] == theirs[key], key
    for checkpoint in {"last.safetensors", "best.safetensors"} & theirs.keys():
        assert ours[checkpoint][1] == theirs[checkpoint][1]  # the arrays; the facts name the data set
        kept = memory.folder.read_checkpoint(memory.folder.checkpoint_path(Path(checkpoint).stem)).arrays
        assert {key: a.tobytes() for key, a in kept.items()} == {key: a[2] for key, a in theirs[checkpoint][1].items()}
    assert run.metrics.keys() == memory.metrics.keys() == theirs["metrics"][0].keys() | {"seconds"}
    for key, column in memory.metrics.items():
        if key != "seconds":
            np.testing.assert_array_equal(column, run.metrics[key])
            assert [str(x) if x == x else "" for x in column.tolist()] == [row[key] for row in theirs["metrics"]]
    assert run.pictures.keys() == memory.pictures.keys()
    for key, picture in memory.pictures.items():
        np.testing.assert_array_equal(picture, run.pictures[key])

    written = results_of_the_command(run, capsys)
    for one in (run, memory, mg.open_run("theirs")):
        check_results(one, written)


def results_of_the_command(run: mg.Run, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command writes of the run "theirs", by its name; nothing where the model cannot."""
    experiment, written = run.experiment, dict[str, Any]()
    encodes = experiment.encode is not None or experiment.conditioned_on is not None
    reconstructs = experiment.reconstruct is not None or experiment.conditioned_on is not None
    if experiment.latent is not None:
        command(capsys, "sample", "theirs", "-o", "samples.npz", "-n", 5, "--seed", 3)
        command(capsys, "sample", "theirs", "-o", "rows.npz", "-n", 2, "--interpolate", "linear")
    if encodes:
        command(capsys, "encode", "theirs", "-o", "codes.npz")
    for path in Path().glob("*.npz"):
        with np.load(path) as file:
            written[path.stem] = dict(file)
    if reconstructs:
        command(capsys, "reconstruct", "theirs", "-o", "pairs.png", "-n", 4)
        written["pairs"] = Path("pairs.png").read_bytes()
    text = command(capsys, "evaluate", "theirs", "--json", "--samples", 0, "-k", 2)
    return {**written, "numbers": json.loads(text)}


def check_results(run: mg.Run, written: dict[str, Any]) -> None:
    """`run` is the same as the run "theirs": so must be what the library gives and the command has written."""
    modules, test = run.experiment.modules, run.images("test")
    assert run.checkpoint == ("best" if Path("theirs/checkpoints/best.safetensors").exists() else "last")
    arrays = load_checkpoint(f"theirs/checkpoints/{run.checkpoint}.safetensors").arrays
    for name, array in run.model.state_dict().items():
        key = f"{next(iter(modules))}/{name}" if len(modules) == 1 else name.replace(".", "/", 1)
        np.testing.assert_array_equal(array, arrays[f"modules/{key}"])
    if "samples" in written:
        file = written["samples"]
        np.testing.assert_array_equal(run.sample(5, seed=3), file["images"])
        np.testing.assert_array_equal(run.decode(file["codes"], file.get("labels")), file["images"])
        assert tuple(file["value_range"]) == run.value_range
        file = written["rows"]
        ends, labels = file["codes"].reshape(2, 10, -1), file.get("labels")
        rows = run.interpolate(ends[:, 0], ends[:, -1], 10, "linear", None if labels is None else labels[::10])
        np.testing.assert_array_equal(rows.reshape(file["images"].shape), file["images"])
    else:
        with pytest.raises(mg.ConfigError, match="makes no images from codes"):
            run.sample(5)
    if "codes" in written:
        np.testing.assert_array_equal(run.encode(test.images_float(), test.labels), written["codes"]["codes"])
    else:
        with pytest.raises(mg.ConfigError, match="has no encoder, so images have no codes"):
            run.encode(test)
    if "pairs" in written:
        shown = test.subset(test.random_indices(4))
        columns = run.reconstruction_columns(shown)
        assert as_png(sheet(columns, value_range=run.value_range)) == written["pairs"]
        if "corruption" not in run.config:
            np.testing.assert_array_equal(run.reconstruct(shown.images_float(), shown.labels), columns[-1])
    else:
        with pytest.raises(mg.ConfigError, match="has no encoder, so it cannot reconstruct"):
            run.reconstruct(test)
    found, numbers = run.evaluate(samples=0, k=2), written["numbers"]
    for key in ("metrics", "standard_errors", "units", "kl_per_dimension", "left_out", "settings", "doctor"):
        assert json.loads(json.dumps(found.as_dict()[key])) == numbers[key], key
    assert run.doctor() == found.checkup
