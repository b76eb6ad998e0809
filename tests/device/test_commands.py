"""The command ``minigen`` with ``--device cuda``: options no default reaches, all kinds of samples, transfer, resume.

Read next: ``test_examples_and_benchmarks.py``.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import SHAPE, slow_unless
from device.both import assert_close, command
from device.device_runs import IMAGES, LABELS, assert_same_rows, settings_of

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.doctor import examine
from minigen.proof import choose_device

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")]
Train = Callable[..., Path]

#: Model and options that no default reaches.
VARIANTS = """
sparse-ae --sparsity topk --sparsity-k 2
sparse-ae --sparsity kl
denoising-ae --corruption gaussian --corruption-level 0.5
denoising-ae --corruption salt-and-pepper --corruption-level 0.3
ae --loss bce --optimizer sgd --clip-norm 0.5 --weight-l1 0.0001
ae --optimizer rmsprop --schedule cosine --weight-l2 0.0001
ae --optimizer adamw --schedule step
vae --likelihood gaussian --variance 0.5
vae --binarize dynamic --activation tanh --layers 2
vae --likelihood gaussian-learned
beta-vae --beta-warmup 5 --free-bits 0.5
beta-vae --capacity 5
gan --norm layer
gan --norm spectral --instance-noise 0.1
gan --augment diffaugment --norm batch --joint-batch
gan --augment translate --clip-norm 1 --label-smoothing 0.1
gan --generator-loss minimax --n-critic 2
wgan --network dense --n-critic 2
wgan-gp --network dense --n-critic 2
sngan --network dense
vq-vae --codebook gradient --restart-after 1
rae --decoder-penalty gradient
began --network dense --error absolute
ebgan --network dense --pull-away-weight 0.1
vae-gan --network dense
aae --network dense --ema 0.9
ali --network dense
mdgan --network dense
dfm --network dense
cgan --network dense
acgan --network dense
infogan --network dense
pacgan --network dense
lsgan --network dense --norm layer
dragan --network dense
r1-gan --network dense
unrolled-gan --unroll 2
contractive-ae --contraction 0.01
gan --dataset ring --latent 2
unrolled-gan --dataset grid --latent 2
""".strip().splitlines()
FAST = [line for line in VARIANTS if re.search("topk|diffaugment|spectral|clip-norm 0.5|ring|codebook", line)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    return path


@pytest.fixture
def train(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train a model by the command, small; the folder of its run."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *words: object, device: str = "cuda") -> Path:
        own, folder = [str(word) for word in words], tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        where: dict[str, Any] = {} if "--dataset" in own else {"dataset": data}
        settings = {**settings_of(name), **where, "device": device, "out": folder}
        if "dense" in own and "channels" in settings:
            settings["hidden"] = settings.pop("channels")
        flags = {f"--{key.replace('_', '-')}": value for key, value in settings.items()}
        command(
            "train", name, *(word for flag, value in flags.items() if flag not in own for word in (flag, value)), *own
        )
        return folder

    return call


@pytest.mark.parametrize("line", slow_unless(FAST.__contains__, VARIANTS))
def test_options_that_no_default_reaches(line: str, train: Train) -> None:
    name, *words = shlex.split(line)
    there, here = (mg.open_run(train(name, *words, device=d), device="cpu", note=print) for d in ("cuda", "cpu"))
    assert_same_rows(there.metrics, here.metrics)


# A trained model of each kind, used.

USES = [
    ("vae", "sample -n 3 -o x.npz"),
    ("vae", "sample -n 2 --interpolate linear -o x.npz"),
    ("vae", "sample -n 2 --interpolate spherical -o x.npz"),
    ("vae", "sample -n 2 --traverse all -o x.npz"),
    ("vae", "sample -n 3 --truncation 0.5 -o x.npz"),
    ("vae", "sample -n 3 --density gaussian -o x.npz"),
    ("ae", "sample -n 3 --density mixture -o x.npz"),
    ("rae", "sample -n 3 -o x.npz"),
    ("cvae", "sample -n 3 --class 1 -o x.npz"),
    ("cgan", "sample -n 2 --class 2 --interpolate linear -o x.npz"),
    ("infogan", "sample -n 2 --traverse 1 -o x.npz"),
    ("vq-vae", "sample -n 3 -o x.npz"),
    ("ae", "encode -o x.npz"),
    ("cvae", "encode -o x.npz"),
    ("ae", "reconstruct -n 4 -o x.png"),
    ("denoising-ae", "reconstruct -n 4 -o x.png"),
    ("gan", "sample -n 4 -o x.png"),
]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run of a model, trained on the device, once."""
    folder = tmp_path_factory.mktemp("trained")

    def call(name: str) -> Path:
        if not (folder / name).exists():
            mg.train(name, data=str(data), out=folder / name, progress=False, **settings_of(name), device="cuda")
        return folder / name

    return call


