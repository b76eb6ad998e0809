"""``minigen import``: a run with the weights of a file, its former checkpoint kept, or the run as it was.

Read next: ``minigen/runs/importing.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.conftest import Result, data, minigen  # noqa: F401 - fixtures

import minigen as mg
from minigen import weights
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import load_checkpoint
from minigen.training.run_folder import RunFolder

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def gan_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811 - the fixture above
    folder = tmp_path_factory.mktemp("runs") / "gan"
    mg.train(
        "lsgan", data, network="dense", hidden=8, latent=3, max_steps=3, batch_size=16, out=folder, progress=False
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def ae_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("runs") / "ae"
    mg.train("denoising-ae", data, latent=4, epochs=2, batch_size=16, out=folder, progress=False)
    return folder


@pytest.fixture
def gan(gan_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(gan_folder, tmp_path / "gan"))


@pytest.fixture
def ae(ae_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ae_folder, tmp_path / "ae"))


def other_weights(run: mg.Run, part: str, path: Path) -> dict[str, Any]:
    """A file of random weights for a part of a run."""
    rng = np.random.default_rng(5)
    module = run.model
    for name in filter(None, part.split(".")):
        module = getattr(module, name)
    state = {key: rng.random(a.shape).astype(a.dtype) for key, a in module.state_dict().items()}
    mg.save(state, path)
    return state


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_generator_comes_in(minigen: Command, gan: Path) -> None:  # noqa: F811
    before, run = load_checkpoint(gan / "checkpoints/last.safetensors"), mg.open_run(gan)
    state = other_weights(run, "generator", Path("g.safetensors"))
    done = minigen("import", "g.safetensors", "--into", gan, "--part", "generator")
    assert done.code == 0 and f"{len(state)} entries from g.safetensors" in done.out
    for text in ("'average', the moving average of 'generator', has its weights now",
                 "Optimizers that start anew: generator", "kept: last-before-import-1.safetensors"):  # fmt: skip
        assert text in done.err
    kept = load_checkpoint(gan / "checkpoints/last-before-import-1.safetensors")
    assert kept.facts == before.facts and all(np.array_equal(a, before.arrays[k]) for k, a in kept.arrays.items())
    now = load_checkpoint(gan / "checkpoints/last.safetensors")
    for key, array in now.arrays.items():
        group, network, entry = key.split("/")
        if group == "modules" and network == "generator":
            np.testing.assert_array_equal(array, state[entry])
        elif key.startswith("modules/average/network."):
            np.testing.assert_array_equal(array, state[entry.removeprefix("network.")])
        elif key.startswith("optimizers/generator/"):
            assert entry == "lr" or not array.any()
        else:
            np.testing.assert_array_equal(array, before.arrays[key])  # the discriminator and its optimizer
    assert {k: v for k, v in now.facts.items() if k not in ("imports", "last_terms", "checksums")} == {
        k: v for k, v in before.facts.items() if k not in ("last_terms", "checksums")
    }
    opened = mg.open_run(gan)
    (one,) = opened.imports
    assert one["file"] == os.path.abspath("g.safetensors") and one["part"] == "generator" and one["step"] == 3
    assert one["sha256"] == hashlib.sha256(Path("g.safetensors").read_bytes()).hexdigest()
    assert "weights of g.safetensors at step 3" in repr(opened)
    images = opened.sample(2)
    assert not np.array_equal(images, run.sample(2)) and np.isfinite(images).all()


def test_training_goes_on_and_remembers(minigen: Command, gan: Path) -> None:  # noqa: F811
    other_weights(mg.open_run(gan), "generator", Path("g.safetensors"))
    assert minigen("import", "g.safetensors", "--into", gan, "--part", "generator").code == 0
    assert minigen("train", "--resume", gan, "--max-steps", 5).code == 0
    run = mg.open_run(gan)
    assert run.checkpoint_facts["state"]["step"] == 5 and run.imports[0]["step"] == 3
    shown = minigen("info", gan)
    assert shown.code == 0 and "import 1" in shown.out and "g.safetensors into generator, at step 3" in shown.out
    assert json.loads(minigen("info", gan, "--json").out)["last checkpoint"]["step"] == 5


def test_the_best_checkpoint_is_kept_and_no_longer_opened(minigen: Command, ae: Path) -> None:  # noqa: F811
    best = (ae / "checkpoints/best.safetensors").read_bytes()
    state = other_weights(mg.open_run(ae), "", Path("w.safetensors"))
    assert minigen("import", "w.safetensors", "--into", ae).code == 0
    assert (ae / "checkpoints/best-before-import-1.safetensors").read_bytes() == best
    assert not (ae / "checkpoints/best.safetensors").exists()
    run = mg.open_run(ae)
    assert run.checkpoint == "last" and run.imports[0]["kept"] == [
        "last-before-import-1.safetensors", "best-before-import-1.safetensors",
    ]  # fmt: skip
    assert all(np.array_equal(a, state[k]) for k, a in run.model.state_dict().items())
    assert minigen("import", "w.safetensors", "--into", ae, "--part", "model").code == 0  # the network by its name
    assert (ae / "checkpoints/last-before-import-2.safetensors").exists()
    again = minigen("import", ae / "checkpoints/best-before-import-1.safetensors", "--into", ae)
    assert again.code == 0 and "It is a checkpoint of a run" in again.err
    assert minigen("train", "--resume", ae, "--epochs", 3).code == 0
    assert (ae / "checkpoints/best.safetensors").exists() and len(mg.open_run(ae, "best").imports) == 3


def test_a_dry_run_shows_all_and_changes_nothing(minigen: Command, gan: Path) -> None:  # noqa: F811
    run = mg.open_run(gan)
    weights.write(run.model, "all.safetensors")
    before = contents(gan)
    for part, start in ((), ""), (("--part", "discriminator.features"), "discriminator.features."):
        shown = minigen("import", "all.safetensors", "--into", gan, *part, "--dry-run")
        entries = [key for key in run.model.state_dict() if key.startswith(start)]
        assert shown.code == 0 and f"{len(entries)} entries fit; nothing was changed" in shown.out
        assert all(key.removeprefix(start) in shown.out for key in entries)
    refused = minigen("import", "all.safetensors", "--into", gan, "--map", "average.=ema.", "--dry-run")
    assert refused.code == 1 and "missing average.updates ()" in refused.err and "entry" in refused.out
    assert contents(gan) == before


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["w.safetensors", "--part", "head"], 2, "no part is called 'head': the model has encoder, decoder"),
        (["w.safetensors", "--part", "encoder.9"], 2, "no part is called 'encoder.9': encoder has 0, 1"),
        (["w.safetensors", "--map", "x"], 2, "--map x: write OLD=NEW"),
        (["w.safetensors", "--map", "a=b", "--by-order"], 2, "--map has no meaning"),
        (["w.safetensors", "--by-order"], 1, "so their order says nothing"),
        (["w.safetensors", "--map", "decoder.=x."], 1, "missing decoder.0.bias"),
        (["none.pt"], 1, "cannot read none.pt: there is no such file"),
    ],
)
def test_what_is_refused_leaves_the_run_as_it_was(
    minigen: Command, ae: Path, words: list[str], code: int, text: str  # noqa: F811
) -> None:  # fmt: skip
    other_weights(mg.open_run(ae), "", Path("w.safetensors"))
    before = contents(ae)
    done = minigen("import", *words, "--into", ae)
    assert done.code == code and text in done.err and done.err.count("\n") == 1 and contents(ae) == before


def test_a_run_that_is_being_trained_is_left_alone(minigen: Command, ae: Path) -> None:  # noqa: F811
    other_weights(mg.open_run(ae), "", Path("w.safetensors"))
    with RunFolder(ae).lock():
        done = minigen("import", "w.safetensors", "--into", ae)
    assert done.code == 1 and "another process is training" in done.err
    gone = minigen("import", "w.safetensors", "--into", "nowhere")
    assert gone.code == 1 and "run folder nowhere does not exist" in gone.err


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_full_disk_leaves_the_run_as_it_was(ae: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run = mg.open_run(ae)
    other_weights(run, "", ae.parent / "w.safetensors")
    before, count = contents(ae), iter(range(1, 9))

    def write(path: Any, checkpoint: Any) -> None:
        if next(count) == fails_at:
            raise CheckpointError("the disk is full")
        true_write(path, checkpoint)

    from minigen.training import run_folder

    true_write = run_folder.write_checkpoint
    monkeypatch.setattr(run_folder, "write_checkpoint", write)
    with pytest.raises(CheckpointError, match="the disk is full"):
        run.import_weights(ae.parent / "w.safetensors")
    assert contents(ae) == before and run.imports == []


@pytest.mark.parametrize("suffix", weights.SUFFIXES)
@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_the_command_writes_what_it_reads(minigen: Command, gan: Path, part: str, suffix: str) -> None:  # noqa: F811
    """A file of the discriminator in Keras needs the size of the images, which the run has."""
    pytest.importorskip("h5py", reason="h5py is not installed: it reads and writes Keras' files")
    pytest.importorskip("torch", reason="PyTorch is not installed: it writes these files")
    before = getattr(mg.open_run(gan).model, part).state_dict()
    for _ in range(2):  # the second time it replaces its own file
        done = minigen("export", gan, "--part", part, "-o", f"x{suffix}")
        assert done.code == 0, done.err
    done = minigen("import", f"x{suffix}", "--into", gan, "--part", part)
    assert done.code == 0, done.err
    after = getattr(mg.open_run(gan).model, part).state_dict()
    assert before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)


def test_a_kill_at_any_moment_leaves_the_former_run_or_the_new_one(
    ae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder before each change: a best checkpoint that is gone is there under its new name, and no longer told."""
    run = mg.open_run(ae)
    other_weights(run, "", ae.parent / "w.safetensors")
    best, seen = (ae / "checkpoints/best.safetensors").read_bytes(), []

    def looks_first(name: str) -> None:
        change = getattr(RunFolder, name)

        def wrapped(self: RunFolder, *args: Any) -> None:
            seen.append(Path(shutil.copytree(ae, tmp_path / f"then-{len(seen)}")))
            change(self, *args)

        monkeypatch.setattr(RunFolder, name, wrapped)

    for name in ("write_checkpoint", "copy", "remove"):
        looks_first(name)
    run.import_weights(ae.parent / "w.safetensors")
    monkeypatch.undo()
    assert len(seen) == 4
    for folder in (*seen, ae):
        told = load_checkpoint(folder / "checkpoints/last.safetensors").facts["best"]
        place = "best" if told else "best-before-import-1"
        assert (folder / f"checkpoints/{place}.safetensors").read_bytes() == best
        assert mg.open_run(folder).checkpoint == ("last" if folder == ae else "best")


def test_a_run_in_memory(data: Path, tmp_path: Path) -> None:  # noqa: F811
    run = mg.train("ae", data, latent=4, max_steps=2, batch_size=16, progress=False)
    state = other_weights(run, "decoder", tmp_path / "d.safetensors")
    plan = run.import_weights(tmp_path / "d.safetensors", "decoder")
    assert len(plan.moves) == len(state) and len(run.imports) == 1
    assert all(np.array_equal(a, state[k]) for k, a in run.model.decoder.state_dict().items())
