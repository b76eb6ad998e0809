"""GANs whose generator is a network from an ONNX file: it draws what the file does, and a run keeps all of it.

Read next: ``minigen/algorithms/donor_files.py``.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.algorithms.donor_files import file_generator
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")

from onnx_files import draw, model, node, saved  # noqa: E402 - it imports onnx

IMAGE, LATENT = (1, 8, 8), 5
OPTIONS: dict[str, Any] = {"max_steps": 2, "batch_size": 16, "progress": False, "channels": 4, "doctor": False}
pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")


def decoder(
    folder: Path, last: str = "Tanh", *, shape: tuple[int, ...] = IMAGE, codes: tuple[Any, ...] = ("N", LATENT)
) -> Path:
    """A dense decoder with batch norm: codes of a shape to images of a shape, ended by an operator ("" for none)."""
    size, latent = int(np.prod(shape)), int(np.prod([n for n in codes[1:] if isinstance(n, int)]))
    weights = {"net.0.weight": draw(12, latent), "net.0.bias": draw(12), "net.3.weight": draw(size, 12),
               "net.3.bias": draw(size), "s": np.ones(12, np.float32), "t": draw(12), "m": draw(12),
               "v": np.ones(12, np.float32), "to": np.array([-1, *shape])}  # fmt: skip
    nodes = [
        node("Flatten", "z", "f"), node("Gemm", "f net.0.weight net.0.bias", "h", transB=1),
        node("BatchNormalization", "h s t m v", "n"), node("Relu", "n", "r"),
        node("Gemm", "r net.3.weight net.3.bias", "o" if last else "a", name="end", transB=1),
        *([node(last, "o", "a")] if last else []), node("Reshape", "a to", "y"),
    ]  # fmt: skip
    return saved(model(nodes, {"z": codes}, weights), folder, "decoder.onnx")


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (48, *IMAGE), dtype=np.uint8)


@pytest.mark.parametrize(
    ("last", "shape", "codes"),
    [
        ("Tanh", IMAGE, ("N", LATENT)),
        ("Sigmoid", (8, 8, 1), ("N", LATENT)),
        ("HardSigmoid", (64,), ("N", LATENT, 1, 1)),
    ],
)
def test_the_generator_draws_what_the_file_does(
    last: str, shape: tuple[int, ...], codes: tuple[Any, ...], tmp_path: Path
) -> None:
    path = decoder(tmp_path, last, shape=shape, codes=codes)
    generator = file_generator(str(path), IMAGE, latent=LATENT)
    assert generator.training and generator.network.training
    assert "network.net.0.weight" in dict(generator.named_parameters())
    z = draw(4, LATENT)
    y = mg.onnx.load(path)(Tensor(z.reshape(4, *codes[1:]))).numpy()
    wanted = y.reshape(4, *IMAGE) * (1 if last == "Tanh" else 2) - (0 if last == "Tanh" else 1)
    np.testing.assert_allclose(generator.eval()(Tensor(z)).numpy(), wanted, rtol=1e-6, atol=1e-6)


def test_a_run_keeps_the_network(images: Any, tmp_path: Path) -> None:
    """It is trained, resumed and opened where neither the file nor the old place of the run is left."""
    path = decoder(tmp_path)
    before = mg.onnx.load(path).state_dict()
    options = {**OPTIONS, "init_generator_from": str(path)}
    run = mg.train("dcgan", images, out=tmp_path / "run", **options)
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert config["generator"] == "generator.onnx" and config["latent"] == LATENT
    trained = run.experiment.modules["generator"].state_dict()
    assert all((trained[f"network.{name}"] != value).any() for name, value in before.items())
    codes = draw(3, LATENT)
    drawn = run.decode(codes)
    path.unlink()
    shutil.move(tmp_path / "run", tmp_path / "moved")
    opened = mg.open_run(tmp_path / "moved")
    np.testing.assert_array_equal(opened.decode(codes), drawn)
    assert not list((tmp_path / "moved").glob("*.tmp"))


def test_a_resumed_run_is_the_one_that_went_on(images: Any, tmp_path: Path) -> None:
    path = decoder(tmp_path, "Sigmoid")
    options = {**OPTIONS, "init_generator_from": str(path), "ema": 0.5}
    whole = mg.train("wgan-gp", images, **{**options, "max_steps": 4, "n_critic": 1})
    half = mg.train("wgan-gp", images, **{**options, "n_critic": 1})
    half = half.resume(max_steps=4, progress=False)
    for name, module in whole.experiment.modules.items():
        for key, value in module.state_dict().items():
            np.testing.assert_array_equal(half.experiment.modules[name].state_dict()[key], value, err_msg=key)


def test_weights_beside_the_file_come_along(images: Any, tmp_path: Path) -> None:
    path = decoder(tmp_path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    run = mg.train("dcgan", images, out=tmp_path / "run", **OPTIONS, init_generator_from=str(path))
    (tmp_path / "weights.bin").unlink()
    codes = draw(2, LATENT)
    np.testing.assert_array_equal(mg.open_run(tmp_path / "run").decode(codes), run.decode(codes))


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "latent": ({}, {"latent": 7}, r"the network takes codes of 5 numbers; leave --latent 7 out"),
    "shape": ({"shape": (3, 8, 8)}, {}, r"its images are 3x8x8, those of the data set 1x8x8"),
    "range": ({"last": ""}, {}, r"its output ends in node 'end' \(Gemm\), which has no bounds"),
    "batch": ({"codes": (1, LATENT)}, {}, r"'z' has the shape \(1, 5\): the first length has to be open"),
    "open": ({"codes": ("N", "D")}, {}, r"'z' has the shape \('N', 'D'\)"),
    "model": ({}, {"model": "cgan"}, r"'cgan' has no generator that a network could take the place of"),
    "generator": ({}, {"generator": "vae"}, r"the network is the generator; leave --generator vae out"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_one_clear_error(case: str, images: Any, tmp_path: Path) -> None:
    made, options, text = WRONG[case]
    path = decoder(tmp_path, **{"last": "Tanh", **made})
    name = options.pop("model", "dcgan")
    given = {key: value for key, value in OPTIONS.items() if key != "channels" or name == "dcgan"}
    with pytest.raises(ConfigError, match=f"--init-generator-from.*{text}"):
        mg.train(name, images, out=tmp_path / "run", **given, **options, init_generator_from=str(path))
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_none_and_a_file_in_the_wrong_place(images: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"onnx\.load: .*nothing\.onnx: there is no such file"):
        mg.train("dcgan", images, **OPTIONS, init_generator_from=str(tmp_path / "nothing.onnx"))
    path = str(decoder(tmp_path))
    with pytest.raises(ConfigError, match="a network from a file is given by --init-generator-from"):
        mg.train("dcgan", images, **OPTIONS, generator=path)
    with pytest.raises(ConfigError, match="a discriminator begins with a run"):
        mg.train("dcgan", images, **OPTIONS, init_discriminator_from=path)