@pytest.mark.parametrize(("name", "line"), USES)
def test_what_a_trained_model_is_used_for(
    name: str, line: str, trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file from either device."""
    monkeypatch.chdir(tmp_path)
    verb, *words = line.split()
    files = []
    for place in ("cpu", "cuda"):
        command(verb, trained(name), *words, "--device", place, "--force")
        path = Path(words[-1])
        files.append(dict(np.load(path)) if path.suffix == ".npz" else {})
        assert path.stat().st_size > 100
        path.unlink()
    assert files[0].keys() == files[1].keys()
    for key, array in files[0].items():
        if array.dtype.kind == "f":
            assert_close(files[1][key], array, 1e-3, key)
        else:
            np.testing.assert_array_equal(files[1][key], array)


def test_evaluate_and_compare(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With generated images, in features of 64 principal components: so there have to be 128 test images."""
    x = np.random.default_rng(1).random((1300, *SHAPE)).astype(np.float32)
    np.savez(tmp_path / "many.npz", images=x)
    run = train("vae", "--dataset", tmp_path / "many.npz")
    found = []
    for place in ("cpu", "cuda"):
        capsys.readouterr()
        command("evaluate", run, "--device", place, "--json", "--samples", 768, "-k", 2)
        found.append(json.loads(capsys.readouterr().out))
    here, there = (one["metrics"] for one in found)
    assert here.keys() == there.keys() and any("frechet" in name for name in here)
    for name, value in here.items():
        assert abs(there[name] - value) <= 0.02 * max(1, abs(value)), name
    assert found[0]["left_out"] == found[1]["left_out"]
    command("compare", run, run, "--device", "cuda", "--samples", 0, "-k", 2)


def test_points_of_the_plane_are_measured(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("gan", "--dataset", "ring", "--latent", 2)
    capsys.readouterr()
    command("evaluate", run, "--device", "cuda", "--json", "--samples", 500)
    assert json.loads(capsys.readouterr().out)["metrics"]


@pytest.mark.parametrize("parts", [("generator",), ("discriminator",), ("generator", "discriminator")])
def test_a_gan_begins_with_networks_of_a_run(
    parts: tuple[str, ...], data: Path, trained: Callable[[str], Path], tmp_path: Path
) -> None:
    words = [word for part in parts for word in (f"--init-{part}-from", trained("vae"))]
    tables = []
    for place in ("cpu", "cuda"):
        usual = ["--dataset", data, "--batch-size", 8, "--max-steps", 3, "--log-every", 1]
        command("train", "gan", *usual, *words, "--device", place, "--out", tmp_path / place)
        tables.append(mg.open_run(tmp_path / place, device="cpu", note=print).metrics)
    assert_same_rows(tables[1], tables[0])


DISEASES = [("ae", "dead ReLU"), ("vae", "posterior collapse"), ("gan", "partial mode collapse")]


@pytest.mark.parametrize(("name", "disease"), DISEASES)
def test_the_doctor_finds_there_what_it_finds_here(name: str, disease: str, trained: Callable[[str], Path]) -> None:
    """A network with each disease: biases far below zero, no weights, or no weights but the last biases."""
    x = (np.random.default_rng(3).random((512, *SHAPE)) * 0.9 + 0.05).astype(np.float32)
    said = []
    for place in ("cpu", "cuda"):
        experiment = mg.open_run(trained(name), device=place, note=print).experiment
        for module in experiment.modules.values():
            for key, p in module.named_parameters():
                p.data *= 0.0
                if name == "ae" and key.endswith("bias"):
                    p.data -= 1.0
        said.append([finding.disease for finding in examine(experiment, x, None, []).findings])
    assert said[0] == said[1] and disease in said[0]


# On another device.


def test_resume_says_that_the_device_has_changed(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("ae", device="cuda")
    capsys.readouterr()
    command("train", "--resume", run, "--max-steps", 4, "--device", "cpu")
    said = capsys.readouterr().out
    assert "on cuda so far, from update 4 on on cpu; another device adds in another order" in said
    assert 'device = "cpu"' in (run / "config.toml").read_text()
    command("train", "--resume", run, "--max-steps", 5)
    assert "so far" not in capsys.readouterr().out


def test_a_run_whose_gpu_is_gone_goes_on_on_the_cpu(
    train: Train, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("ae", device="cuda")
    capsys.readouterr()
    with monkeypatch.context() as patch:
        for module in ("minigen.device", "minigen.proof", "minigen.runs.sessions"):
            patch.setattr(f"{module}.cuda_status", lambda: (False, "no CUDA device is visible"))
        command("train", "--resume", run, "--max-steps", 4)
        said = capsys.readouterr().out
        assert "on cuda so far, from update 4 on on cpu (auto: no CUDA device is visible)" in said
        assert said.count("so far") == 1
        with pytest.raises(RuntimeError, match="device 'cuda' was asked for, but no CUDA device is visible"):
            mg.open_run(run, note=print, device="cpu").resume(max_steps=5, device="cuda", progress=False)
    assert 'device = "cuda"' in (run / "config.toml").read_text()  # the wish; back on a machine with a GPU:
    command("train", "--resume", run, "--max-steps", 5)
    assert "on cpu so far, from update 5 on on cuda" in capsys.readouterr().out


def test_auto_is_kept_as_a_wish(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("ae", device="auto")
    assert 'device = "auto"' in (run / "config.toml").read_text()
    capsys.readouterr()
    command("train", "--resume", run, "--max-steps", 4, "--json")
    assert json.loads(capsys.readouterr().out)["device"] == choose_device("auto")[0]


def test_every_model_is_meant(train: Train) -> None:
    assert {line.split()[0] for line in VARIANTS} <= MODELS.keys()
