"""The parts of the checker alone: directional derivatives, the bisection that locates an element, and mutants.

Read next: ``test_gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gradcheck.wrong_gradients import point

from minigen.gradcheck.comparison import Comparison
from minigen.gradcheck.directions import locate
from minigen.gradcheck.numeric import DirectionalDerivative, directional_derivative
from minigen.gradcheck.tensor_check import mutants
from minigen_kernels import Array


def never(slope: DirectionalDerivative) -> bool:
    return False


def slope_of(f: Callable[[float], float]) -> DirectionalDerivative:
    return directional_derivative(lambda t: np.array([f(t)]), np.array([f(0.0)]), np.ones((1, 1)), 1e-15, never)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: np.sin(1 + t), np.cos(1)),
        (lambda t: 1e6 + np.exp(t), 1.0),
        (lambda t: np.tanh(1e4 * t), 1e4),
        (lambda t: np.sin(1000 + 1000 * t), 1000 * np.cos(1000)),
        (lambda t: np.log(1e-3 + t) if t > -1e-3 else np.nan, 1e3),
        (lambda t: max(t - 1e-7, 0.0) + t, 1.0),
        (lambda t: abs(t + 1e-5), 1.0),
        (lambda t: t * abs(t), 0.0),
        (lambda t: 3.0, 0.0),
    ],
    ids=["sin", "offset", "steep", "fast", "log", "kink at 1e-7", "kink at 1e-5", "parabolas", "constant"],
)
def test_slope_is_within_its_own_error(f: Callable[[float], float], slope: float) -> None:
    found = slope_of(f)
    assert abs(found.value[0] - slope) <= 10 * found.error[0]  # 10 is what the checker allows
    assert found.error[0] <= 1e-5 * max(abs(slope), 1)  # a step of 3e-5 is a third of the steep one
    assert found.jump[0] == 0


@pytest.mark.parametrize(
    ("f", "jump"),
    [
        (lambda t: max(t, 0.0), 1),
        (lambda t: 5 * abs(t) + np.sin(t), 10),
        (lambda t: float(t > 0), np.inf),
        (lambda t: np.sqrt(t) if t >= 0 else np.nan, np.inf),
    ],
    ids=["relu", "abs", "step", "sqrt"],
)
def test_jump_of_the_slope(f: Callable[[float], float], jump: float) -> None:
    assert slope_of(f).jump[0] == pytest.approx(jump, rel=1e-4)  # the bend of the smooth part at t = 3e-5 remains


def test_locate_finds_the_guilty_element() -> None:
    for place in range(13):
        assert locate(np.ones(13), lambda d, place=place: float(d[place])) == place


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 4), (3, 1, 3, 2)])
def test_every_planted_error_is_another_gradient(shape: tuple[int, ...], alone: bool) -> None:
    size = int(np.prod(shape))
    g = point(3, size)
    kinds = []
    for kind, spoilt in mutants(g, shape, np.ones(size), 1.01, alone):
        kinds.append(kind)
        assert spoilt.shape == g.shape and np.abs(spoilt - g).max() >= 0.009 * np.abs(g).max()
    expected = ["factor", "sign", "zero"] + ["shifted"] * (size > 1) + ["transposed"] * (len(shape) > 1) + ["perturbed"]
    assert kinds == expected


def test_what_changes_nothing_is_not_planted() -> None:
    constant = [kind for kind, _ in mutants(np.ones((3, 6)), (2, 3), np.ones(6), 1.01, True)]
    assert constant == ["factor", "sign", "zero", "perturbed"]


def test_a_slope_below_the_last_bit_is_within_its_error() -> None:
    """No step changes the value, so the numeric slope is 0; its error is the last bit over the largest step."""

    def f(t: float) -> Array:
        return np.array([1e3 + 1e-14 * t])

    slope = directional_derivative(f, f(0.0), np.ones((1, 1)), 0.0, never)
    assert slope.value[0] == 0 and 1e-14 < slope.error[0] < 1e-10


@pytest.mark.parametrize(("rounding", "verdict"), [(1e-12, "OK"), (1e-3, "VACUOUS")])
def test_what_noise_may_hide_is_no_zero(rounding: float, verdict: str) -> None:
    """Numbers below the noise are zeros only where the noise is that of rounding; else planted errors decide."""
    one, nothing = np.ones((1, 1)), np.zeros((1, 1))
    compared = Comparison(one, 2 * one, one, nothing, 2 * one, rounding * one, 1e-6)
    assert compared.agrees(one) and compared.verdict() == verdict
