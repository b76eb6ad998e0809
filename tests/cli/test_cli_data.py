"""``minigen data inspect``, as a user sees it; and how pictures are read, in the settings of a run."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigen.algorithms.catalog import MODELS

RNG = np.random.default_rng(1)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    for k in range(40):
        Image.fromarray(RNG.integers(0, 256, (17, 23, 3), dtype=np.uint8)).save(root / f"{k}.png")
    (root / "labels.csv").write_text(
        "name,kind,size\n" + "".join(f"{k}.png,{'ab'[k % 2]},{k // 9}\n" for k in range(40))
    )
    return root


def test_what_is_printed(minigen, folder):
    result = minigen("data", "inspect", "pictures", "--labels", "labels.csv:kind", "-o", "mean.png")
    lines = {line.split(None, 1)[0]: line for line in result.out.splitlines()}
    assert (result.code, result.err) == (0, "")
    assert lines["images"] == "images   40: 36 to train on and 4 of the test set (a tenth, drawn at random)"
    assert lines["sizes"].endswith("17x23 (height x width)") and "uint8 3x17x23" in lines["become"]
    assert lines["classes"].startswith("classes  2: a 1") and "46.9 kB of pixels" in lines["memory"]
    assert lines["dcgan"].endswith("4x5 8x11 17x23") and "153,540 parameters" in lines["dcgan"]
    assert all(name in lines for name in MODELS) and not any("does not fit" in line for line in lines.values())
    x = np.stack([np.asarray(Image.open(folder / f"{k}.png")) for k in range(40)]).mean(0)
    shown = np.asarray(Image.open("mean.png"))[::2, ::2]  # pictures are written at twice their size
    assert np.abs(shown - x).max() <= 1 and lines["mean.png:"] == "mean.png: the mean of 40 images"


def test_refused_files_end_with_code_1_and_only_ten_are_listed(minigen, folder):
    for k in range(12):
        (folder / f"bad{k}.png").write_bytes(b"x")
    result = minigen("data", "inspect", "pictures", "--model", "ae")
    assert result.code == 1 and "refused  12, so nothing of it would be read:" in result.out
    assert result.out.count("cannot be read as a picture") == 10 and "and 2 more" in result.out
    facts = json.loads(minigen("data", "inspect", "pictures", "--model", "ae", "--json").out)
    assert len(facts["refused"]) == 12 and facts["refused"][0]["name"] == "bad0.png"
    assert "cannot be read as a picture" in minigen("train", "ae", "--dataset", "pictures").err


def test_json_of_all_models_and_the_details_of_one(minigen, folder):
    facts = json.loads(minigen("data", "inspect", "pictures", "--image-size", "128x96", "--json").out)
    assert facts["shape"] == [3, 128, 96] and facts["models"].keys() == MODELS.keys()
    vae = facts["models"]["conv-vae"]
    assert vae["fits"] and vae["networks"]["model"]["sizes"] == [[128, 96], [64, 48], [32, 24]]
    assert "--halvings 4" in vae["advice"][0]
    assert facts["models"]["cgan"] == {"fits": False, "reason": facts["models"]["cgan"]["reason"]}
    assert "needs labels" in facts["models"]["cgan"]["reason"]
    result = minigen("data", "inspect", "pictures", "--image-size", 64, "--model", "dcgan")
    assert "generator: Dense 64-8192, ConvTranspose2d 128-64-32-3 (8x8, 16x16, 32x32, 64x64): " in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "unknown data set 'nowhere'"),
        (("./nowhere",), "there is no file or folder"),
        (("pictures", "--image-size", "8x"), "--image-size: expected a number of pixels or (height, width)"),
        (("pictures", "--image-range", "5:1"), "--image-range: expected the values that are black and white"),
        (("pictures", "--image-channels", "2"), "image_channels: expected 1 (grey), 3 (RGB) or 4"),
        (("pictures", "--image-fit", "cover"), "--image-fit must be crop or pad or stretch, got 'cover'"),
        (("pictures", "--image-fit", "pad"), "image_fit: 'pad' says how pictures come to image_size"),
        (("pictures", "--labels", "no.csv"), "there is no file no.csv"),
        (("glyphs", "--labels", "no.csv"), "--labels is an option of folders of pictures, not of 'glyphs'"),
        (("pictures", "--model", "nope"), "unknown model 'nope'"),
        (("pictures", "-o", "mean.txt"), "take a name that ends in .png"),
        (("pictures", "-o", "pictures/0.png"), "which this command reads"),
    ],
)
def test_wrong_words(minigen, folder, words, message):
    result = minigen("data", "inspect", *words)
    assert result.code in (1, 2) and message in result.err + result.out
    assert "Traceback" not in result.err


def test_data_alone_shows_its_commands(minigen):
    result = minigen("data")
    assert result.code == 0 and "inspect" in result.out


def test_how_pictures_are_read_is_kept_in_the_run(minigen, folder):
    words = ("--image-size", "9x12", "--image-fit", "pad", "--image-range", "0:200", "--image-channels", 1)
    words += ("--labels", "pictures/labels.csv:kind", "--batch-size", 8)
    result = minigen("train", "cvae", "--dataset", "pictures", "--out", "run", "--max-steps", 2, *words)
    assert result.code == 0 and "1x9x12" in result.out and "2 classes (a, b)" in result.out
    config = tomllib.loads(Path("run/config.toml").read_text())
    assert config["image_size"] == "9x12" and config["image_range"] == "0:200" and config["image_fit"] == "pad"
    assert config["labels"] == f"{folder}/labels.csv:kind"
    assert minigen("train", "--resume", "run", "--max-steps", 4).code == 0
    assert minigen("evaluate", "run", "--samples", 0).code == 0
    again = minigen("train", "--resume", "run", "--image-fit", "crop")
    assert again.code == 2 and "cannot change image_fit (pad -> crop)" in again.err
    assert minigen("train", "cvae", "--config", "run/config.toml", "--out", "two", "--max-steps", 1).code == 0
    (folder / "labels.csv").write_text("".join(f"{k}.png,{'ba'[k % 2]}\n" for k in range(40)))
    changed = minigen("train", "--resume", "run", "--max-steps", 6)
    assert changed.code != 0 and "kind" in changed.err  # the column is gone


def test_square_sizes_are_numbers_as_they_always_were(minigen, folder):
    assert (
        minigen("train", "ae", "--dataset", "pictures", "--image-size", 8, "--max-steps", 1, "--out", "run").code == 0
    )
    assert tomllib.loads(Path("run/config.toml").read_text())["image_size"] == 8
