"""The doctor: each judgement at both sides of its threshold, what counts as a check, and that looking changes
nothing. Whole diseases are in ``tests/museum``; when it looks, in ``test_schedule.py``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for
from numpy.typing import NDArray

from minigen import nn, ops
from minigen.algorithms.experiment import Experiment
from minigen.autograd import Tensor
from minigen.doctor import Checkup, Finding, diseases, examine, schedule
from minigen.doctor.evidence import Evidence, collect_evidence, k_means, record_relu_activity, squared_distances
from minigen.random import Generator

N = 400
rng = np.random.default_rng(0)
CENTRES = np.eye(8) * 10  # eight classes, far apart


def points(n: int = N, classes: int = 8, noise: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (n, 8, 1, 1), as many of each class, and their classes."""
    of = np.arange(n) % classes
    return (CENTRES[of] + noise * rng.standard_normal((n, 8)))[:, :, None, None].astype("f4"), of


def crowded(most: int) -> NDArray[np.float32]:
    """N images, so many of the classes 0 and 5 each, and the same number of each of the others, or one less."""
    rest = [c for c in range(8) if c not in (0, 5)] * N
    images, of = points(8 * N)
    kept = [[0] * most, [5] * most, rest[: N - 2 * most]]
    return np.concatenate([images[of == c][: sum(k.count(c) for k in kept)] for c in range(8)])


def evidence(**changes: Any) -> Evidence:
    images, classes = points()
    plain = Evidence(images, classes, True, None, None, {}, {}, ("model.weight", 1.0), [])
    return replace(plain, **changes)


def name_of(found: Finding | None) -> str | None:
    return None if found is None else found.disease


# Judgements.


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        (points()[0], None),
        (points(classes=7)[0], "partial mode collapse"),
        (points(classes=1)[0], "mode collapse"),
        (np.zeros((N, 8, 1, 1), "f4"), "mode collapse"),
        (np.concatenate([points(N - 4, 7)[0], points(4 * 8, 8)[0][7::8]]), None),  # 4 samples of class 7, of 50
        (crowded(165), "mode collapse"),  # 82 % in two classes, and 11 or 12 samples of each other one
        (crowded(155), None),  # 78 %
    ],
)
def test_mode_collapse(samples: NDArray[np.float32], wanted: str | None) -> None:
    found = diseases.mode_collapse(evidence(samples=samples))
    assert name_of(found) == wanted
    if wanted == "partial mode collapse":
        assert found is not None and "1 of the 8 classes (7)" in found.evidence


def test_two_classes_with_nearly_all_samples_are_named() -> None:
    found = diseases.mode_collapse(evidence(samples=crowded(165)))
    assert found is not None and found.evidence.startswith("82% of 400 samples are nearest to images of 2 of the 8")
    assert found.evidence.endswith("classes (0, 5), where 25% are expected")
    half = np.arange(N) % 2  # of two classes of images that is no disease
    images = (CENTRES[half] + rng.standard_normal((N, 8)))[:, :, None, None].astype("f4")
    assert diseases.mode_collapse(evidence(images=images, classes=half, samples=images)) is None


def test_clusters_stand_for_classes_where_there_are_no_labels() -> None:
    images, classes = points()
    found = k_means(images, k=8)
    assert len({(a, b) for a, b in zip(found, classes)}) == 8  # the same parts of the data, under other names
    judged = diseases.mode_collapse(evidence(samples=points(classes=4)[0], classes=k_means(images, 8), labelled=False))
    assert judged is not None and judged.evidence.endswith("4 of the 8 clusters")
    assert set(k_means(np.zeros((20, 1, 2, 2), "f4"))) == {0}  # all alike


def answers(counts: list[int], certain: float) -> NDArray[np.float64]:
    """The probabilities (sum of counts, classes) of a classifier that calls so many samples each class.

    It is certain of that share of each class.
    """
    called = np.repeat(np.arange(len(counts)), counts)
    sure = np.concatenate([np.arange(n) < round(certain * n) for n in counts])
    top = np.where(sure, 0.95, 0.6)[:, None]
    return np.where(np.arange(len(counts)) == called[:, None], top, (1 - top) / (len(counts) - 1))


