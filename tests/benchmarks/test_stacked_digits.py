"""The benchmark of stacked digits does what its protocol says, goes on where it was stopped, and says what was done.

PyTorch, with its own layers and its own differentiation, plays the same game beside it.

Read next: ``benchmarks/stacked_digits.py``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from benchmarks import stacked_digits as benchmark
from docs.make import results as maker
from minigen import nn
from minigen.algorithms.updates import Updates
from minigen.data import Batch, Dataset
from minigen.data.stacked import COUNTS
from minigen.metrics.classifier import Features
from minigen.metrics.modes import reverse_kl


def read_brightness(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A classifier for which an image (1, H, W) of mean brightness k / 10 is the digit k."""
    digits = np.rint(images.mean((1, 2, 3)) * 10).astype(int) % 10
    return np.eye(10)[digits]


READER = Features(lambda x: x, read_brightness, None, {"kind": "brightness", "test_accuracy": 0.99})


def little_digits(n: int = 40, split: str = "train") -> Dataset:
    images = mg.Generator(3).integers(0, 256, (n, 1, 28, 28)).astype(np.uint8)
    return Dataset("mnist", split, images, np.arange(n) % 10, tuple("0123456789"))


@pytest.fixture
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "BATCH", 8)
    monkeypatch.setitem(COUNTS, "train", 32)
    monkeypatch.setattr(benchmark, "all_digits", lambda: (little_digits(), READER))


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> dict[str, Any]:
    command = ["stacked_digits.py", "--work", str(folder / "work"), "--out", str(folder / "out.json"), *words]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def test_a_run_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, little_data: None) -> None:
    """Six updates (an epoch and a half) at once are six updates in two calls, but for the clock."""
    words = ["--packs", "1,2", "--filters", "1", "--seeds", "1", "--samples", "20", "--every", "3", "--updates"]
    whole = run(monkeypatch, tmp_path / "a", *words, "6")["cells"]
    run(monkeypatch, tmp_path / "b", *words, "3")
    parts = run(monkeypatch, tmp_path / "b", *words, "6")["cells"]
    assert list(whole) == ["DCGAN, 1 filters, 20 samples", "PacGAN2, 1 filters, 20 samples"]
    for cells in (whole, parts):
        for cell in cells.values():
            assert (cell["runs"], cell["updates"], cell["epochs"], cell["full_protocol"]) == (1, 6, 1.5, False)
            assert [point["updates"] for point in cell["curves"][0]] == [3, 6]
            assert cell.pop("cpu_ms_per_update")[0] > 0
    assert whole == parts


def test_the_networks_are_those_of_the_protocol() -> None:
    generator = benchmark.make_generator(64, mg.Generator(0))
    discriminator = benchmark.make_discriminator(2, 64, mg.Generator(0))
    weights = [
        [w.shape for name, w in player.named_parameters() if name.endswith("weight") and len(w.shape) > 1]
        for player in (generator, discriminator)
    ]
    assert weights[0] == [(2048, 100), (512, 256, 5, 5), (256, 128, 5, 5), (128, 64, 5, 5), (64, 3, 5, 5)]
    assert weights[1] == [(64, 6, 5, 5), (128, 64, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5), (1, 2048)]
    for player, norms in ((generator, 4), (discriminator, 3)):
        assert sum(isinstance(layer, nn.BatchNorm) for _, layer in player.named_modules()) == norms
    pictures = generator(mg.Tensor(np.zeros((2, 100), np.float32)))
    assert pictures.shape == (2, 3, 28, 28) and abs(pictures.numpy()).max() <= 1
    assert discriminator(mg.Tensor(np.zeros((5, 6, 28, 28), np.float32))).shape == (5,)


class Listener(nn.Module):
    """A generator that remembers what it was given."""

    def __init__(self, inner: nn.Module) -> None:
        self.inner, self.heard = inner, list[np.ndarray[Any, Any]]()

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        self.heard.append(x.numpy().copy())
        return self.inner(x)


def test_the_generator_steps_twice_from_the_codes_that_the_discriminator_saw() -> None:
    experiment = benchmark.build(2, 1, 0)
    listener, discriminator = Listener(experiment.modules["generator"]), experiment.modules["discriminator"]
    steps: list[str] = []

    def watch(name: str, loss: mg.Tensor) -> Any:
        steps.append(name)
        return lambda: None

    updates = Updates(experiment.optimizers)
    updates.watch = watch
    step = benchmark.make_step(listener, discriminator, mg.Generator(1), updates, 2)
    step(Batch(np.zeros((7, 6, 28, 28), np.float32), None, np.arange(7)))
    assert steps == ["discriminator", "generator", "generator"]
    first, second = listener.heard[:2]  # a batch of its own for each picture of a pack
    assert first.shape == (7, 100) and not np.array_equal(first, second)
    assert all(np.array_equal(codes, (first, second)[i % 2]) for i, codes in enumerate(listener.heard))
    assert len(listener.heard) == 6 and -1 <= first.min() < -0.9 and 0.9 < first.max() <= 1


