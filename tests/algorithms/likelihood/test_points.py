"""WAE-MMD and regularised autoencoders: discrepancy, penalties and losses against formulas; all in float64.

Read next: ``test_codes.py``.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import build_small, images_for, small_options
from gradcheck.central_differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, ops
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.algorithms.likelihood import rae, wae
from minigen.autograd import Tensor, grad
from minigen.models.autoencoder import Autoencoder, identity
from minigen.random import Generator

Array = np.ndarray[Any, Any]
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def kernel(x: Array, y: Array) -> float:
    """The inverse multiquadratic kernel of two points (D,)."""
    return sum(2 * len(x) * s / (2 * len(x) * s + ((x - y) ** 2).sum()) for s in wae.SCALES)


def pairwise(a: Array, b: Array) -> float:
    """The discrepancy with a loop over pairs."""
    n, total = len(a), 0.0
    for i, j in itertools.permutations(range(n), 2):
        total += kernel(a[i], a[j]) + kernel(b[i], b[j]) - 2 * kernel(a[i], b[j])
    return total / (n * (n - 1))


@settings(max_examples=25)
@given(n=st.integers(2, 6), size=st.integers(1, 4), seed=st.integers(0, 99))
def test_mmd_is_the_mean_over_pairs(n: int, size: int, seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, n, size))
    # 7 scales up to 1 each, three terms: rounding of numbers of size 20.
    assert wae.mmd(Tensor(a), Tensor(b)).item() == pytest.approx(pairwise(a, b), abs=CLOSE)
    assert wae.mmd(Tensor(a), Tensor(a)).item() == pytest.approx(0, abs=CLOSE)


def test_mmd_of_two_points_in_closed_form() -> None:
    """All of a at 0 and all of b at distance d: 2 k(0) - 2 k(d), k(0) = 7."""
    a, b = np.zeros((3, 2)), np.tile([3.0, 4.0], (3, 1))
    wanted = 2 * 7 - 2 * sum(4 * s / (4 * s + 25) for s in wae.SCALES)
    assert wae.mmd(Tensor(a), Tensor(b)).item() == pytest.approx(wanted, rel=CLOSE)


def test_mmd_is_zero_on_average_for_one_distribution_and_only_there() -> None:
    rng = np.random.default_rng(0)

    def estimates(shift: float, scale: float, n: int = 10, times: int = 2000) -> Array:
        draws = rng.normal(size=(times, 2, n, 2))
        return np.array([wae.mmd(Tensor(scale * a + shift), Tensor(b)).item() for a, b in draws])

    same = estimates(0, 1)
    error = same.std() / np.sqrt(len(same))
    assert abs(same.mean()) < 4 * error  # the biased estimate, with i = j, is (2 * 7 - ...) / n: 30 errors away
    assert (same < 0).any()
    for other in (estimates(0.5, 1, times=300), estimates(0, 0.5, times=300)):
        assert other.mean() > 5 * other.std() / np.sqrt(len(other))


def test_gradient_of_mmd() -> None:
    a, b = np.random.default_rng(3).normal(size=(2, 4, 3))
    check_gradients(wae.mmd, [a, b], 2, np.random.default_rng(0))


def test_samples_that_do_not_fit() -> None:
    for a, b in (((1, 3), (1, 3)), ((4, 3), (5, 3)), ((4,), (4,))):
        with pytest.raises(ValueError, match=r"expected two samples \(N, D\), N at least 2, got"):
            wae.mmd(Tensor(np.zeros(a)), Tensor(np.zeros(b)))


def model_of(experiment: Experiment) -> Autoencoder:
    """The network in float64, and smooth: hundreds of ReLUs would have a kink within any difference."""
    model = experiment.modules["model"]
    assert isinstance(model, Autoencoder)
    for _, module in model.named_modules():
        if isinstance(module, nn.Sequential):
            for key in [key for key, layer in vars(module).items() if layer is ops.relu]:
                setattr(module, key, ops.softplus)
    return model.to(dtype=np.float64)


def test_the_loss_of_wae_mmd() -> None:
    model, x = model_of(build_small("wae-mmd")), images_for("wae-mmd").x.astype("f8")
    noise, again = Generator(4), Generator(4)
    terms = {k: float(v) for k, v in wae.wae_mmd(model, 7.0)(Tensor(x), None, noise).items()}
    z = model.encode(Tensor(x)).numpy()
    error = np.square(model.decode(Tensor(z)).numpy() - x).sum((1, 2, 3)).mean()
    discrepancy = pairwise(z, again.normal(z.shape, dtype=np.float64))
    wanted = {"loss": error + 7 * discrepancy, "reconstruction": error, "mmd": discrepancy}
    assert terms == pytest.approx(wanted, rel=1e-10)
    alone = {k: float(v) for k, v in wae.wae_mmd(model, 7.0)(Tensor(x[:1]), None, noise).items()}
    assert alone["mmd"] == 0 and alone["loss"] == alone["reconstruction"]


@pytest.mark.parametrize("kind", ["l2", "gradient", "spectral"])
def test_the_loss_of_regularised_autoencoders(kind: str) -> None:
    experiment, x = build_small("rae", decoder_penalty=kind), images_for("rae").x.astype("f8")
    model = model_of(experiment)
    penalty = {"l2": rae.decoder_l2(model.decoder), "gradient": rae.gradient_penalty(model), "spectral": None}[kind]
    objective = rae.regularised(model, code_weight=0.3, penalty=penalty, weight=0.7)
    terms = {k: float(v) for k, v in objective(Tensor(x), None, Generator(4)).items()}
    z = model.encode(Tensor(x)).numpy()
    error, length = np.square(model.decode(Tensor(z)).numpy() - x).sum((1, 2, 3)).mean(), np.square(z).sum(1).mean() / 2
    wanted = {"loss": error + 0.3 * length, "reconstruction": error, "code": length}
    if kind == "l2":
        state = model.decoder.state_dict()
        wanted["penalty"] = sum(np.square(w).sum() for name, w in state.items() if name.endswith("weight"))
    if kind == "gradient":
        v, step, product = Generator(4).normal(x.shape, dtype=np.float64), 1e-5, np.zeros_like(z)
        for k in range(z.shape[1]):  # <J_k, v> by differences
            move = step * np.eye(z.shape[1])[k]
            up, down = (model.decode(Tensor(z + sign * move)).numpy() for sign in (1, -1))
            product[:, k] = ((up - down) / (2 * step) * v).sum((1, 2, 3))
        wanted["penalty"] = np.square(product).sum() / len(z)
    wanted["loss"] += 0.7 * wanted.get("penalty", 0)
    assert terms == pytest.approx(wanted, rel=1e-8)  # differences: step^2 times a third derivative
    assert experiment.evaluate is not None
    experiment = build_small("rae", decoder_penalty=kind)
    assert experiment.evaluate is not None and experiment.evaluate(images_for("rae")).keys() == {"loss"}


def linear(size: int = 3) -> Autoencoder:
    """Codes to pixels by one matrix."""
    rng = Generator(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Dense(8, size, rng=rng))
    decoder = nn.Sequential(nn.Dense(size, 8, rng=rng), nn.Reshape((1, 2, 4)))
    return Autoencoder(encoder, decoder, identity).to(dtype=np.float64)


def test_the_gradient_penalty_of_a_linear_decoder_is_the_norm_of_its_matrix() -> None:
    model = linear()
    w = model.decoder.state_dict()["0.weight"]
    z = Tensor(np.random.default_rng(0).normal(size=(20_000, 3)))
    estimate = float(rae.gradient_penalty(model)(z, Generator(1)))
    squares = np.linalg.svd(w)[1] ** 2  # |W^T v|^2 is a sum of squares s_i^2 n_i^2: variance 2 s_i^4
    deviation = np.sqrt(2 * (squares**2).sum() / 20_000)
    assert abs(estimate - (w**2).sum()) < 5 * deviation < 0.05 * (w**2).sum()


def test_the_gradient_penalty_trains_the_decoder_alone() -> None:
    model, x = model_of(build_small("rae")), Tensor(images_for("rae").x.astype("f8"))
    penalty = rae.gradient_penalty(model)(model.encode(x), Generator(1))
    to_encoder, to_decoder = (grad(penalty, m.parameters()) for m in (model.encoder, model.decoder))
    assert not any(g.numpy().any() for g in to_encoder)
    weights = [g for (name, _), g in zip(model.decoder.named_parameters(), to_decoder, strict=True) if "weight" in name]
    assert all(g.numpy().any() for g in weights)


def test_gradients_against_differences() -> None:
    """Of the whole losses, in all parameters; the gradient penalty is itself a gradient, so that it takes order 2."""
    x, rng = Tensor(images_for("rae").x[:3].astype("f8")), np.random.default_rng(0)

    def check(name: str, make: Any) -> None:
        experiment = build_small(name, channels=2, latent=2)
        model = model_of(experiment)
        names = [name for name, _ in model.named_parameters()]

        def loss(*values: Tensor) -> Tensor:
            network = nn.functional_copy(model, dict(zip(names, values, strict=True)))
            return make(network)(x, None, Generator(4))["loss"]  # type: ignore[no-any-return]

        check_gradients(loss, [p.data for p in model.parameters()], 1, rng)

    check("wae-mmd", functools.partial(wae.wae_mmd, weight=10.0))
    check("rae", lambda m: rae.regularised(m, code_weight=0.3))

    # The penalty sees codes as constants, so its derivative is taken at fixed codes.
    model, z = linear_then_tanh(), Tensor(rng.normal(size=(4, 3)))
    names = [name for name, _ in model.decoder.named_parameters()]

    def penalty(*values: Tensor) -> Tensor:
        other = nn.functional_copy(model, {f"decoder.{k}": v for k, v in zip(names, values, strict=True)})
        return rae.gradient_penalty(other)(z, Generator(4))

    check_gradients(penalty, [p.data for p in model.decoder.parameters()], 1, rng)


def linear_then_tanh() -> Autoencoder:
    model = linear()
    model.head = ops.tanh
    return model


def test_spectral_norm_follows_the_decoder() -> None:
    """Every layer of the decoder has it, and each update makes a step of the power method."""
    experiment, one = build_small("rae", decoder_penalty="spectral"), images_for("rae")
    assert experiment.evaluate is not None
    layers = [m for _, m in experiment.modules["model"].named_modules() if isinstance(m, nn.SpectralNorm)]
    assert len(layers) == 4
    before = [layer.u.numpy().copy() for layer in layers]
    experiment.evaluate(one)
    assert all((a == layer.u.numpy()).all() for a, layer in zip(before, layers, strict=True))
    experiment.step(one)
    assert all((a != layer.u.numpy()).any() for a, layer in zip(before[:3], layers, strict=False))  # the last has one


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        ValueError, match="--decoder-weight has no effect with --decoder-penalty spectral; leave it out"
    ):
        build_small("rae", decoder_penalty="spectral", decoder_weight=0.5)
    fits = Setup(small_options("wae-mmd"), (1, 8, 8), (0.0, 1.0), 0.3, None, 30, 30, 0, "cpu")
    for changed, message in (
        ({"value_range": (0.0, 9.0)}, r"expected data in the range \(0, 1\) or \(-1, 1\), got \(0.0, 9.0\)"),
        ({"image_shape": (1, 3, 28)}, "sides must be at least 4"),
    ):
        with pytest.raises(ValueError, match=message):
            MODELS["wae-mmd"].build(dataclasses.replace(fits, **changed))  # type: ignore[arg-type]
