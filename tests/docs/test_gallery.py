"""The gallery shows every model of the catalog once, and its script trains only what it has to.

Read next: ``docs/make/gallery.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import glyphs
from PIL import Image

from docs.make import gallery as maker
from minigen.algorithms.catalog import MODELS
from minigen.training.prepare import prepare as real_prepare

REWRITE = "rewrite the page: python docs/make/gallery.py"
SIZE = (10 * 28 + 9 * 2, 6 * 28 + 5 * 2)  # 10 x 6 images of 28 x 28, two pixels apart
BYTES = 1_500_000


def test_the_page_has_every_model_once_with_its_command() -> None:
    text = maker.DOCS.page.read_text(encoding="utf-8")
    assert re.findall(r"^### (.+)$", text, re.M) == list(MODELS), REWRITE
    commands = re.findall(r"^`minigen train (\S+) --dataset mnist --max-steps \d+`: ", text, re.M)
    assert commands == list(MODELS), REWRITE
    assert text == maker.page(maker.DOCS.read(), maker.DOCS.sheet.name), REWRITE


def test_the_pictures_are_there_of_one_size_and_small() -> None:
    names = [Path(name) for name in re.findall(r"\]\((images/gallery/\S+)\)", maker.DOCS.page.read_text("utf-8"))]
    files = sorted(maker.DOCS.pictures.iterdir())
    assert sorted(maker.DOCS.folder / name for name in names) == files, "a picture is missing, or shown nowhere"
    assert sum(file.stat().st_size for file in files) < BYTES
    for name in MODELS:
        with Image.open(maker.DOCS.picture(name)) as image:
            assert image.size == SIZE, name
            assert np.asarray(image.convert("L")).std() > 10, f"{name}: the picture is of one shade"


def test_the_contact_sheet_is_made_of_the_pictures() -> None:
    with Image.open(maker.DOCS.sheet) as image:
        assert np.array_equal(np.asarray(image.convert("L")), _in_shades(maker.contact_sheet(maker.DOCS, MODELS)))


def _in_shades(sheet: Any) -> Any:
    return (sheet.astype(int) + 8) // 17 * 17


def test_the_numbers_belong_together() -> None:
    for name, entry in maker.DOCS.read().items():
        assert entry["command"].endswith(f" --max-steps {entry['steps']}"), name
        assert entry["options"]["model"] == name and entry["options"]["dataset"] == "mnist"
        shown = "mse" if MODELS[name].family == "autoencoder" else "frechet_distance"
        assert np.isfinite(entry["metrics"][shown]), name


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were trained: here a training only leaves numbers and a grey picture."""
    trained: list[str] = []

    def train(gallery: maker.Gallery, name: str, dataset: str, budget: float) -> None:
        trained.append(name)
        if name == "gan":
            raise RuntimeError("it broke")
        gallery.pictures.mkdir(parents=True, exist_ok=True)
        maker._save(np.full(SIZE[::-1], 100, np.uint8), gallery.picture(name))
        gallery.keep(name, {**maker.DOCS.read()[name], "options": maker.options_of(MODELS[name], dataset)})

    monkeypatch.setattr(maker, "train", train)
    return trained


def test_only_what_is_new_or_has_changed_is_trained(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = maker.Gallery(tmp_path)
    with pytest.raises(SystemExit, match="no model is trained yet"):
        maker.main(["--page"], gallery)
    with pytest.raises(SystemExit, match="gan: it broke"):  # which stops none of the others
        maker.main([], gallery)
    assert calls == list(MODELS)
    calls.clear()
    assert "### gan" not in gallery.page.read_text() and "### dcgan" in gallery.page.read_text()
    entries = gallery.read()
    gallery.keep("aae", {**entries["aae"], "options": {**entries["aae"]["options"], "lr": 17.0}})
    assert list(gallery.read()) == [name for name in MODELS if name != "gan"]  # in the order of the catalog
    gallery.picture("vae").unlink()
    assert maker.wanted(gallery, "mnist") == ["vae", "gan", "aae"]
    assert maker.wanted(gallery, "glyphs") == list(MODELS)
    maker.main(["--only", "ae"], gallery)
    assert calls == ["ae"]


def test_a_setting_that_is_newer_than_a_training_is_no_change() -> None:
    """If it has its default; one whose former meaning is another (`ABSENT`) is a change, and so is one that is gone."""
    now = maker.options_of(MODELS["conv-ae"], "mnist")
    then = {key: value for key, value in now.items() if key != "channels"}
    assert not maker.has_changed(now, now) and not maker.has_changed(then, now)
    assert maker.has_changed(then, {**now, "lr": 1.0}) and maker.has_changed({**then, "gone": 1}, now)
    assert maker.has_changed({key: value for key, value in now.items() if key != "data_rules"}, now)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of 1,500 digits: enough for the classifier that measures samples."""
    drawn, path = glyphs("train", 1500), tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, images=drawn.images, labels=drawn.labels)
    return str(path)


def test_as_many_steps_as_fit(digits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that each update moves on by 0.1 s."""
    clock = {"now": 0.0}
    recipe = MODELS["linear-ae"]

    def prepare(*words: Any) -> Any:
        prepared = real_prepare(*words)
        monkeypatch.setattr(prepared.experiment, "step", lambda batch: clock.update(now=clock["now"] + 0.1))
        return prepared

    monkeypatch.setattr("docs.make.gallery.prepare", prepare)
    monkeypatch.setattr("time.process_time", lambda: clock["now"])
    assert maker.steps_within(recipe, digits, 7.83) == 78
    assert maker.steps_within(recipe, digits, 1e-6) == 1
    config = maker.options_of(recipe, digits)
    most = config["epochs"] * len(real_prepare(recipe, config).batches)
    assert maker.steps_within(recipe, digits, 1e9) == most


@pytest.mark.slow
def test_a_model_is_trained_measured_and_drawn(digits: str, tmp_path: Path) -> None:
    """With the true commands."""
    gallery = maker.Gallery(tmp_path / "gallery")
    maker.main(["--only", "linear-ae", "--dataset", digits, "--budget", "1"], gallery)
    entry = gallery.read()["linear-ae"]
    assert entry["command"] == f"minigen train linear-ae --dataset {digits} --max-steps {entry['steps']}"
    assert entry["seconds"] > 0 and 0 < entry["metrics"]["mse"] < 0.2
    sheet = np.asarray(Image.open(gallery.picture("linear-ae")).convert("L")).astype(int)
    rows = [sheet[top : top + 28].ravel() for top in range(0, len(sheet), 30)]  # of images: 28 pixels and 2 between
    for above, below in zip(rows[0::2], rows[1::2], strict=True):
        assert np.corrcoef(above, below)[0, 1] > 0.5  # a reconstruction stands below its image
    assert "### linear-ae" in gallery.page.read_text() and gallery.sheet.exists()