@pytest.mark.parametrize(
    ("counts", "certain", "wanted"),
    [
        ([50] * 8, 0.8, None),
        ([65, 0, 65, 65, 0, 65, 65, 75], 0.8, "partial mode collapse"),
        ([65, 0, 65, 65, 0, 65, 65, 75], 0.25, None),  # too bad to be called digits: nobody knows what is missing
        ([133, 0, 0, 0, 0, 0, 133, 134], 0.8, "mode collapse"),
        ([50, 12, 60, 60, 60, 58, 50, 50], 0.8, None),  # rare, but not missing
        ([170, 10, 10, 10, 10, 10, 170, 10], 0.8, "mode collapse"),  # 85 % in two classes, and some in each other
    ],
)
def test_missing_classes(counts: list[int], certain: float, wanted: str | None) -> None:
    """By the answers of a classifier, where pixels say that all is well."""
    seen = evidence(samples=points()[0], sample_probabilities=answers(counts, certain))
    if certain < diseases.MIN_CERTAIN:
        with pytest.raises(diseases.NotApplicable):
            diseases.missing_classes(seen)
        return
    found = diseases.missing_classes(seen)
    assert name_of(found) == wanted
    if wanted == "partial mode collapse":
        assert found is not None and "recognises 0 of 320 samples" in found.evidence
        assert "2 of the 8 classes (1, 4), where 80 are expected" in found.evidence


@pytest.mark.parametrize(("called", "certain", "missing"), [(9, 0.0, True), (9, 1.0, False), (15, 0.0, False)])
def test_what_is_no_digit_yet_may_be_called_a_missing_class(called: int, certain: float, missing: bool) -> None:
    """A classifier has to say something: so few of 50 samples are called class 1, and it is certain of none of them."""
    others, ones = answers([55, 0, 55, 55, 55, 57, 57, 57], 1.0), answers([0, called, 0, 0, 0, 0, 0, 0], certain)
    found = diseases.missing_classes(evidence(samples=points()[0], sample_probabilities=np.concatenate([others, ones])))
    assert (found is not None) == missing
    assert found is None or "1 of the 8 classes (1)" in found.evidence


def test_missing_classes_are_named_once() -> None:
    """Not after another check has found the collapse, and not where there are no labels or no classifier."""
    recognised = answers([57, 57, 57, 57, 57, 57, 58, 0], 0.9)
    for changes in (
        {"samples": points(classes=7)[0], "sample_probabilities": recognised},
        {"samples": np.zeros((N, 8, 1, 1), "f4"), "sample_probabilities": recognised},
        {
            "samples": points()[0],
            "sample_probabilities": recognised,
            "diagnostics": {"kl": np.zeros((N, 4)), "mean": np.zeros((N, 4))},
        },
        {"samples": points()[0], "sample_probabilities": recognised, "labelled": False},
        {"samples": points()[0]},
    ):
        with pytest.raises(diseases.NotApplicable):
            diseases.missing_classes(evidence(**changes))


@pytest.mark.parametrize(
    ("fake", "history", "wanted"),
    [
        (-8.0, [], True),
        (-2.0, [], False),  # taken for real with probability 0.12
        (-8.0, [{"accuracy": 0.9, "fake_score": 0.1}], False),  # batch norm: training says otherwise
        (1.0, [{"accuracy": 1.0, "fake_score": 0.001}], True),
        (1.0, [{"accuracy": 0.5, "fake_score": 0.5}, {"accuracy": 1.0, "fake_score": 0.001}], True),  # the last counts
        (1.0, [{"accuracy": 1.0, "fake_score": 0.5}, {"accuracy": 1.0, "fake_score": 0.001}], True),
        (1.0, [{"accuracy": 1.0, "fake_score": 0.001}, {"accuracy": 0.5, "fake_score": 0.001}], False),
    ],
)
def test_discriminator_won(fake: float, history: list[dict[str, float]], wanted: bool) -> None:
    diagnostics = {"real_score": np.full(N, 3.0), "fake_score": np.full(N, fake)}
    assert (diseases.discriminator_won(evidence(diagnostics=diagnostics, history=history)) is not None) == wanted


