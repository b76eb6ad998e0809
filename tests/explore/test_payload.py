"""What a page holds of a run, against the run itself, and what a server answers.

Read next: ``../pages/test_explore.py``.
"""

from __future__ import annotations

import json
import re
import warnings
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.data import Dataset
from minigen.explore import Page, html, routes
from minigen.explore.networks import ROWS, compute, networks_of
from minigen.explore.payload import payload_of
from minigen.explore.wire import pack, unpack
from minigen.serving import Request

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
DATA = Dataset(
    "blobs", "train", RNG.integers(0, 256, (90, 1, 8, 8), dtype=np.uint8), LABELS, ("a", "<b>", "c"),
    {"class": LABELS, "tilt": RNG.normal(size=90)},
)  # fmt: skip
QUICK: dict[str, Any] = {"max_steps": 4, "batch_size": 16, "validation": 0.0, "progress": False}
MODELS: dict[str, dict[str, Any]] = {
    "ae": {"latent": 4}, "vae": {"hidden": 16, "latent": 4}, "cvae": {"hidden": 16, "latent": 4},
    "gan": {"hidden": 16, "latent": 4}, "cgan": {"network": "dense", "hidden": 16, "latent": 4},
    "vae-gan": {"network": "dense", "hidden": 16, "latent": 4},
}  # fmt: skip


@pytest.fixture(scope="module", params=MODELS)
def run(request: pytest.FixtureRequest) -> mg.Run:
    return mg.train(request.param, DATA, test=DATA.subset(slice(40)), **MODELS[request.param], **QUICK)


def numbers(x: Any) -> np.ndarray[Any, Any]:
    data = b64decode(x["data"])
    return np.frombuffer(zlib.decompress(data) if x.get("deflate") else data, x["dtype"]).reshape(x["shape"])


def test_the_payload_is_the_run(run: mg.Run) -> None:
    networks = networks_of(run)
    payload = payload_of(run, networks)
    assert json.dumps(payload, allow_nan=False)
    test = run.some(run.images("test"), 40)
    np.testing.assert_array_equal(numbers(payload["test"]["images"]), test.images)
    np.testing.assert_array_equal(numbers(payload["test"]["labels"]), test.labels)
    np.testing.assert_allclose(numbers(payload["test"]["factors"]["tilt"]), test.factors["tilt"], rtol=1e-6)
    train = run.some(run.images("train"), 90)
    np.testing.assert_array_equal(numbers(payload["train"]["images"]), train.images)
    assert payload["train"]["of"] == 90 and payload["classes"] == ["a", "<b>", "c"]
    latent = payload["latent"]
    assert latent["size"] == 4 and sorted(latent["order"]) == [0, 1, 2, 3]
    if "encoder" in networks:
        codes = run.encode(test, None)
        np.testing.assert_array_equal(numbers(payload["test"]["codes"]), codes)
        np.testing.assert_allclose(numbers(latent["mean"]), codes.mean(0), atol=1e-6)
        assert (latent["by"] == "kl") == (run.recipe.name in ("vae", "cvae", "vae-gan"))
    else:
        assert payload["test"]["codes"] is None and payload["pca"] is None
    drawn = run.draw("samples", 256, seed=0)
    np.testing.assert_array_equal(numbers(payload["samples"]["codes"]), drawn.codes)
    if drawn.labels is not None:
        np.testing.assert_array_equal(numbers(payload["samples"]["labels"]), drawn.labels)


def test_a_server_computes_what_the_run_does(run: mg.Run) -> None:
    answer = routes(run)
    labels = np.array([0, 2], np.int32)
    test = run.images("test").subset(np.array([0, 2]))

    def asked(part: str, **arrays: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        wanted = {name: arrays[name] for name in networks[part].inputs}
        return unpack(answer["POST /run"](Request("/run", {"part": part}, pack(wanted))).body)

    networks = networks_of(run)
    code = RNG.normal(size=(2, 4)).astype(np.float32)
    maker = "decoder" if "decoder" in networks else "generator"
    told = labels if run.latent.classes else None
    image = asked(maker, code=code, **{"class": labels})["image"]
    np.testing.assert_allclose(image, run.decode(code, told), atol=1e-6)  # run.decode fills up a block of 100
    if "encoder" in networks:
        made = asked("encoder", image=test.images_float(), **{"class": labels})
        found = made["mean"] if "mean" in made else made["code"]
        np.testing.assert_allclose(found, run.encode(test), atol=1e-6)
        made = asked("reconstruct", image=test.images_float(), **{"class": labels})["reconstruction"]
        np.testing.assert_allclose(made, run.reconstruct(test), atol=1e-6)
    assert "<title>" in answer["GET /"](Request())


def test_what_a_server_refuses(run: mg.Run) -> None:
    networks = networks_of(run)
    maker = next(iter(networks))
    zeros = {"code": np.zeros((2, 4), np.float32), "class": np.zeros(2, np.int32)}
    good = {name: zeros[name] for name in networks[maker].inputs}
    for wrong, words in (
        ({}, "takes code"),
        (good | {"more": np.zeros(2, np.float32)}, "takes code"),
        ({name: x[:0] for name, x in good.items()}, "1 to"),
        ({name: np.zeros((ROWS + 1, *x.shape[1:]), x.dtype) for name, x in good.items()}, "1 to"),
        (good | {"code": np.zeros((2, 5), np.float32)}, r"code of the shape \(N, \*\(4,\)\), got \(2, 5\)"),
        (good | {"code": np.zeros((2, 8), np.float32)}, "code of the shape"),
        (good | {"code": np.zeros((), np.float32)}, "rows"),
        (good | {"code": np.full((2, 4), np.nan, np.float32)}, "NaN"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            compute(networks, maker, wrong)
    if run.latent.classes:
        with pytest.raises(ValueError, match="there are the classes 0 to 2"):
            compute(networks, maker, good | {"class": np.full(2, 3, np.int32)})
    with pytest.raises(ValueError, match="no network 'nothing', only"):
        compute(networks, "nothing", good)


def test_a_page_of_a_run_is_one_file_without_addresses(run: mg.Run, tmp_path: Path) -> None:
    page = run.explore(tmp_path / "page.html")
    assert isinstance(page, Page) and (tmp_path / "page.html").read_text() == page.html == html(run)
    assert run.explore(tmp_path / "page").html == (tmp_path / "page" / "index.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:,)""", page.html)
    shown = page._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and "<script" not in shown and len(repr(page)) < 200


def test_nothing_is_made_of_images_that_are_gone(run: mg.Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = mg.train(run.recipe.name, DATA, out=folder, **MODELS[run.recipe.name], **QUICK)
        assert kept.path is not None
        with pytest.raises(ValueError, match="in memory"):
            mg.open_run(folder).explore(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


OWN = """
from minigen import nn, ops
class Net(nn.Module):
    objective = "mse"
    def __init__(self, rng): self.down, self.up = nn.Dense(64, 3, rng=rng), nn.Dense(3, 64, rng=rng)
    def encode(self, x): return self.down(ops.flatten(x))
    def decode(self, z): return ops.reshape(ops.sigmoid(self.up(z)), (-1, 1, 8, 8))
"""


def test_a_page_that_is_shared_names_no_folder(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    np.savez(tmp_path / "mine.npz", images=DATA.images, labels=LABELS)
    run = mg.train(f"{tmp_path / 'own.py'}:Net", str(tmp_path / "mine.npz"), out=tmp_path / "run", **QUICK)
    page = html(run)
    assert str(tmp_path) not in page and "<title>Net on mine.npz - minigen explore</title>" in page
