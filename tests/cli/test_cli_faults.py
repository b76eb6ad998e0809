"""Damaged, edited and deleted files of a run: what is wrong is named, what is refused changes nothing."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training.runs import left_behind, make_data

from minigen.serialization import load, load_metadata, save
from minigen.training.checkpoint import KEY, load_checkpoint
from minigen.training.prepare import training_data

VERSION_0_1 = Path(__file__).parent.parent / "training" / "version_0_1"  # a run that minigen 0.1.0 has written
LAST, BEST = (Path("run/checkpoints") / f"{name}.safetensors" for name in ("last", "best"))
SMALL = ("vae", "--latent", 2, "--hidden", 4, "--layers", 1, "--batch-size", 16, "--log-every", 1, "--lr", 0.01)
in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@pytest.fixture
def run(minigen, tmp_path_factory):
    """A run of two epochs of 4 updates in the current folder, as it was when it ended; `images.npz` is its data set.

    The file that it was trained on is gone: the data set is found by --data-dir.
    """
    kept = tmp_path_factory.getbasetemp() / "kept"
    if not kept.exists():
        data = make_data(kept.parent / "images.npz")
        assert minigen("train", *SMALL, "--dataset", data, "--epochs", 2, "--out", "run").code == 0
        shutil.move("run", kept)
        data.rename(kept.parent / "kept.npz")
    shutil.copy(kept.parent / "kept.npz", "images.npz")
    shutil.copytree(kept, "run")
    return kept


GO_ON = ("train", "--resume", "run", "--data-dir", ".", "--epochs", 3)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def one_line(result):
    return result.code in (1, 2) and len(result.err.splitlines()) == 1 and "should not happen" not in result.err


def flip(path, entry):
    """One bit of that array."""
    arrays = load(path)
    place = path.read_bytes().index(arrays[entry].tobytes())
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_the_other_checkpoint_is_offered_and_leads_to_the_same_end(minigen, run, tmp_path):
    assert minigen(*GO_ON).code == 0
    expected = left_behind("run")
    shutil.rmtree("run")
    shutil.copytree(run, "run")
    # the best checkpoint is that of an earlier epoch here, whatever the losses were
    data = shutil.copy("images.npz", run.parent / "images.npz")
    assert minigen("train", *SMALL, "--dataset", data, "--epochs", 1, "--out", "short").code == 0
    data.unlink()
    shutil.copy("short/checkpoints/best.safetensors", BEST)
    flip(LAST, "modules/model/decoder.0.weight")
    before = contents(tmp_path)
    result = minigen(*GO_ON)
    assert one_line(result) and "modules/model/decoder.0.weight changed" in result.err, result
    assert "best.safetensors is whole, it holds step 4" in result.err and "updates 5 to 8 are lost" in result.err
    assert contents(tmp_path) == before
    for words in (("reconstruct", "run", "-o", "x.png", "--data-dir", "."), ("evaluate", "run", "--data-dir", ".")):
        result = minigen(*words, "--checkpoint", "last")
        assert one_line(result) and "it holds step 4: --checkpoint best" in result.err, result
    command = shlex.split(re.search(r"to go on from there: minigen (.*) \(updates", minigen(*GO_ON).err).group(1))
    assert minigen(*command, "--data-dir", ".", "--epochs", 3).code == 0
    found = left_behind("run")
    assert json.loads(found["last.safetensors"][0])["state"]["step"] == 12
    assert found["last.safetensors"][1] == expected["last.safetensors"][1]  # bit for bit
    assert found["metrics"] == expected["metrics"]


def test_a_checkpoint_is_asked_for_by_resume_alone(minigen, run):
    result = minigen("train", *SMALL, "--dataset", "images.npz", "--checkpoint", "best")
    assert result.code == 2 and "without --resume leave it out" in result.err
    BEST.unlink()
    LAST.unlink()
    result = minigen(*GO_ON)
    assert one_line(result) and "there is no such file" in result.err and "whole" not in result.err


def rewrite(path, change):
    """Let `change` alter the facts of a checkpoint as though minigen 0.1.0 had written it: without checksums."""
    arrays, facts = load(path), json.loads(load_metadata(path)[KEY])
    facts.pop("checksums", None)
    change(facts)
    save(arrays, path, {KEY: json.dumps(facts)})


def places_in(facts, path=()):
    for name, value in facts.items():
        yield (*path, name)
        if isinstance(value, dict) and name not in ("config", "data"):
            yield from places_in(value, (*path, name))


USED = {name for name in ("model", "data", "batches", "state", "best", "validated", "last_terms", "rows", "seconds")}


@in_a_folder
@given(data=st.data())
def test_facts_that_are_damaged_are_named_and_nothing_changes(minigen, run, tmp_path, data):
    shutil.rmtree("run")
    shutil.copytree(run, "run")
    facts = json.loads(load_metadata(LAST)[KEY])
    places = [p for p in places_in(facts) if p[0] in USED | {"generators"} and p[:1] != ("last_terms",) or len(p) == 1]
    place = data.draw(st.sampled_from([p for p in places if p[0] not in ("checksums", "minigen")]))
    kind = data.draw(st.sampled_from(["misspelt", "gone", "another type"]))

    def change(facts):
        for name in place[:-1]:
            facts = facts[name]
        value = facts.pop(place[-1])
        if kind == "misspelt":
            facts[place[-1] + "x"] = value
        elif kind == "another type":
            facts[place[-1]] = [None] if not isinstance(value, list) else "x"

    rewrite(LAST, change)
    before = contents(tmp_path)
    result = minigen(*GO_ON)
    assert one_line(result) and "last.safetensors" in result.err, (place, kind, result)
    assert contents(tmp_path) == before


def test_a_misspelt_module_is_named(minigen, run):
    arrays, strings = load(LAST), load_metadata(LAST)
    facts = json.loads(strings[KEY])
    facts.pop("checksums")
    moved = {key.replace("modules/model/", "modules/modle/"): a for key, a in arrays.items()}
    save(moved, LAST, {KEY: json.dumps(facts)})
    for words in (GO_ON, ("evaluate", "run", "--checkpoint", "last"), ("sample", "run", "-o", "x.png")):
        if words[0] == "sample":
            shutil.copy(LAST, BEST)
        result = minigen(*words)
        assert one_line(result) and "it has the modules model, modle, wanted are model" in result.err, result


def config(change):
    def edit():
        path = Path("run/config.toml")
        text = path.read_text()
        assert change(text) != text
        path.write_text(change(text))

    return edit


def other_images(split):
    """Turn one image around, of those to train on or of those held out."""

    def edit():
        arrays = dict(np.load("images.npz"))
        settings = {"dataset": "images.npz", "data_dir": None, "image_size": None, "letters": False}
        parts = training_data({**settings, "validation": 0.05, "limit": None})
        image = parts[split == "held"].images[0].squeeze()
        (place,) = np.flatnonzero((arrays["images"] == image).all((1, 2)))
        arrays["images"][place] = 255 - arrays["images"][place]
        np.savez("images.npz", **arrays)

    return edit


def other_labels():
    arrays = dict(np.load("images.npz"))
    np.savez("images.npz", **{**arrays, "labels": (arrays["labels"] + 1) % 3})


def nothing():
    pass


REFUSALS = {
    "an edited rate": (config(lambda t: t.replace("lr = 0.01", "lr = 0.02")), (), "lr is 0.02 there, not 0.01"),
    "an edited schedule": (config(lambda t: t.replace('"constant"', '"cosine"')), (), "schedule is 'cosine' there"),
    "an edited clip": (config(lambda t: t.replace("clip_norm = 0.0", "clip_norm = 1.0")), (), "clip_norm is 1.0 there"),
    "an edited seed": (config(lambda t: t.replace("seed = 0", "seed = 1")), (), "seed is 1 there"),
    "a line less": (config(lambda t: t.replace("batch_size = 16\n", "")), (), "batch_size is 128 there, not 16"),
    "an unknown setting": (config(lambda t: t + "speed = 3\n"), (), "has no option 'speed'"),
    "UTF-16": (config(lambda t: "\x00" + t), (), "it is text in UTF-16; save it as UTF-8"),
    "other validation images": (other_images("held"), (), "the validation images are not those of the run"),
    "other training images": (other_images("train"), (), "the training images are not those of the run"),
    "other labels": (other_labels, (), "labels crc32 "),
    "too few epochs": (nothing, ("--epochs", 1), "epochs 1: the run has done 2 already"),
    "too few steps": (nothing, ("--max-steps", 7), "max_steps 7: the run has done 8 already"),
    "another option": (nothing, ("--lr", 0.5), "cannot change lr (0.01 -> 0.5)"),
    "a cut checkpoint": (lambda: LAST.write_bytes(LAST.read_bytes()[:-3]), (), "last.safetensors is damaged"),
    "no checkpoint": (lambda: LAST.unlink(), (), "last.safetensors: there is no such file"),
    "a flipped bit": (lambda: flip(LAST, "modules/model/decoder.0.weight"), (), "decoder.0.weight changed"),
    "another model": (config(lambda t: t.replace('"vae"', '"beta-vae"')), (), "the run is of 'beta-vae'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_resume_that_is_refused_changes_no_file(minigen, run, tmp_path, name):
    change, words, message = REFUSALS[name]
    Path("run/.minigen-0123456789abcdef.tmp").write_text("left by a killed process")
    change()
    before = contents(tmp_path)
    result = minigen(*GO_ON, *words)
    assert one_line(result) and message in result.err, result
    assert contents(tmp_path) == before
    assert minigen("train", "--resume", "run", "--epochs", "x").code == 2 and contents(tmp_path) == before


def test_an_edited_config_is_refused_by_every_command_that_uses_it(minigen, run):
    config(lambda t: t.replace("lr = 0.01", "lr = 0.02"))()
    for words in (("evaluate", "run"), ("sample", "run", "-o", "x.png"), ("encode", "run", "-o", "x.npz")):
        result = minigen(*words, "--data-dir", ".")
        assert one_line(result) and "lr is 0.02 there, not 0.01" in result.err, result


def test_what_may_change_is_taken_from_an_edited_config_and_said(minigen, run):
    config(lambda t: "# longer\n" + t.replace("epochs = 2", "epochs = 3"))()
    result = minigen("train", "--resume", "run", "--data-dir", ".")
    assert result.code == 0 and "config.toml has epochs 3, the checkpoint 2: 3 holds" in result.out
    result = minigen("train", "--resume", "run", "--data-dir", ".")
    assert result.code == 0 and "note:" not in result.out  # it is written down now


def test_a_mark_of_utf_8_is_no_fault(minigen, run):
    for path in (Path("run/config.toml"), Path("run/metrics.csv")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    shutil.copy("run/config.toml", "c.toml")
    result = minigen(*GO_ON)
    assert result.code == 0 and "note:" not in result.out
    assert minigen("train", "--config", "c.toml", "--dataset", "images.npz", "--max-steps", 1, "--out", "new").code == 0


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "binary", "a folder"])
def test_the_table_is_a_report(minigen, run, damage):
    """Without it the run goes on with the same numbers, begins a new table and says so."""
    assert minigen(*GO_ON).code == 0
    expected = load(LAST)
    shutil.rmtree("run")
    shutil.copytree(run, "run")
    table = Path("run/metrics.csv")
    content = {"empty": b"", "cut": table.read_bytes()[:60], "binary": b"\xff\x00\xfe" * 50}.get(damage)
    table.unlink()
    if content is not None:
        table.write_bytes(content)
    if damage == "a folder":
        table.mkdir()
    result = minigen(*GO_ON)
    assert result.code == 0 and "; a new table is begun" in result.out, result
    assert all(a.tobytes() == expected[key].tobytes() for key, a in load(LAST).items())
    rows = table.read_text().splitlines()
    assert rows[0].startswith("step,epoch,split,seconds,loss") and rows[1].startswith("9,3,batch")
    assert (damage == "gone") != Path("run/metrics.damaged.csv").exists()
    again = minigen("train", "--resume", "run", "--data-dir", ".", "--epochs", 4)
    assert again.code == 0 and "note:" not in again.out


def test_control_sequences_are_shown_and_not_obeyed(minigen, run, tmp_path):
    evil = "\x1b]0;owned\x07\x1b[31m\u202e"
    for text, words in (
        (f'model = "{evil}"', ()),
        (f'"{evil}" = 3', ()),
        (f'dataset = "{evil}"', ()),
        (f'[{json.dumps(evil)}]', ()),
        (f'device = "{evil}"', ()),
        (f'optimizer = "{evil}"', ("vae",)),
    ):  # fmt: skip
        text = text.replace("\x1b", "\\u001b").replace("\x07", "\\u0007")
        Path("c.toml").write_text(text)
        good = Path("run/config.toml").read_text()
        for result in (
            minigen("train", *words, "--config", "c.toml"),
            minigen("train", *words, "--config", "c.toml", "--dataset", "images.npz", "--epochs", 1),
        ):
            assert one_line(result) or result.code == 0 or "No" in result.err
            assert not set("\x1b\x07\u202e") & set(result.out + result.err), result
        name, _, _ = text.partition(" = ")
        others = [line for line in good.splitlines() if not line.startswith(f"{name} = ")]
        edited = "\n".join([text, *others] if " = " in text else [*others, text])
        Path("run/config.toml").write_text(edited)
        for words in (
            GO_ON,
            ("evaluate", "run"),
            ("reconstruct", "run", "-o", "x.png"),
            ("sample", "run", "-o", "x.png"),
        ):
            result = minigen(*words)
            assert not set("\x1b\x07\u202e") & set(result.out + result.err), result
        Path("run/config.toml").write_text(good)
    folder = tmp_path / "a\x1b[31mb"
    shutil.copytree("run", folder)
    for words in (
        ("evaluate", folder),
        ("train", "--resume", folder),
        ("encode", folder, "-o", folder / "x.npz"),
    ):
        result = minigen(*words, "--data-dir", ".")
        assert result.code == 0 and "\x1b" not in result.out + result.err and "\\x1b[31m" in result.out, result


def test_a_run_of_version_0_1_goes_on_bit_for_bit(minigen, tmp_path):
    """It has no checksums. Written anew, with checksums, it goes on with the same bits."""
    shutil.copytree(VERSION_0_1, "old")
    shutil.copytree(VERSION_0_1, "new")
    old, new = (Path(name, "run/checkpoints/last.safetensors") for name in ("old", "new"))
    assert "checksums" not in load_checkpoint(old).facts
    words = ("train", "--resume", "new/run", "--data-dir", "new")
    assert minigen(*words, "--checkpoint", "best").code == 0  # at the same step; the last one is written anew
    assert "checksums" in load_checkpoint(new).facts
    kept = load(VERSION_0_1 / "run/checkpoints/last.safetensors")
    assert all(a.tobytes() == kept[key].tobytes() for key, a in load(new).items())
    for name in ("old", "new"):
        result = minigen("train", "--resume", f"{name}/run", "--data-dir", name, "--max-steps", 11)
        assert result.code == 0 and "from step 6" in result.out and "note:" not in result.out, result
        assert minigen("evaluate", f"{name}/run", "--data-dir", name).code == 0
    found, expected = left_behind("new/run"), left_behind("old/run")
    assert found["metrics"] == expected["metrics"] and found["last.safetensors"][1] == expected["last.safetensors"][1]
    rows = (VERSION_0_1 / "run/metrics.csv").read_text()
    assert Path("old/run/metrics.csv").read_text().startswith(rows)
