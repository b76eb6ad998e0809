"""`check_layer`: right layers pass every check, and for each check there is a layer here that fails only that one.

Read next: ``test_check_vjp.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from testing.broken_layers import (
    AlwaysFloat32,
    ChangesWeight,
    CountsInEvaluation,
    Gain,
    GlobalNoise,
    HiddenParameter,
    IdleParameter,
    KeepsTraining,
    MadeInFloat64,
    NotFinite,
    Raises,
    ReadsMemory,
    ReturnsArray,
    SeesTheBatch,
    ShapeFollowsNumbers,
    StateBesides,
    WritesIntoInput,
    WrongBackward,
    WrongGradient,
    WrongGradientInEvaluation,
    WrongSecondGradient,
    point,
)

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.device import cuda_status
from minigen.gradcheck import GradientMismatch
from minigen.nn.init import default_rng
from minigen.random import Generator
from minigen.testing import LayerMismatch, LayerReport, check_layer
from minigen.testing.layer_checks import CHECKS
from minigen.testing.strategies import away_from, by_axes, distinct, images_nchw, normal, scales, strided


def images(C: Any = 2, H: Any = (3, 4), W: Any = (3, 4), values: Any = normal) -> st.SearchStrategy[Any]:
    return images_nchw(N=(2, 3), C=C, H=H, W=W, values=values)


# (a layer, inputs, is each sample computed on its own?)
SHIPPED: dict[str, tuple[Callable[[], nn.Module], Any, bool]] = {
    "Dense": (lambda: nn.Dense(3, 2), by_axes("N 3", scale=scales()), True),
    "Conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), images(), True),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1), images(H=2, W=2), True),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, stride=1), images(values=distinct), True),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), strided(images()), True),
    "Upsample": (lambda: nn.Upsample(2, "bilinear"), images(H=2, W=3), True),
    "BatchNorm": (lambda: nn.BatchNorm(2), images(values=distinct), True),
    "LayerNorm": (lambda: nn.LayerNorm(4), by_axes("N 4", values=distinct), True),
    "Dropout": (lambda: nn.Dropout(0.5), by_axes("4 D", D=(3, 5)), True),
    "Flatten": (lambda: nn.Flatten(), images(), True),
    "network": (
        lambda: nn.Sequential(nn.Conv2d(2, 2, 2), nn.BatchNorm(2), ops.tanh, nn.Flatten(), nn.Dense(4, 2)),
        images_nchw(N=2, C=2, H=3, W=2),
        True,
    ),
}


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_layers_that_ship_pass_every_check(name: str, count: int) -> None:
    make, inputs, independent = SHIPPED[name]
    report = check_layer(make, inputs, batch_independent=independent, max_examples=count, draws=2)
    assert report.ok and report.of("not run") in (["device"], []) and str(report).count("passed") >= 10


BROKEN: list[tuple[type[nn.Module], set[str], str]] = [
    (ReturnsArray, {"forward"}, "has to return a Tensor or a tuple of them; the output is ndarray"),
    (ShapeFollowsNumbers, {"forward"}, "(1, 3) for inputs half as large"),
    (NotFinite, {"forward"}, "output 0 is not finite"),
    (Raises, {"forward"}, "KeyError: 'no such thing' (broken_layers.py, line"),
    (GlobalNoise, {"deterministic", "gradients", "views"}, "differs between two copies of the layer"),
    (MadeInFloat64, {"dtype"}, "made in float64; a layer is made in float32"),
    (AlwaysFloat32, {"dtype", "gradients"}, "output 0 is float32 for inputs and parameters of float64"),
    (WritesIntoInput, {"inputs unchanged", "gradients"}, "forward writes into input 0"),
    (
        ChangesWeight,
        {"inputs unchanged", "gradients", "train and eval"},
        "changes parameter 'gain', which only an optimizer",
    ),
    (ReadsMemory, {"views"}, "whose memory is 'fortran' a result is off by"),
    (HiddenParameter, {"parameters"}, "a trained Tensor of shape (3,) takes part"),
    (IdleParameter, {"parameters"}, "no output depends on 'idle'"),
    (WrongGradient, {"gradients"}, "2"),
    (WrongGradientInEvaluation, {"gradients"}, "(in evaluation mode)"),
    (WrongSecondGradient, {"gradients"}, "order 2"),
    (KeepsTraining, {"train and eval"}, "after eval() the attribute `training` of 'inner' is True"),
    (CountsInEvaluation, {"train and eval"}, "a call in evaluation mode changes 'mean'"),
    (StateBesides, {"state dict"}, "the state holds gain, bias"),
    (SeesTheBatch, {"batch"}, "sample 0 alone differs"),
]


#: On a GPU these are not what they were on the CPU, either: something changes by a call, or stays behind.
AND_THE_DEVICE = {WritesIntoInput, ChangesWeight, HiddenParameter, CountsInEvaluation, StateBesides}


@pytest.mark.parametrize(("layer", "failed", "says"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_failed_check_is_named_and_no_other(layer: type[nn.Module], failed: set[str], says: str) -> None:
    report = check_layer(layer, batch_independent=True, raise_on_failure=False)
    on_device = {"device"} if layer in AND_THE_DEVICE and cuda_status()[0] else set()
    assert set(report.of("FAILED")) == failed | on_device
    assert says in str(report)
    with pytest.raises(LayerMismatch, match="check_layer") as caught:
        check_layer(layer, batch_independent=True)
    assert str(caught.value) == str(caught.value.report) and not caught.value.report.ok


def test_every_check_fails_somewhere() -> None:
    assert {name for name, _ in CHECKS} - {"device"} == set().union(*(failed for _, failed, _ in BROKEN))


def test_the_right_one_passes_all() -> None:
    report = check_layer(Gain, batch_independent=True)
    assert isinstance(report, LayerReport) and report.ok
    assert report.of("passed") == [name for name, _ in CHECKS if name not in report.of("not run")]
    assert [f.text for f in report.findings if f.name == "parameters"] == ["gain, bias"]


def test_what_is_not_run_says_why() -> None:
    report = check_layer(Gain, skip=["views"])
    reasons = {f.name: f.text for f in report.findings if f.outcome == "not run"}
    assert reasons["views"] == "left out by `skip`" and "batch_independent=True" in reasons["batch"]
    assert not reasons.get("device", "no device").startswith("left")
    report = check_layer(Raises, raise_on_failure=False)
    assert {f.text for f in report.findings[1:]} == {"forward has to work first"}


def test_order_1_is_enough_for_a_layer_that_is_used_once() -> None:
    assert check_layer(WrongSecondGradient, order=1).ok


def test_a_module_is_copied_and_stays_as_it_is() -> None:
    layer = nn.Sequential(nn.Dense(3, 2, rng=Generator(1)), nn.BatchNorm(2), nn.Dropout(0.5, rng=Generator(2)))
    before, generator = layer.state_dict(), layer[2].rng.state
    assert check_layer(layer, point(4, 3)).ok
    assert layer[2].rng.state == generator and layer.training
    for name, array in layer.state_dict().items():
        assert np.array_equal(array, before[name]) and array.dtype == np.float32


def test_the_shared_generator_is_left_where_it_was() -> None:
    before = default_rng().state
    check_layer(lambda: nn.Dense(3, 2), point(4, 3), order=1)
    assert default_rng().state == before


def test_inputs_besides_arrays() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            self.rows = nn.Parameter(point(5, 3).astype(np.float32))

        def forward(self, index: Any, x: Tensor, sign: float) -> tuple[Tensor, Tensor]:
            return self.rows[index] * sign, x * x

    assert check_layer(Table, (np.array([4, 0]), point(2, 2), -1.0), batch_independent=True).ok
    assert check_layer(Table, (np.array([4, 0]), Tensor(point(2, 2)), -1.0)).ok


def test_no_gradient_to_check_is_said() -> None:
    class Sign(nn.Module):
        def forward(self, x: Any) -> Tensor:
            return Tensor(np.sign(x).astype(np.float32))

    report = check_layer(Sign, np.arange(3), skip=["dtype"])
    assert "gradients" in report.of("not run")


def test_a_strategy_shrinks_to_the_simplest_inputs() -> None:
    class FailsFrom4(Gain):
        def __init__(self) -> None:
            pass

        def forward(self, x: Tensor) -> Tensor:
            return WrongBackward.apply(x, factor=2.0 if x.shape[1] >= 4 else 1.0)

    report = check_layer(
        FailsFrom4, by_axes("N D", N=(1, 5), D=(1, 9)), max_examples=50, order=1, raise_on_failure=False
    )
    assert report.of("FAILED") == ["gradients"] and "with inputs (1, 4)" in str(report)


def test_a_kink_under_a_strategy_is_a_kink_and_away_from_mends_it() -> None:
    def make() -> nn.Module:
        return nn.Sequential(ops.relu)

    zeros = by_axes("N D", values=lambda rng, shape: np.zeros(shape))
    report = check_layer(make, zeros, max_examples=3, raise_on_failure=False)
    assert report.of("FAILED") == ["gradients"] and "KINK" in str(report)
    assert check_layer(make, by_axes("N D").map(away_from(0)), max_examples=3).ok


def test_the_same_seed_gives_the_same_report() -> None:
    first, second = (check_layer(Gain, by_axes("N 3"), max_examples=5, order=1, seed=7) for _ in range(2))
    assert first.findings == second.findings


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: check_layer(nn.Dense, point(2, 3)),
            TypeError,
            r"lambda: Dense\(in_features=\.\.\., out_features=\.\.\.",
        ),
        (lambda: check_layer(3), TypeError, "layer is a Module, its class, or a function"),
        (lambda: check_layer(dict, point(2)), TypeError, "dict is no subclass of minigen.nn.Module"),
        (lambda: check_layer(lambda: 3, point(2)), TypeError, "gave int, not a Module"),
        (lambda: check_layer(nn.Flatten), ValueError, "give inputs=.* or Flatten a method example_inputs"),
        (lambda: check_layer(nn.Flatten, "NCHW"), TypeError, "or a hypothesis strategy, got str"),
        (lambda: check_layer(Gain, skip=["speed"]), ValueError, "skip is a list of names among forward, .*speed"),
        (lambda: check_layer(Gain, skip="views"), ValueError, "skip is a list of names"),
        (lambda: check_layer(Gain, tolerance=3), TypeError, r"nor gradcheck has an option \['tolerance'\]"),
    ],
)
def test_wrong_use_is_refused(call: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_a_strategy_that_cannot_draw_is_not_the_fault_of_the_layer() -> None:
    from hypothesis.errors import HypothesisException

    with pytest.raises(HypothesisException):
        check_layer(Gain, by_axes("N 3").filter(lambda x: False))


def test_a_mismatch_of_gradients_is_told_in_full() -> None:
    report = check_layer(WrongGradient, raise_on_failure=False)
    with pytest.raises(GradientMismatch) as caught:
        from minigen.gradcheck import gradcheck

        gradcheck(lambda x: WrongBackward.apply(x, factor=2.0), point(3))
    kinds = [e.kind for e in caught.value.explanations]
    assert kinds[:1] == ["factor"] and "WRONG" in str(report)