@pytest.mark.parametrize(("active", "wanted"), [(0, True), (1, True), (2, False), (20, False)])
def test_posterior_collapse(active: int, wanted: bool) -> None:
    mean = rng.standard_normal((N, 20)) * (np.arange(20) < active)
    found = diseases.posterior_collapse(evidence(diagnostics={"kl": mean**2 / 2, "mean": mean}))
    assert (found is not None) == wanted
    if found is not None:
        assert f"{active} of 20 code units are active" in found.evidence


def test_a_code_of_two_units_may_lose_one() -> None:
    mean = rng.standard_normal((N, 2)) * [1.0, 0.0]
    assert diseases.posterior_collapse(evidence(diagnostics={"kl": mean**2 / 2, "mean": mean})) is None


@pytest.mark.parametrize(("used", "wanted"), [(1, True), (6, True), (7, False), (64, False)])
def test_dead_codes(used: int, wanted: bool) -> None:
    usage = np.where(np.arange(64) < used, 300 // used, 0)
    found = diseases.dead_codes(evidence(diagnostics={"code_usage": usage}))
    assert (found is not None) == wanted
    if found is not None:
        assert f"{used} of 64 codes" in found.evidence and f"(perplexity {used}.0)" in found.evidence


@pytest.mark.parametrize(("silent", "wanted"), [(95, False), (96, True), (100, True)])
def test_dead_relu(silent: int, wanted: bool) -> None:
    found = diseases.dead_relu(evidence(dead_units={"a.1": (1, 100), "b.1": (silent, 100)}))
    assert (found is not None) == wanted
    assert found is None or "units of b.1 are 0" in found.evidence


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, None),
        ({"weight": ("a", 999.0)}, None),
        ({"weight": ("a", 1001.0)}, "exploding weights"),
        ({"weight": ("a", np.nan)}, "exploding weights"),
        ({"history": [{"penalty": 99.0}]}, None),
        ({"history": [{"penalty": 101.0}]}, "exploding penalty"),
        ({"history": [{"loss": v} for v in (-10.0, -500.0, -2000.0)]}, "exploding loss"),
        ({"history": [{"loss": v} for v in (-10.0, -2000.0)]}, None),  # two epochs are no trend
        ({"history": [{"loss": v} for v in (5000.0, 6000.0, 7000.0)]}, None),  # large images have large losses
        ({"history": [{"loss": v} for v in (10.0, 9000.0, 2000.0)]}, None),  # it falls again
        ({"history": [{"loss": 1.0}, {"loss": 1.0, "kl": 2000.0}]}, None),
    ],
)
def test_explosion(changes: dict[str, Any], wanted: str | None) -> None:
    assert name_of(diseases.explosion(evidence(**changes))) == wanted


