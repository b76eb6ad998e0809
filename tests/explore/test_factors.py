"""Directions of factors, on codes that are made of known factors, and on the codes of a trained VAE.

Read next: ``minigen/explore/factors.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigen as mg
from minigen.data.glyphs import glyphs
from minigen.explore.factors import factor_directions

RNG = np.random.default_rng(0)
N = 1000


def made(noise: float) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Codes that are a linear mixture of two factors, a class and noise: codes, factors, mixture (2, 5)."""
    factors = {
        "turn": RNG.uniform(-15, 15, N).astype(np.float32),
        "class": RNG.integers(0, 3, N),
        "size": RNG.uniform(0.8, 1.2, N).astype(np.float32),
        "still": np.ones(N, np.float32),
    }
    mixture = np.array([[0.1, -0.2, 0, 0.3, 0], [0, 1, 2, 0, -1]])
    classes = RNG.normal(size=(3, 5))[factors["class"]]
    codes = np.stack([factors["turn"], factors["size"]], 1) @ mixture + classes + noise * RNG.normal(size=(N, 5))
    return codes, factors, mixture


def test_a_linear_mixture_is_undone() -> None:
    codes, factors, mixture = made(0.02)
    found = {one.name: one for one in factor_directions(codes, factors)}
    assert found.keys() == {"turn", "size"}
    for name, row in zip(("turn", "size"), mixture, strict=True):
        one = found[name]
        assert one.r2 > 0.95
        np.testing.assert_allclose(one.direction, row, atol=0.05 * abs(row).max())
        assert one.weights @ one.direction == pytest.approx(1)
        estimate = codes @ one.weights + one.bias
        assert 1 - np.var(factors[name] - estimate) / np.var(factors[name]) == pytest.approx(one.r2, abs=0.03)
        assert (one.low, one.high) == (factors[name].min(), factors[name].max())


def test_what_codes_do_not_tell_has_no_direction() -> None:
    codes, factors, _ = made(0.02)
    assert [one.name for one in factor_directions(codes, {**factors, "other": RNG.normal(size=N)})][-1] != "other"
    assert factor_directions(RNG.normal(size=(N, 5)), factors) == []
    assert factor_directions(codes[:99], {name: f[:99] for name, f in factors.items()}) == []
    assert factor_directions(np.zeros((N, 5)), factors) == []


def test_units_that_never_change_are_no_obstacle() -> None:
    codes, factors, _ = made(0.02)
    wide = np.concatenate([codes, np.zeros((N, 2)), codes[:, :1]], 1)  # two of no use, and a copy
    for one, plain in zip(factor_directions(wide, factors), factor_directions(codes, factors), strict=True):
        assert one.name == plain.name and abs(one.direction[5:7]).max() < 1e-12
        np.testing.assert_allclose(wide @ one.weights, codes @ plain.weights, atol=1e-6 * np.ptp(factors[one.name]))


def test_the_slider_of_a_shift_moves_the_ink() -> None:
    """Of a VAE on glyphs: along the direction of shift_x the centre of the ink moves to the right, and not down."""
    data = glyphs(split="train", count=3000)
    run = mg.train("beta-vae", data=data, test=data, epochs=10, beta=0.05, latent=20, hidden=128, progress=False)
    codes = run.encode(data.subset(slice(0, 1000)))
    factors = {name: f[:1000] for name, f in (data.factors or {}).items()}
    found = {one.name: one for one in factor_directions(codes, factors)}
    for name, axis in (("shift_x", 3), ("shift_y", 2)):
        one = found[name]
        estimate = codes @ one.weights + one.bias
        low, high = (
            run.decode((codes + np.outer(value - estimate, one.direction)).astype(np.float32))
            for value in (one.low, one.high)
        )
        along, across = (float(np.mean(centre(high, k) - centre(low, k))) for k in (axis, 5 - axis))
        assert along > 0.2 * (one.high - one.low) and abs(across) < 0.5 * along, name


def centre(images: np.ndarray, axis: int) -> np.ndarray:
    """Where the ink of images (N, 1, H, W) lies along an axis, in pixels: (N,)."""
    place = np.arange(images.shape[axis]).reshape([-1 if k == axis else 1 for k in range(4)])
    return (images * place).sum((1, 2, 3)) / images.sum((1, 2, 3))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_factor_that_is_not_always_a_number_is_left_out(odd: float) -> None:
    codes, factors, _ = made(0.1)
    broken = {**factors, "broken": np.where(np.arange(N) == 5, odd, factors["turn"]).astype(np.float32)}
    names = [[one.name for one in factor_directions(codes, some)] for some in (factors, broken)]
    assert names[0] == names[1] != []
