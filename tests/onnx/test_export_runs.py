"""Every part of every model leaves as an ONNX file, which gives what the run gives.

Read next: ``minigen/runs/parts.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms import own_networks
from algorithms.catalog_runs import slow_unless
from onnx_cases import onnx
from runs.test_every_model import IMAGES, LABELS, settings_of

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.cli import main
from minigen.onnx.verify import in_onnxruntime
from minigen.runs import ConfigError, Run
from minigen.runs.parts import PARTS, parts_of

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")
FAST = ("ae", "cvae", "vq-vae", "infogan", "began", "ali")


def trained(name: str, **options: Any) -> Run:
    return mg.train(name, data=IMAGES, labels=LABELS, progress=False, **{**settings_of(name), **options})


def facts(path: Path) -> dict[str, str]:
    return {p.key: p.value for p in onnx.load(path).metadata_props}


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_every_part_gives_what_the_run_gives(name: str, tmp_path: Path) -> None:
    run, path = trained(name), tmp_path / "part.onnx"
    parts = parts_of(run)
    assert list(parts) == [part for part in PARTS if part in parts]
    for part in parts:
        made = run.export(path, part)
        assert made.difference is not None and made.difference <= 1e-5
        assert facts(path)["part"] == part and facts(path)["model"] == name
    labels = LABELS[:5] % run.latent.classes if run.latent.classes else None
    told = [] if labels is None else [labels]
    codes = np.random.default_rng(0).normal(size=(5, run.latent.size)).astype(np.float32)
    if "reconstruct" in parts:
        x = run.images().images_float()[:5]
        if run.config.get("binarize") == "dynamic":  # the run draws black and white images; the file takes them
            x = (x > 0.5).astype(np.float32)
        seen = [LABELS[:5]] if name == "cvae" else []
        run.export(path, "reconstruct")
        found = in_onnxruntime(path.read_bytes())([x, *seen])[0]
        np.testing.assert_allclose(found, run.reconstruct(x, *seen), atol=1e-5)
        run.export(path, "encoder")
        found = in_onnxruntime(path.read_bytes())([x, *seen])[0]
        encoded = run.encode(x, *seen)
        np.testing.assert_allclose(found, encoded, atol=1e-5 * np.abs(encoded).max())
    run.export(path)
    np.testing.assert_allclose(
        in_onnxruntime(path.read_bytes())([codes, *told])[0], run.decode(codes, labels), atol=1e-5
    )


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    run = trained("cgan")
    run.export(tmp_path / "g.onnx", "generator")
    assert facts(tmp_path / "g.onnx") == {
        "model": "cgan", "part": "generator", "data set": "in-memory", "value range": "-1 to 1",
        "image shape": "1 x 8 x 8", "latent size": "4", "classes": "0, 1, 2",
        "step": "3", "checkpoint": "last", "minigen": mg.__version__,
    }  # fmt: skip
    names = {x.name for x in onnx.load(tmp_path / "g.onnx").graph.initializer}
    assert any(name in names for name in run.model.state_dict())


def test_float64_and_folding_leave_the_run_as_it_is(tmp_path: Path) -> None:
    run = trained("dcgan")
    before = {name: array.tobytes() for name, array in run.model.state_dict().items()}
    made = run.export(tmp_path / "g.onnx", dtype="float64", fold=True)
    assert made.difference is not None and made.difference <= 1e-12
    run.export(tmp_path / "g.onnx", fold=True)
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(tmp_path / "g.onnx").graph.node}
    assert {name: array.tobytes() for name, array in run.model.state_dict().items()} == before


@pytest.mark.parametrize(
    ("network", "parts"),
    [
        (own_networks.LikeVAE, ["decoder", "encoder", "reconstruct"]),
        (own_networks.Logits, ["reconstruct"]),
        (own_networks.Noisy, ["decoder", "encoder", "reconstruct"]),
        (own_networks.Features, ["encoder"]),
    ],
)
def test_a_network_of_a_users_own_leaves_by_the_parts_that_it_can_do(
    network: Any, parts: list[str], tmp_path: Path
) -> None:
    run = mg.train(network, data=IMAGES, progress=False, max_steps=2, batch_size=8)
    assert list(parts_of(run)) == parts
    images = run.images().images_float()[:5]
    for part in parts:
        made = run.export(tmp_path / "part.onnx", part)
        assert made.difference is not None and made.difference <= 1e-5
        given = np.ones((2, run.latent.size), np.float32) if part == "decoder" else images
        expected = {"decoder": run.decode, "encoder": run.encode, "reconstruct": run.reconstruct}[part](given)
        found = in_onnxruntime((tmp_path / "part.onnx").read_bytes())([given])[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = trained("gan")
    with pytest.raises(ConfigError, match="--part encoder: gan has none. Its parts are generator, discriminator"):
        run.export(tmp_path / "a.onnx", "encoder")
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    trained("vae", out="vae")

    def command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as info:
            main(["export", "vae", *words])
        out, err = capsys.readouterr()
        return int(str(info.value.code)), out, err

    code, out, err = command("-o", "decoder.onnx")
    assert code == 0, err
    assert (
        out.startswith("decoder.onnx: code to image, 6 operations, ") and "onnxruntime differs from minigen by" in out
    )
    assert command("--part", "encoder", "-o", "encoder.onnx", "--opset", "17", "--fold")[0] == 0
    assert onnx.load("encoder.onnx").opset_import[0].version == 17
    assert command("-o", "decoder.txt")[::2] == (
        2,
        "minigen: error: -o decoder.txt: take a name that ends in .onnx, .safetensors, .pt, .pth, .keras or "
        ".weights.h5\n",
    )
    assert command("--part", "generator", "-o", "a.onnx")[0] == 2 and not Path("a.onnx").exists()
    code, out, err = command("--part", "decoder", "-o", "decoder.safetensors")
    assert code == 0 and out.startswith("decoder.safetensors: weights of decoder, by"), err
    assert set(mg.load("decoder.safetensors")) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert command("-o", "all.safetensors")[0] == command("-o", "all.safetensors")[0] == 0
    assert "--fold are for a .onnx file" in command("--fold", "-o", "all.safetensors")[2]
    Path("text.onnx").write_text("no model")
    assert "it exists and is no ONNX file" in command("-o", "text.onnx")[2]
