"""What the checker does around its comparison: self-test, dtypes, devices, reports, scales, state; and a broad attack.

What a wrong gradient is said to look like: ``test_diagnosis.py``.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
from gradcheck.wrong_gradients import point, spoilt

from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import GradientMismatch, Report, gradcheck
from minigen.gradcheck.checked_function import UserFunction
from minigen.gradcheck.invariances import compare_devices
from minigen.gradcheck.linearization import Linearization, Settings
from minigen.gradcheck.numeric import FLOAT32_STEPS, FLOAT64_STEPS, DirectionalDerivative, directional_derivative
from minigen.gradcheck.progress import Progress
from minigen.random import Generator
from minigen_kernels import Array

# The self-test.


def test_self_test_plants_every_error_in_every_tensor_at_each_order() -> None:
    report = gradcheck(nn.Dense(4, 2, rng=Generator(0)), point(3, 4), order=2, self_test=True)
    assert report.ok and all(m.rejected for m in report.mutations)
    tested = {(m.order, m.name) for m in report.mutations}
    assert tested == {(row.order, row.name) for row in report.rows if row.verdict == "OK"}
    for order, name in tested:
        kinds = {m.kind for m in report.mutations if (m.order, m.name) == (order, name)}
        assert {"factor", "sign", "zero", "shifted", "perturbed"} <= kinds
        assert ("transposed" in kinds) == ("bias" not in name)  # a bias has one axis
    assert gradcheck(nn.Dense(4, 2, rng=Generator(0)), point(3, 4)).mutations == []


def test_self_test_along_directions() -> None:
    report = gradcheck(ops.tanh, point(60, 50), self_test=True, max_elements=100)
    assert "directions" in report.rows[0].compared
    assert [m.rejected for m in report.mutations] == [True] * 6


def test_a_planted_error_that_passes_fails_the_check() -> None:
    report = gradcheck(ops.tanh, point(4), rtol=0.5, self_test=True, raise_on_failure=False)
    assert report.verdict == "PRECISION" and not all(m.rejected for m in report.mutations)
    assert report.failure is not None and "planted on purpose was not noticed (factor" in report.failure.text


# The report.


def test_a_failure_is_returned_when_it_is_not_to_be_raised() -> None:
    report = gradcheck(spoilt(ops.tanh, lambda g: g * 2), point(2, 3), seed=4, raise_on_failure=False)
    assert (report.ok, report.verdict, report.target) == (False, "WRONG", "wrong")
    assert (report.order, report.seed, report.dtype, report.device) == (1, 4, "float64", "cpu")
    assert report.evaluations > 12 and 0 < report.seconds < 60
    failure = report.failure
    assert failure is not None and failure.report is report and failure.index is not None
    for array in (failure.analytic_map, failure.numeric_map, failure.error_map):
        assert array is not None and array.shape == (2, 3)
    assert failure.analytic_map is not None and failure.analytic_map[failure.index] == pytest.approx(failure.analytic)


def test_the_ladder_shows_the_steps_at_the_worst_entry() -> None:
    failure = gradcheck(spoilt(ops.exp, lambda g: g * 1.5), point(3), raise_on_failure=False).failure
    assert failure is not None
    steps, slopes, off = (np.array(column) for column in zip(*failure.ladder, strict=True))
    assert (np.diff(steps) < 0).all() and len(steps) > 10
    best = int(np.abs(slopes - failure.numeric).argmin())
    assert slopes[best] == pytest.approx(failure.numeric, rel=1e-8) and 1e-7 < steps[best] < 1e-2
    assert off == pytest.approx(np.abs(failure.analytic - slopes))
    right = np.abs(slopes - failure.numeric)
    assert right[0] / right[2] == pytest.approx(100, rel=0.5)  # the error falls with the square of the step


@pytest.mark.parametrize(
    ("fn", "name"), [(nn.Dense(2, 2), "Dense"), (ops.tanh, "tanh"), (nn.Dense(2, 2).forward, "forward")]
)
def test_the_report_names_its_target(fn: Any, name: str) -> None:
    assert gradcheck(fn, point(3, 2)).target == name


def test_the_target_of_a_function_class_is_the_class() -> None:
    class Twice(Function):
        def forward(self, x: Array) -> Array:
            return 2 * x

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * 2

    assert gradcheck(Twice.apply, point(2)).target == "Twice"


# Single precision.

SMOOTH = {"tanh": ops.tanh, "softmax": lambda x: ops.softmax(x, 1), "square": lambda x: x * x, "exp": ops.exp,
          "norm": lambda x: ops.norm(x, 1), "logsumexp": lambda x: ops.logsumexp(x, 1)}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("order", [1, 2])
def test_float32_passes_and_says_how_much_it_sees(name: str, order: int) -> None:
    for seed in range(5):
        report = gradcheck(SMOOTH[name], point(3, 4, seed=seed), dtype="float32", order=order, seed=seed)
        assert report.dtype == "float32"
        # rtol is 1e-3; the numeric side itself adds 10 times 1e-7 / 6e-3, its rounding over its step, where y is 1.
        assert all(1e-3 <= row.resolution < 1e-2 for row in report.rows if row.verdict == "OK")


@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03, -1.0])
def test_float32_catches_what_it_can_see(factor: float) -> None:
    for seed in range(5):
        with pytest.raises(GradientMismatch, match="WRONG"):
            gradcheck(spoilt(ops.tanh, lambda g: g * factor), point(3, 4, seed=seed), dtype="float32", seed=seed)


def test_what_only_works_in_float32_can_be_checked_there() -> None:
    class Fixed(Function):
        def forward(self, x: Array) -> Array:
            return np.sin(x.astype(np.float32)).astype(x.dtype)

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * Tensor(np.cos(self.inputs[0].data))

    with pytest.raises(GradientMismatch, match="PRECISION"):
        gradcheck(Fixed.apply, point(3, 4))
    gradcheck(Fixed.apply, point(3, 4), dtype="float32")


@pytest.mark.parametrize("near", [3e-9, 1e-7, 1e-6, 1e-5, 1e-4])
def test_a_kink_that_float32_cannot_resolve_is_not_called_wrong(near: float) -> None:
    report = gradcheck(ops.relu, np.array([1.0, near, -near]), dtype="float32", raise_on_failure=False)
    assert report.verdict != "WRONG"


@pytest.mark.parametrize("steps", [FLOAT64_STEPS, FLOAT32_STEPS], ids=["float64", "float32"])
def test_the_ladders_find_the_slope_in_their_dtype(steps: Any) -> None:
    dtype = np.float64 if steps is FLOAT64_STEPS else np.float32

    def never(slope: DirectionalDerivative) -> bool:
        return False

    for scale in (1e-3, 1.0, 1e3):

        def f(t: float, scale: float = scale) -> Array:
            return np.array([scale * np.sin(dtype(0.7) + dtype(t))], np.float64)

        slope = directional_derivative(f, f(0.0), np.ones((1, 1)), 0.0, never, steps)
        assert abs(slope.value[0] - scale * np.cos(0.7)) <= 10 * slope.error[0]
        assert slope.error[0] <= (1e-9 if steps is FLOAT64_STEPS else 1e-3) * scale


@pytest.mark.parametrize("dtype", ["float16", "int64", "double precision", 3])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="dtype is 'float64' or 'float32', got"):
        gradcheck(ops.tanh, point(2), dtype=dtype)


# Another device. There is none here; the comparison itself can be tested on the host.


@pytest.mark.parametrize("where", ["nothing", "values", "gradients"])
def test_a_function_that_is_another_one_on_another_device(where: str) -> None:
    here = {"values": 1.0, "gradients": 1.0}

    class Scaled(Function):
        def forward(self, x: Array) -> Array:
            return np.tanh(x) * here["values"]

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * here["gradients"]

    given = UserFunction(lambda x, n: Scaled.apply(x) * 2.0, (point(3, 2), np.arange(3)), None, "float64")
    settings = Settings(1e-6, None, 3, "float64")
    sides = Linearization(given, 1, np.random.default_rng(0), Report(), settings, last=True)
    if where == "nothing":
        compare_devices(given, sides, "cpu")
        return
    here[where] = 1.001
    with pytest.raises(GradientMismatch) as info:
        compare_devices(given, sides, "cpu")
    assert [e.kind for e in info.value.explanations] == ["device"]
    assert info.value.tensor == ("the output" if where == "values" else "input 0")


@pytest.mark.gpu
def test_a_layer_on_the_gpu_is_compared_with_the_cpu() -> None:
    layer = nn.Dense(4, 3, rng=Generator(0)).to(device="cuda")
    report = gradcheck(layer, Tensor(point(2, 4), device="cuda"), order=2)
    assert report.ok and report.device == "cuda" and layer.weight.device == "cuda"


# Progress.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["minigen.gradcheck.progress"]  # (the name minigen.gradcheck is the function's)
    monkeypatch.setattr(module, "DELAY", 0.0)
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        gradcheck(nn.Dense(6, 6), point(4, 6))
        text = stream.getvalue()
        assert ("gradcheck Dense: order 1" in text) is shown
        assert text == "" or text.endswith("\r")  # it leaves no line behind


def test_a_short_check_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress("f")
    for _ in range(100):
        progress.tick()
    progress.close()
    assert stream.getvalue() == "" and progress.count == 100


# State.


def test_generators_of_numpy_are_rewound_too() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            self.rng, self.old = np.random.default_rng(3), np.random.RandomState(4)

        def forward(self, x: Tensor, rng: Any) -> Tensor:
            return x * x * Tensor(self.rng.random(x.shape) + self.old.rand(*x.shape) + rng.random(x.shape))

    layer, rng = Noisy(), np.random.default_rng(5)
    before = layer.rng.bit_generator.state, rng.bit_generator.state
    gradcheck(layer, point(3), rng, order=2)
    assert (layer.rng.bit_generator.state, rng.bit_generator.state) == before