@pytest.mark.parametrize(("size", "wanted"), [(1.0, False), (0.2, False), (0.05, True), (0.0, True)])
def test_constant_reconstructions(size: float, wanted: bool) -> None:
    found = diseases.constant_reconstructions(evidence(reconstructions=points()[0] * np.float32(size) + 3))
    assert (found is not None) == wanted


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        (diseases.mode_collapse, {}),
        (diseases.mode_collapse, {"samples": points()[0], "images": points(99)[0]}),
        (
            diseases.mode_collapse,
            {"samples": points()[0], "diagnostics": {"kl": np.zeros((N, 2)), "mean": np.zeros((N, 2))}},
        ),
        (diseases.discriminator_won, {"diagnostics": {"real_score": np.zeros(N)}}),
        (diseases.posterior_collapse, {}),
        (diseases.dead_codes, {"diagnostics": {"code_usage": np.array([1, 0, 0])}}),  # one look-up, three codes
        (diseases.dead_relu, {}),
        (diseases.constant_reconstructions, {}),
    ],
)
def test_without_evidence_there_is_no_check(check: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(diseases.NotApplicable):
        check(evidence(**changes))


def test_distances_and_spread() -> None:
    a, b = rng.standard_normal((30, 5)) + 100, rng.standard_normal((20, 5)) + 100
    wanted = np.square(a[:, None] - b).sum(2)
    np.testing.assert_allclose(squared_distances(a, b), wanted, atol=1e-9)  # of numbers near 5 * 100^2, in float64
    rows = rng.standard_normal((600, 16))
    every = np.sqrt(squared_distances(rows, rows)).sum() / (600 * 599)
    assert diseases.mean_pairwise_distance(rows) == pytest.approx(
        every, rel=0.03
    )  # 600 pairs: 3 standard errors of the mean
    assert diseases.mean_pairwise_distance(np.ones((5, 3))) == 0


# Looking.


def test_units_that_never_fire_are_found_and_the_network_is_put_back() -> None:
    dense, conv = nn.Dense(3, 4, rng=Generator(0)), nn.Conv2d(1, 3, 1, rng=Generator(0))
    dense.weight.data[:] = np.array([[1, 0, 0], [0, 0, 0], [-1, 0, 0], [0, 1, 0]], "f4")
    dense.bias.data[:] = np.array([0, -1, 0, 0], "f4")
    conv.weight.data[:] = np.array([1, -1, 0], "f4").reshape(3, 1, 1, 1)
    conv.bias.data[:] = 0
    modules: dict[str, nn.Module] = {
        "one": nn.Sequential(dense, ops.relu),
        "two": nn.Sequential(nn.Sequential(conv, ops.relu), ops.tanh),
    }
    x, image = Tensor(np.eye(3, dtype="f4") * 2), Tensor(np.ones((2, 1, 3, 3), "f4"))
    before = modules["one"](x).numpy(), modules["two"](image).numpy()
    with record_relu_activity(modules) as heard:
        np.testing.assert_allclose(modules["one"](x).numpy(), before[0])
        np.testing.assert_allclose(modules["two"](image).numpy(), before[1], rtol=1e-6)  # not fused: other rounding
        modules["one"](Tensor(-x.data))  # a unit that fires for one of several batches is alive
    assert {name: list(alive) for name, alive in heard.items()} == {
        "one.1": [True, False, True, True],
        "two.0.1": [True, False, False],
    }
    with pytest.raises(ValueError), record_relu_activity(modules):
        modules["one"](Tensor(np.ones((2, 5), "f4")))
    assert vars(modules["one"])["1"] is ops.relu and vars(modules["two"])["0"][1] is ops.relu


def everything(built: Experiment) -> Any:
    return (
        {name: {k: a.tobytes() for k, a in m.state_dict().items()} for name, m in built.modules.items()},
        {name: {k: a.tobytes() for k, a in o.state_dict().items()} for name, o in built.optimizers.items()},
        {name: generator.state for name, generator in built.generators.items()},
        [m.training for module in built.modules.values() for _, m in module.named_modules()],
        repr(built.modules),
    )


@pytest.mark.parametrize("name", MODELS)
def test_looking_at_a_model_changes_nothing(name: str) -> None:
    built, batch = build_small(name), images_for(name)
    built.schedule(0)
    built.step(batch)
    before = everything(built)
    with np.errstate(all="raise"):
        checkup = examine(built, batch.x, batch.labels, [{"loss": 1.0}])
    assert checkup.checks >= 1 and everything(built) == before


def test_a_generator_that_is_drawn_from_while_looking_is_put_back() -> None:
    built = build_small("denoising-ae")
    built = replace(built, diagnostics=lambda images: {"x": built.generators["noise"].normal((3,))})
    before = everything(built)
    assert collect_evidence(built, images_for("ae").x, None, ()).diagnostics["x"].shape == (3,)
    assert everything(built) == before


def test_lines() -> None:
    sick = Finding("dead codes", "1 of 64 codes are used", "Take a smaller codebook")
    assert Checkup((), 3).lines() == ["doctor: all is well (3 checks)"]
    assert Checkup((), 1).lines() == ["doctor: all is well (1 check)"]
    assert Checkup((sick,), 3).lines() == ["doctor: dead codes: 1 of 64 codes are used. Take a smaller codebook"]


def test_the_guide_has_every_disease() -> None:
    """Their names stand in the source as the first argument of `Finding`, or in a choice of two."""
    root = Path(__file__).resolve().parents[2]
    source = (root / "minigen/doctor/diseases.py").read_text()
    guide = (root / "docs/doctor.md").read_text()
    names = {*re.findall(r'Finding\(\s*"([a-zA-Z ]+)"', source), "partial mode collapse"}
    assert len(names) == 10 and all(f"| {name} |" in guide for name in names)
    for number in (
        schedule.IMAGES,
        f"{schedule.EARLY:,}",
        f"{schedule.SEEN:,}",
        f"{diseases.MIN_SPREAD:.0%}".replace("%", " %"),
    ):
        assert str(number) in guide