def test_pytorch_plays_the_same_game() -> None:
    """Four updates from the same weights, data and codes have the same losses.

    float32 against float64: losses of about 1 differ by 1e-7, and that much again wherever Adam turns the rounding of a
    small gradient into a step; 1e-5 leaves room. A single step of the generator, another border or another beta1 are
    seen within two updates.
    """
    torch = pytest.importorskip("torch")
    pack, filters, n = 2, 4, 16
    experiment = benchmark.build(pack, filters, 0)
    players = torch_players(torch, pack, filters)
    for name, twin in players.items():
        twin.load_state_dict({k: torch.tensor(v) for k, v in experiment.modules[name].state_dict().items()})
        twin.double()
    adam = {k: torch.optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999)) for k, p in players.items()}
    noise = mg.Generator(0).spawn("noise")  # that of the run

    def judged(images: Any, target: float) -> Any:
        logits = players["discriminator"](images)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def made(codes: list[Any]) -> Any:
        return torch.cat([players["generator"](z) for z in codes], 1)

    for k in range(4):
        x = mg.Generator(k + 1).uniform((n, 3 * pack, 28, 28))
        terms = experiment.step(Batch(x, None, np.arange(n)))
        codes = [torch.tensor(noise.uniform((n, 100), -1.0, 1.0)).double() for _ in range(pack)]
        wanted = {"loss": judged(torch.tensor(x).double(), 1.0) + judged(made(codes).detach(), 0.0)}
        adam["discriminator"].zero_grad()
        wanted["loss"].backward()
        adam["discriminator"].step()
        for _ in range(2):
            wanted["generator"] = judged(made(codes), 1.0)
            adam["generator"].zero_grad()
            wanted["generator"].backward()
            adam["generator"].step()
        for name, loss in wanted.items():
            assert float(terms[name]) == pytest.approx(loss.item(), abs=1e-5), (k, name)


def torch_players(torch: Any, pack: int, filters: int) -> dict[str, Any]:
    """The same networks in PyTorch, with the same names of parameters."""

    class SameConv(torch.nn.Conv2d):  # type: ignore[misc]
        """Stride 2, kernel 5: 2 pixels of border before an odd side, 1 before an even one, and 2 after both."""

        def forward(self, x: Any) -> Any:
            before = 2 if x.shape[2] % 2 else 1
            return super().forward(torch.nn.functional.pad(x, (before, 2, before, 2)))

    t, f = torch.nn, filters
    sizes = [8 * f, 4 * f, 2 * f, f, 3]
    generator: list[Any] = [t.Linear(100, 32 * f), t.Unflatten(1, (8 * f, 2, 2)), t.BatchNorm2d(8 * f), t.ReLU()]
    for i, extra in enumerate((1, 0, 1, 1)):
        generator += [t.ConvTranspose2d(sizes[i], sizes[i + 1], 5, 2, padding=2, output_padding=extra)]
        generator += [t.BatchNorm2d(sizes[i + 1]), t.ReLU()] if i < 3 else [t.Tanh()]
    features: list[Any] = [SameConv(3 * pack, f, 5, 2), t.LeakyReLU(0.2)]
    for i in range(3):
        n_in, n_out = f * 2**i, f * 2 ** (i + 1)
        features += [SameConv(n_in, n_out, 5, 2), t.BatchNorm2d(n_out), t.LeakyReLU(0.2)]
    discriminator = t.Sequential()
    discriminator.add_module("features", t.Sequential(*features, t.Flatten()))
    discriminator.add_module("score", t.Linear(32 * f, 1))
    return {"generator": t.Sequential(*generator), "discriminator": discriminator}


class Painter(nn.Module):
    """Pictures of three even colours, each one of the codes' first three numbers in tenths, so that 1000 differ."""

    def forward(self, z: mg.Tensor) -> mg.Tensor:
        tenths = np.floor((z.numpy()[:, :3] + 1) * 5).clip(0, 9) / 10
        return mg.Tensor(np.broadcast_to(tenths[:, :, None, None], (len(z), 3, 4, 4)).astype(np.float32))


@pytest.mark.parametrize("samples", [1, 1203])
def test_modes_are_counted_by_what_the_three_channels_show(samples: int) -> None:
    codes = mg.Generator(1234).uniform((samples, 100), -1.0, 1.0)
    seen = Counter(tuple(row) for row in np.floor((codes[:, :3].astype(np.float64) + 1) * 5).astype(int))
    found = benchmark.measure(Painter(), READER, samples)
    assert found["modes"] == len(seen)
    wanted = sum(n / samples * math.log(1000 * n / samples) for n in seen.values())
    assert found["kl"] == pytest.approx(wanted, rel=1e-12)  # float64, a thousand terms


def test_packs_are_pictures_of_the_data_side_by_side(little_data: None) -> None:
    """Every colour of every picture is a digit, and the same picture always has the same three."""
    digits = little_digits()
    packs = benchmark.Packs(digits, 2, 0)
    assert len(packs) == 4 and packs.batch(1).x.shape == (8, 6, 28, 28) and packs.batch(1).x.dtype == np.float32
    known = {image.tobytes() for image in packs.pictures.images}
    singles = {image.tobytes() for image in digits.images}
    bytes_of = np.rint(packs.batch(3).x * 255).astype(np.uint8)
    for pair in bytes_of:
        assert pair[:3].tobytes() in known and pair[3:].tobytes() in known
        assert all(colour.tobytes() in singles for colour in pair)
    assert not np.array_equal(bytes_of[:, :3], bytes_of[:, 3:])
    assert np.array_equal(packs.batch(3).x, benchmark.Packs(digits, 2, 0).batch(3).x)  # for a run that goes on


