"""Models that are told classes, on labels that are rare, sorted, gapped or words; and what commands say of data."""

import numpy as np
import pytest
from training.runs import make_data

from minigen import pictures
from minigen.data import load
from minigen.training.prepare import training_data

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
MODELS = ["cvae", "cgan", "acgan"]


def train(minigen, model, data, *words, out="run"):
    gan = ("--network", "dense") if model.endswith("gan") else ()
    result = minigen("train", model, "--dataset", data, *gan, "--max-steps", 2, "--batch-size", 8, "--out", out, *words)
    assert result.code == 0, result.err
    return result.out


def save(labels, images=BYTES):
    np.savez("d.npz", images=images, labels=labels)
    return "d.npz"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("place", [10, 11])  # a test image, a validation image
def test_a_class_of_one_image_that_is_held_out(minigen, model, place):
    labels = np.arange(60) % 2
    labels[place] = 2
    out = train(minigen, model, save(labels), "--validation", 0.05)
    assert "3 classes (0, 1, 2)" in out and "of 3 classes, these have no training image: 2" in out
    commands = [("sample", "run", "-o", "s.npz", "-n", 6), ("evaluate", "run", "--samples", 0)]
    if model == "cvae":
        commands += [("encode", "run", "-o", "e.npz"), ("encode", "run", "-o", "v.npz", "--split", "valid")]
        commands += [("reconstruct", "run", "-o", "r.png", "--split", split) for split in ("train", "valid", "test")]
    for words in commands:
        result = minigen(*words)
        assert result.code == 0, result.err
    assert np.load("s.npz")["labels"].tolist() == [0, 1] * 3  # the class without training images is not drawn
    assert "--class 2: there was no image of this class" in minigen("sample", "run", "-o", "x.png", "--class", 2).err


LABELS = {
    "from 1": (np.arange(60) % 3 + 1, ["1", "2", "3"]),
    "gap": (np.arange(60) % 2 * 7, ["0", "7"]),
    "words": (np.array(["red fox", "ant"])[np.arange(60) % 2], ["ant", "red fox"]),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", LABELS)
def test_classes_that_exist_are_sampled_by_name(minigen, model, case):
    labels, names = LABELS[case]
    out = train(minigen, model, save(labels))
    assert f"{len(names)} classes ({', '.join(names)})" in out
    assert minigen("sample", "run", "-o", "s.npz", "-n", 8).code == 0
    with np.load("s.npz") as file:
        assert file["labels"].tolist() == [k % len(names) for k in range(8)]
        assert file["class_names"].tolist() == names
    for k, name in enumerate(names):
        result = minigen("sample", "run", "-o", "s.npz", "-n", 2, "--class", name)
        assert result.code == 0 and f"2 images of class {name}, " in result.out
        assert np.load("s.npz")["labels"].tolist() == [k, k]
    numbers = [str(k) for k in range(3) if str(k) not in names] if names[0].isdecimal() else []
    for name in ("two", *numbers):  # a number that is no label is no class, where labels are numbers
        result = minigen("sample", "run", "-o", "x.png", "--class", name)
        assert result.code == 2 and f"--class {name}: the model has the classes {', '.join(names)}" in result.err


def test_the_categories_of_infogan_are_its_own(minigen):
    """They are neither as many as the classes of the data nor called like them, and data needs no labels for them."""
    for labels in (LABELS["words"][0], np.arange(60)):
        train(minigen, "infogan", save(labels), "--categories", 4, out=f"run{labels[0]}")
        assert minigen("sample", f"run{labels[0]}", "-o", "s.npz", "-n", 6, "--class", 3).code == 0
        with np.load("s.npz") as file:
            assert file["labels"].tolist() == [3] * 6 and "class_names" not in file


def test_a_limit_keeps_all_classes(minigen):
    labels = np.repeat(np.arange(3), 20)  # sorted, as folders are
    for model in MODELS:
        out = train(minigen, model, save(labels), "--limit", 15, out=model)
        assert (
            "--limit: 15 of 54 images, drawn at random" in out and "3 classes" in out and "no training image" not in out
        )
        assert minigen("sample", model, "-o", "x.png", "--class", 2).code == 0


@pytest.mark.parametrize("limit", [1, 2, 15, 53, 54, 99])
def test_the_part_that_a_limit_leaves(tmp_path, limit):
    np.savez(tmp_path / "d.npz", images=BYTES, labels=np.repeat(np.arange(3), 20))
    names = {"data_dir": None, "image_size": None, "letters": False, "validation": 0.0, "data_rules": 2}
    config = {"dataset": str(tmp_path / "d.npz"), "limit": limit, **names}
    (train, _), (again, _) = training_data(config), training_data(config)
    whole = {x.tobytes() for x in load(tmp_path / "d.npz").images}
    assert len(train) == min(limit, 54) and len(set(train.labels)) == min(limit, 3) and train.classes == ("0", "1", "2")
    assert np.array_equal(train.images, again.images) and {x.tobytes() for x in train.images} <= whole


def test_reconstructed_pictures_are_drawn(minigen, monkeypatch):
    """Of data that is sorted by class, a few images are of all classes; the defaults shrink with the data."""
    labels = np.repeat(np.arange(3), 20)
    train(minigen, "cvae", save(labels), "--validation", 0.5)
    seen = []
    sheet = pictures.sheet
    monkeypatch.setattr("minigen.cli.reconstruct.sheet", lambda parts, **_: seen.append(parts[0]) or sheet(parts))
    for words in (("-n", 3), ("-n", 3), ("-n", 3, "--seed", 1), ()):
        assert minigen("reconstruct", "run", "-o", "x.png", "--split", "train", *words).code == 0
    one, same, other, default = seen
    of = {x.tobytes(): y for x, y in zip((BYTES / np.float32(255)).astype(np.float32), labels, strict=True)}
    assert sorted(of[x[0].tobytes()] for x in one) == [0, 1, 2] and len(default) == 16
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert minigen("reconstruct", "run", "-o", "x.png").code == 0 and len(seen[-1]) == 6  # all test images
    result = minigen("reconstruct", "run", "-o", "x.png", "-n", 7)
    assert result.code == 2 and "-n 7: the split 'test' has 6 images" in result.err


def test_held_out_images_are_shown(minigen, data):
    train(minigen, "ae", data, "--validation", 0.2)
    config = {"dataset": str(data), "data_dir": None, "image_size": None, "letters": False, "limit": None}
    held = training_data({**config, "validation": 0.2, "data_rules": 2})[1]
    assert minigen("encode", "run", "-o", "e.npz", "--split", "valid").code == 0
    with np.load("e.npz") as file:
        assert file["labels"].tolist() == held.labels.tolist() and file["split"] == "valid"
    assert minigen("reconstruct", "run", "-o", "x.png", "--split", "valid").code == 0
    train(minigen, "ae", data, "--validation", 0, out="none")
    result = minigen("encode", "none", "-o", "e.npz", "--split", "valid")
    assert result.code == 2 and "the run held out no images" in result.err


def test_images_that_have_changed_since_the_training_are_named(minigen, tmp_path):
    """Held out or not is decided by the number of images: of other data it may be one that was trained on."""
    data = make_data(tmp_path / "mine.npz", n=30)
    train(minigen, "ae", data)
    for n, notes in ((30, 0), (29, 1)):
        make_data(data, n=n)
        for command in ("reconstruct run --split valid -o x.png", "encode run --split train -o e.npz", "evaluate run"):
            result = minigen(*command.split())
            assert result.code == 0, result
            assert result.err.count("mine.npz has changed since then") == notes, (n, command, result)
        assert "note" not in minigen("encode", "run", "-o", "e.npz").err  # the test images are as good as others
    with np.load(make_data(data, n=30)) as file:
        arrays = dict(file)
    config = {"dataset": str(data), "data_dir": None, "image_size": None, "letters": False, "limit": None}
    (held,) = training_data({**config, "validation": 0.05, "data_rules": 2})[1].images
    (index,) = (i for i, x in enumerate(arrays["images"]) if np.array_equal(x, held[0]))
    arrays["images"][index] = arrays["images"][index - 1]
    np.savez(data, **arrays)
    assert "the valid images are not those" in minigen("encode", "run", "--split", "valid", "-o", "e.npz").err


def test_a_default_batch_shrinks_and_a_given_one_is_refused(minigen, tmp_path):
    make_data(tmp_path / "few.npz", n=30)
    result = minigen("train", "ae", "--dataset", "few.npz", "--epochs", 1, "--out", "run")
    assert result.code == 0 and "--batch-size 26, not 128, because there are no more images" in result.out
    assert "batch_size = 26" in (tmp_path / "run" / "config.toml").read_text()
    for line in result.out.splitlines():  # what it recommends works
        if line.startswith("next: minigen "):
            assert minigen(*line.split()[2:]).code == 0, line
    assert minigen("train", "--resume", "run", "--epochs", 2).code == 0
    result = minigen("train", "ae", "--dataset", "few.npz", "--batch-size", 27)
    assert result.code == 2 and "--batch-size 27 is larger than the 26 images that there are to train on" in result.err
    result = minigen("train", "wgan", "--dataset", "few.npz", "--limit", 3)  # an update takes 5 batches
    assert result.code == 2 and "at least 5 images" in result.err


def test_a_run_of_version_0_1_0_goes_on_by_its_rules(minigen, tmp_path):
    """Its config.toml says nothing of rules: labels keep their numbers, limits and pictures take the first images."""
    floats = BYTES / np.float32(255)
    floats[3, 0, 0] = -1e-7
    save(np.repeat([1, 3], 30), floats)
    words = ("--dataset", "d.npz", "--limit", 40, "--batch-size", 8, "--network", "dense", "--threads", 1)
    for out in ("one", "two"):
        epochs = 2 if out == "one" else 1
        assert minigen("train", "cgan", *words, "--data-rules", 1, "--epochs", epochs, "--out", out).code == 0
        config = tmp_path / out / "config.toml"
        config.write_text(config.read_text().replace("data_rules = 1\n", ""))
    result = minigen("train", "--resume", "two", "--epochs", 2)
    assert result.code == 0 and "values -1 to 1" in result.out, result.err
    for name in ("epoch_001.png", "epoch_002.png"):
        assert (tmp_path / "one/samples" / name).read_bytes() == (tmp_path / "two/samples" / name).read_bytes()
    assert minigen("sample", "two", "-o", "s.npz", "-n", 4).code == 0
    assert np.load("s.npz")["labels"].tolist() == [0, 1, 2, 3]  # the classes that this model was built with


def test_a_run_on_folders_that_are_splits_today_goes_on_with_the_classes_that_they_were(minigen, tmp_path):
    """Before rules 3 the folders ``train`` and ``val`` of pictures were two classes."""
    for k, x in enumerate(BYTES):
        folder = tmp_path / "set" / ("train" if k % 3 else "val")
        folder.mkdir(parents=True, exist_ok=True)
        pictures.save_png(x, folder / f"{k}.png", scale=1)
    words = ("--dataset", "set", "--batch-size", 8, "--max-steps", 9, "--threads", 1)
    out = train(minigen, "cvae", "set", *words[2:-4], "--data-rules", 2)
    assert "2 classes (train, val)" in out
    result = minigen("train", "--resume", "run", "--max-steps", 4)
    assert result.code == 0 and "2 classes (train, val)" in result.out, result.err
    result = minigen("train", "ae", *words, "--out", "new")
    assert result.code == 0 and "the images for validation are the test set, since there is no other" in result.out
    assert "data_rules = 3" in (tmp_path / "new/config.toml").read_text() and "classes" not in result.out
    result = minigen("data", "inspect", "set")
    assert result.code == 0 and "60: 40 to train on and 20 of the test set" in result.out


@pytest.mark.parametrize("name", ["rare.npz"])
def test_an_old_model_that_does_not_know_a_class_says_so(minigen, name):
    labels = np.arange(60) % 2
    labels[10] = 2
    train(minigen, "cvae", save(labels), "--data-rules", 1)
    result = minigen("evaluate", "run")
    assert result.code == 1 and "was trained on 2 of them, and cannot be told of others; train it again" in result.err


def test_what_was_passed_over_stands_in_the_header(minigen):
    np.savez("d.npz", images=BYTES, y_train=np.arange(60))
    out = train(minigen, "ae", "d.npz")
    assert "note       not used of d.npz: y_train (labels are called labels, y, label, targets)" in out
    result = minigen("train", "cvae", "--dataset", "d.npz")
    assert result.code == 2 and "cvae needs labels" in result.err and "not used of d.npz: y_train" in result.err


CONVERT = {
    "d.csv": "np.loadtxt(",
    "d.tsv": 'delimiter="\\t"',
    "d.tar.gz": "python -m tarfile -e d.tar.gz d",
    "d.tgz": "python -m tarfile -e d.tgz d",
    "d.zip": "python -m zipfile -e d.zip d",
    "d.png": "name the folder that holds it",
    "d.mat": "np.savez('data.npz'",
}


@pytest.mark.parametrize("name", CONVERT)
def test_how_to_convert_other_files(minigen, tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ValueError, match="is not a folder, a .npy, .npz, .tar or .parquet file; ") as caught:
        load(name)
    assert CONVERT[name] in str(caught.value)


def test_the_command_that_converts_a_table_does(tmp_path, monkeypatch):
    table = tmp_path / "a table.csv"
    rows = np.column_stack([np.arange(20) % 3 + 5, BYTES[:20].reshape(20, 64)])
    np.savetxt(table, rows, delimiter=",", header="label,pixels", fmt="%d")
    with pytest.raises(ValueError, match="python -c") as caught:
        load(table)
    code = str(caught.value).split("python -c ")[1].strip("'")
    exec(code, {})
    data = load(tmp_path / "a table.npz")
    assert data.image_shape == (1, 8, 8) and data.classes == ("5", "6", "7")


def test_endings_in_capitals(minigen, tmp_path):
    np.save(tmp_path / "d.npy", BYTES)
    (tmp_path / "d.npy").rename("DATA.NPY")
    assert "DATA.NPY: 51 training and 3 validation images of 1x8x8, values 0 to 1" in train(minigen, "ae", "DATA.NPY")