def test_training_sees_the_test_digits_too_and_the_classifier_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Dataset] = []

    def features(train: Dataset, test: Dataset, *, log: Any) -> Features:
        given.extend([train, test])
        return READER

    monkeypatch.setattr(benchmark, "load", lambda name, split: little_digits({"train": 30, "test": 12}[split], split))
    monkeypatch.setattr(benchmark, "trained_features", features)
    digits, _ = benchmark.all_digits()
    assert len(digits) == 42 and digits.labels is not None and digits.labels[30:].tolist() == [*range(10), 0, 1]
    assert [(d.split, len(d)) for d in given] == [("train", 30), ("test", 12)]
    nameless = dataclasses.replace(little_digits(), labels=None)
    monkeypatch.setattr(benchmark, "load", lambda name, split: nameless)
    with pytest.raises(ValueError, match="hold no labels"):
        benchmark.all_digits()


def record(folder: Path, seed: int, updates: int, **changes: int) -> None:
    facts: dict[str, Any] = {"pack": 1, "filters": 64, "seed": seed, "samples": 26_000, **changes}
    history = [{"updates": k, "modes": k // 1000 + seed, "kl": 4.0} for k in range(50_000, updates + 1, 50_000)]
    (folder / "-".join(map(str, facts.values()))).mkdir(parents=True)
    path = folder / "-".join(map(str, facts.values())) / "record.json"
    path.write_text(json.dumps({**facts, "updates": updates, "cpu_seconds": 2.0 * updates, "history": history}))


@pytest.mark.parametrize(
    ("runs", "last", "changes", "whole"),
    [
        (10, 100_000, {}, True),
        (9, 100_000, {}, False),
        (10, 50_000, {}, False),
        (10, 100_000, {"filters": 32}, False),
        (10, 100_000, {"samples": 5000}, False),
    ],
)
def test_only_all_of_the_protocol_is_called_so(
    tmp_path: Path, runs: int, last: int, changes: dict[str, int], whole: bool
) -> None:
    """The runs are compared after the updates that all of them have."""
    for seed in range(runs):
        record(tmp_path, seed, last if seed == 3 else 100_000, **changes)
    ((name, cell),) = benchmark.collect(tmp_path).items()
    assert cell["full_protocol"] is whole and (cell["runs"], cell["updates"]) == (runs, last)
    assert name == f"DCGAN, {cell['filters']} filters, {cell['samples']} samples"
    assert cell["modes"]["mean"] == pytest.approx(last / 1000 + np.mean(range(runs)))
    assert cell["modes"]["standard_error"] == pytest.approx(np.std(range(runs), ddof=1) / runs**0.5)
    assert all(len(curve) == last // 50_000 for curve in cell["curves"])
    assert cell["cpu_ms_per_update"] == [2000.0] * runs


@pytest.mark.parametrize(
    "words", [["--packs", "5"], ["--packs", "1,two"], ["--updates", "0"], ["--seeds", "-1"], ["--every", "0"]]
)
def test_a_bad_option_is_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, *words)
    assert f"got --packs {words[1] if words[0] == '--packs' else '1,2'}" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_published_modes_and_divergences_are_possible() -> None:
    """Samples of so many modes diverge from all 1000 by at least log(1000 / modes): a slip of the pen would show."""
    for known in benchmark.PUBLISHED.values():
        modes = round(known["modes"][0])
        least = reverse_kl(np.arange(1000) < modes, np.ones(1000))
        assert least <= known["kl"] <= math.log(1000)


def test_the_page_says_what_was_done_and_what_it_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of the protocol is called a part; all of it is not."""
    for (seed, updates), pack in itertools.product([(0, 100_000), (1, 50_000)], (1, 2)):
        record(tmp_path / "work", seed, updates, pack=pack, filters=16)
    monkeypatch.setattr(maker, "RESULTS", tmp_path)
    assert maker._stacked_digits() == []
    benchmark.write(tmp_path / "stacked-digits.json", "", tmp_path / "work", READER)
    lines = maker._stacked_digits()
    assert "| DCGAN | 16 | 2 | 50,000 | 50.5 | 4.00 | 78.9 +- 6.5 | 4.50 |" in lines
    assert "| PacGAN2 | 16 | 2 | 50,000 | 50.5 | 4.00 | 1000.0 +- 0.0 | 0.06 |" in lines
    assert "cannot be compared" in " ".join(lines)
    for seed in range(10):
        record(tmp_path / "all", seed, 100_000)
    benchmark.write(tmp_path / "stacked-digits.json", "", tmp_path / "all", READER)
    assert "cannot be compared" not in " ".join(maker._stacked_digits())
