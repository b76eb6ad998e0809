"""The VQ-VAE: codebook, straight-through gradient, running means, restarts, and the prior over grids. In float64.

Read next: ``test_likelihood_points.py``.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import build_small, images_for
from gradcheck.central_differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, ops
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.likelihood.vq_vae import Parts
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.models.likelihood import Bernoulli
from minigen.models.pixel_cnn import MaskedConv2d, PixelCNN
from minigen.models.vq_vae import NEVER_USED, VQVAE, Codebook, convolutional, grid_of, perplexity, straight_through
from minigen.random import Generator

Array = np.ndarray[Any, Any]
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def book(codes: int = 5, size: int = 3, *, decay: float | None = 0.9, seed: int = 0) -> Codebook:
    """A codebook in float64, its entries of size 1."""
    made = Codebook(codes, size, decay=decay, rng=Generator(seed))
    made.to(dtype=np.float64)
    start = np.random.default_rng(seed).normal(size=(codes, size))
    made.embedding.data = start
    if decay is not None:
        made.sums.data = start.copy()
    return made


def grid(n: int = 4, size: int = 3, *, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(n, size, 2, 3))


# The codebook.


@settings(max_examples=25)
@given(
    n=st.integers(0, 4), codes=st.integers(1, 6), size=st.integers(1, 4), h=st.integers(1, 3), seed=st.integers(0, 99)
)
def test_the_nearest_entry_is_chosen(n: int, codes: int, size: int, h: int, seed: int) -> None:
    entries = book(codes, size, seed=seed)
    z = np.random.default_rng(seed + 1).normal(size=(n, size, h, 2))
    found = entries.nearest(z)
    e = entries.embedding.numpy()
    distances = np.square(z[:, None] - e[None, :, :, None, None]).sum(2)
    np.testing.assert_array_equal(found, distances.argmin(1))
    np.testing.assert_array_equal(entries.vectors(found).numpy(), np.moveaxis(e[found], -1, 1))
    np.testing.assert_array_equal(entries.usage(found), np.bincount(found.reshape(-1), minlength=codes))


def test_of_equal_entries_the_first_is_chosen_and_an_entry_chooses_itself() -> None:
    entries = book()
    entries.embedding.data[3] = entries.embedding.data[1]
    found = entries.nearest(np.moveaxis(entries.embedding.numpy()[None, None], -1, 1))
    np.testing.assert_array_equal(found, [[[0, 1, 2, 1, 4]]])
    with pytest.raises(nn.ShapeError, match=r"Codebook: expected input \(N, 3, h, w\), got \(4, 2, 2, 3\)"):
        entries.nearest(np.zeros((4, 2, 2, 3)))


def test_perplexity_counts_entries() -> None:
    assert float(perplexity(np.array([4.0, 4.0, 0.0, 4.0]))) == pytest.approx(3, rel=1e-12)
    assert float(perplexity(np.array([7.0, 0.0]))) == 1 and float(perplexity(np.zeros(3))) == 1
    share = np.array([1, 2, 5]) / 8
    assert float(perplexity(8 * share)) == pytest.approx(math.exp(-(share * np.log(share)).sum()), rel=1e-12)


def test_straight_through_is_the_entry_in_value_and_the_identity_in_gradient() -> None:
    """Of order two as well: d/dz (w st^2) = 2 w e, and its derivative is 2 w."""
    rng = np.random.default_rng(0)
    z, e, w = (rng.normal(size=(2, 3, 2, 2)) * s for s in (1e6, 1e-6, 1))  # a difference would lose all digits of e
    at, entry = Tensor(z, requires_grad=True), Tensor(e, requires_grad=True)
    y = straight_through(at, entry)
    np.testing.assert_array_equal(y.numpy(), e)
    (first,) = grad(ops.sum(y * y * Tensor(w)), [at], create_graph=True)
    np.testing.assert_allclose(first.numpy(), 2 * w * e, rtol=1e-14)
    (second,) = grad(ops.sum(first), [at])
    np.testing.assert_allclose(second.numpy(), 2 * w, rtol=1e-14)
    (to_entry,) = grad(ops.sum(straight_through(at, entry)), [entry])
    assert not to_entry.numpy().any()


def test_entries_follow_running_means() -> None:
    """Appendix A.1, step by step, with a loop over the vectors."""
    entries, decay = book(), 0.9
    counts, sums, e = np.ones(5), entries.embedding.numpy().copy(), entries.embedding.numpy().copy()
    for k in range(6):
        z = grid(seed=k) + 0.5
        found = entries.nearest(z)
        entries.follow(z, found)
        vectors = [(found[n, i, j], z[n, :, i, j]) for n, i, j in np.ndindex(*found.shape)]
        for code in range(5):
            own = [v for chosen, v in vectors if chosen == code]
            counts[code] = decay * counts[code] + (1 - decay) * len(own)
            sums[code] = decay * sums[code] + (1 - decay) * np.sum(own, axis=0) if own else decay * sums[code]
            e[code] = sums[code] / counts[code]
        np.testing.assert_allclose(entries.embedding.numpy(), e, atol=CLOSE)
        np.testing.assert_allclose(entries.counts.numpy(), counts, atol=CLOSE)
    with pytest.raises(ValueError, match="trained by its gradient; it has no decay"):
        book(decay=None).follow(z, found)


def test_an_entry_that_is_never_chosen_stays_where_it_is() -> None:
    """Count and sum fall towards 0 together; their quotient would end as 0 / 0."""
    entries = book(2, 3, decay=0.5)
    far = entries.embedding.data[1] = np.full(3, 1e3)
    entries.sums.data[1] = far
    entries.to(dtype=np.float32)
    z = grid().astype(np.float32)
    for _ in range(300):  # 0.5^300 is 0 in float32
        entries.follow(z, entries.nearest(z))
    assert entries.counts.numpy()[1] == 0
    np.testing.assert_allclose(entries.embedding.numpy()[1], far, rtol=1e-6)


def test_unused_entries_are_put_where_codes_are() -> None:
    entries, z = book(6), grid()
    found = np.zeros((4, 2, 3), np.int64)
    found[0, 0, 0] = 2
    entries.unused.data = np.array([9, 3, 9, 1, 2, NEVER_USED], np.int32)
    before, counts, sums = (t.numpy().copy() for t in (entries.embedding, entries.counts, entries.sums))
    rng = Generator(4)
    entries.revive(z, found, after=3, rng=rng)
    now, vectors = entries.embedding.numpy(), np.moveaxis(z, 1, -1).reshape(-1, 3)
    dead = [1, 4, 5]  # 3 + 1, 2 + 1 and for ever; 0 and 2 are used, 3 is unused for 2 updates
    np.testing.assert_array_equal(entries.unused.numpy(), [0, 0, 0, 2, 0, 0])
    for code in range(6):
        if code in dead:
            assert (now[code] == vectors).all(1).any()
            assert entries.counts.numpy()[code] == 1 and (entries.sums.numpy()[code] == now[code]).all()
        else:
            np.testing.assert_array_equal(now[code], before[code])
            assert entries.counts.numpy()[code] == counts[code] and (entries.sums.numpy()[code] == sums[code]).all()
    assert rng.state["position"] > 0

    still, position = book(6), Generator(4)
    start = still.embedding.numpy().copy()
    still.revive(z, found, after=0, rng=position)
    np.testing.assert_array_equal(still.embedding.numpy(), start)
    assert position.state["position"] == 0 and still.unused.numpy()[2] == 0 and still.unused.numpy()[1] > NEVER_USED


def test_the_first_batch_spreads_the_codebook() -> None:
    experiment, one = build_small("vq-vae", codes=16), images_for("vq-vae")
    first, later = ({k: float(v) for k, v in experiment.step(one).items()} for _ in range(2))
    assert first["usage"] <= 2 / 16 and later["usage"] >= 8 / 16
    without = build_small("vq-vae", codes=16, restart_after=0)
    assert [float(without.step(one)["usage"]) <= 2 / 16 for _ in range(3)] == [True] * 3


# The losses.


def parts_of(experiment: Experiment) -> Parts:
    """The networks of an experiment, in float64, with a codebook that codes fall upon."""
    model, entries, prior = (experiment.modules[name] for name in ("model", "codebook", "prior"))
    assert isinstance(model, VQVAE) and isinstance(entries, Codebook) and isinstance(prior, PixelCNN)
    rng = np.random.default_rng(5)
    for module in (model, prior):
        module.to(dtype=np.float64)
        for p in module.parameters():
            p.data = p.data + 0.05 * rng.normal(size=p.shape)
    entries.to(dtype=np.float64)
    z = model.encode(Tensor(images_for("vq-vae").x.astype("f8"))).numpy()
    entries.embedding.data = np.moveaxis(z, 1, -1).reshape(-1, z.shape[1])[: entries.codes] + 0.02
    return Parts(model, entries, prior, 0.25)


def small_parts(**options: Any) -> Parts:
    return parts_of(build_small("vq-vae", codes=6, prior_channels=16, prior_layers=1, **options))


def test_the_terms_are_those_of_the_formulas() -> None:
    parts, x = small_parts(codebook="gradient"), images_for("vq-vae").x.astype("f8")
    terms, z, found = parts.look(Tensor(x))
    assert len(np.unique(found)) > 2
    e = np.moveaxis(parts.codebook.embedding.numpy()[found], -1, 1)
    p = 1 / (1 + np.exp(-parts.model.logits(Tensor(e)).numpy()))
    reconstruction = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum((1, 2, 3)).mean()
    distance = np.square(z - e).sum((1, 2, 3)).mean()
    logits = parts.prior(Tensor(e)).numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    prior = -np.take_along_axis(log_p, found[:, None], 1).sum((1, 2, 3)).mean()
    share = np.bincount(found.reshape(-1), minlength=6) / found.size
    wanted = {
        "loss": reconstruction + 1.25 * distance,
        "reconstruction": reconstruction,
        "commitment": distance,
        "prior": prior,
        "codebook": distance,
        "usage": (share > 0).mean(),
        "perplexity": np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()),
    }
    assert {name: float(v) for name, v in terms.items()} == pytest.approx(wanted, rel=CLOSE)


def reached(loss: Tensor, module: nn.Module) -> set[str]:
    """The parameters of `module` in which the loss has a gradient that is not 0."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    return {name for name, g in zip(names, grad(loss, parameters), strict=True) if np.any(g.numpy())}


def test_each_term_reaches_what_it_is_for() -> None:
    """Commitment the encoder alone, the codebook's term the codebook alone, the prior's the prior alone."""
    parts = small_parts(codebook="gradient")
    terms, _, _ = parts.look(Tensor(images_for("vq-vae").x.astype("f8")))
    model, entries, prior = parts.model, parts.codebook, parts.prior
    encoder, decoder = model.encoder, model.decoder
    table = {
        "reconstruction": (True, True, False, False),
        "commitment": (True, False, False, False),
        "codebook": (False, False, True, False),
        "prior": (False, False, False, True),
    }
    for term, wanted in table.items():
        assert tuple(bool(reached(terms[term], m)) for m in (encoder, decoder, entries, prior)) == wanted, term
    assert reached(terms["reconstruction"], encoder) == {name for name, _ in encoder.named_parameters()}
    assert reached(terms["prior"], prior) == {name for name, _ in prior.named_parameters()}


def test_gradients_against_differences() -> None:
    """Where nothing is a constant to the gradient: decoder, entries and prior; and the encoder under the commitment."""
    parts, x = small_parts(codebook="gradient", channels=2), Tensor(images_for("vq-vae").x[:3].astype("f8"))
    model, entries, prior = parts.model, parts.codebook, parts.prior
    for network in (model, prior):  # hundreds of ReLUs have a kink within any step; what is between them is the matter
        for _, module in network.named_modules():
            if isinstance(module, nn.Sequential):
                for key in [key for key, layer in vars(module).items() if layer is ops.relu]:
                    setattr(module, key, ops.softplus)
    z = model.encode(x)
    found = entries.nearest(z.data)
    e = entries.vectors(found)
    rng = np.random.default_rng(0)

    def check(module: nn.Module, loss: Any, order: int) -> None:
        names = [name for name, _ in module.named_parameters()]

        def of(*values: Tensor) -> Tensor:
            return loss(nn.replaced(module, dict(zip(names, values, strict=True))))  # type: ignore[no-any-return]

        check_gradients(of, [p.data for p in module.parameters()], order, rng)

    check(entries, lambda m: m.pull(z, found), 2)
    check(prior, lambda m: ops.mean(m.nll(e, found)), 1)
    check(model.decoder, lambda m: model.likelihood.nll(m(e), x), 1)
    check(model.encoder, lambda m: ops.sum((m(x - model.centre) - e) ** 2), 1)


def test_the_bound_of_the_likelihood_is_image_and_codes_together() -> None:
    experiment, one = build_small("vq-vae", codes=6), images_for("vq-vae")
    experiment.step(one)
    assert experiment.evaluate is not None and experiment.log_likelihood is not None
    terms = {name: float(v) for name, v in experiment.evaluate(one).items()}
    values = experiment.log_likelihood(one.x, 1)
    assert -values.mean() == pytest.approx(terms["reconstruction"] + terms["prior"], rel=1e-6)  # float32
    np.testing.assert_array_equal(values, experiment.log_likelihood(one.x, 50))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        experiment.log_likelihood(one.x, 0)


def test_codes_are_entries_and_anything_else_is_taken_for_the_nearest() -> None:
    experiment, one = build_small("vq-vae", codes=6), images_for("vq-vae")
    experiment.step(one)
    latent, encode, reconstruct = experiment.latent, experiment.encode, experiment.reconstruct
    assert latent is not None and latent.draw is not None and encode is not None and reconstruct is not None
    codes, entries = encode(one.x), experiment.modules["codebook"].state_dict()["embedding"]
    vectors = np.moveaxis(codes.reshape(8, 4, 2, 2), 1, -1).reshape(-1, 4)
    drawn = np.moveaxis(latent.draw(5, Generator(0)).reshape(5, 4, 2, 2), 1, -1).reshape(-1, 4)
    for v in (*vectors, *drawn):
        assert (v == entries).all(1).any()
    np.testing.assert_array_equal(latent.decode(codes, None), reconstruct(one.x))
    gap = min(np.abs(a - b).max() for a, b in itertools.combinations(entries, 2))
    np.testing.assert_array_equal(latent.decode(codes + np.float32(0.1 * gap), None), reconstruct(one.x))


# The prior.


def small_prior(
    codes: int = 2, size: int = 3, shape: tuple[int, int] = (2, 2), *, channels: int = 4, layers: int = 2
) -> PixelCNN:
    prior = PixelCNN(codes, size, shape, channels=channels, layers=layers, rng=Generator(0))
    prior.to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for p in prior.parameters():
        p.data = p.data + 0.4 * rng.normal(size=p.shape)
    return prior


def test_a_place_depends_on_those_before_it_and_on_no_other() -> None:
    prior, rng = small_prior(4, 3, (4, 5), channels=16), np.random.default_rng(0)
    e = rng.normal(size=(1, 3, 4, 5))
    plain = prior(Tensor(e)).numpy()
    for i, j in np.ndindex(4, 5):
        other = e.copy()
        other[:, :, i, j] += rng.normal(size=3)
        changed = (prior(Tensor(other)).numpy() != plain).any((0, 1)).reshape(-1)
        assert not changed[: i * 5 + j + 1].any()  # the place itself is not seen either
        assert j == 4 or changed[i * 5 + j + 1]
        assert i == 3 or changed[(i + 1) * 5 + j]
    with pytest.raises(nn.ShapeError, match=r"PixelCNN: expected input \(N, D, 4, 5\), got \(1, 3, 5, 5\)"):
        prior(Tensor(np.zeros((1, 3, 5, 5))))


@pytest.mark.parametrize(("shape", "layers"), [((4, 5), 2), ((1, 1), 2), ((9, 2), 3), ((2, 9), 0)])
def test_one_place_after_the_other_gives_the_same_as_all_at_once(shape: tuple[int, int], layers: int) -> None:
    prior = small_prior(4, 3, shape, channels=5, layers=layers)
    e = np.random.default_rng(0).normal(size=(2, 3, *shape))
    whole, seen = prior(Tensor(e)).numpy(), [np.zeros((2, 2, *shape)) for _ in range(layers)]
    for i, j in np.ndindex(*shape):
        place = prior.at(e, i, j, seen).numpy()
        np.testing.assert_allclose(place[:, :, 0, 0], whole[:, :, i, j], atol=CLOSE)


def test_masks() -> None:
    a, b = (MaskedConv2d(1, 1, 3, own=own, rng=Generator(0)).mask.numpy()[0, 0] for own in (False, True))
    np.testing.assert_array_equal(a, [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(b, [[1, 1, 1], [1, 1, 0], [0, 0, 0]])


def all_grids(codes: int) -> Array:
    return np.array(list(itertools.product(range(codes), repeat=4))).reshape(-1, 2, 2)


def test_probabilities_of_all_grids_sum_up_to_one() -> None:
    prior, embedding = small_prior(3), np.random.default_rng(2).normal(size=(3, 3))
    grids = all_grids(3)
    nll = prior.nll(Tensor(np.moveaxis(embedding[grids], -1, 1)), grids).numpy()
    assert nll.shape == (81,) and np.exp(-nll).sum() == pytest.approx(1, rel=1e-12)


def test_grids_are_drawn_with_their_probabilities() -> None:
    prior, embedding, n = small_prior(2), np.random.default_rng(2).normal(size=(2, 3)), 20_000
    grids = all_grids(2)
    p = np.exp(-prior.nll(Tensor(np.moveaxis(embedding[grids], -1, 1)), grids).numpy())
    drawn = prior.draw(n, embedding, Generator(3)).reshape(n, 4) @ (8, 4, 2, 1)
    counts = np.bincount(drawn, minlength=16)
    # Pearson's statistic has mean 15 and standard deviation 5.5; with wrong probabilities it is of the order of n.
    assert ((counts - n * p) ** 2 / (n * p)).sum() < 15 + 5 * 5.5
    assert p.max() > 2 / 16  # they are not all alike
    assert prior.draw(0, embedding, Generator(3)).shape == (0, 2, 2)


# What fits.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 4, 8)])
def test_images_that_fit(shape: tuple[int, int, int]) -> None:
    model = convolutional(shape, Bernoulli(), channels=2, latent=3, rng=Generator(0))
    z = model.encode(Tensor(np.zeros((2, *shape), np.float32)))
    assert z.shape == (2, 3, *grid_of(shape)) and grid_of(shape) == (shape[1] // 4, shape[2] // 4)
    assert model.decode(z).shape == (2, *shape)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="sides must be multiples of 4, got 30x28; resize"):
        grid_of((1, 30, 28))
    with pytest.raises(ValueError, match="--codebook-decay has no effect with --codebook gradient; leave it out"):
        build_small("vq-vae", codebook="gradient", codebook_decay=0.5)


PATTERNS = np.zeros((4, 1, 8, 8), np.float32)
PATTERNS[0, 0, :4], PATTERNS[1, 0, 4:], PATTERNS[2, 0, :, :4], PATTERNS[3, 0, :, 4:] = 1, 1, 1, 1


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_it_learns_four_pictures_and_draws_them(codebook: str) -> None:
    """Halves that are bright: a prior that drew places on their own would make all 16 pictures of quadrants."""
    experiment = build_small(
        "vq-vae", codebook=codebook, codes=8, restart_after=50, lr=5e-3, prior_channels=32, channels=8
    )
    rng = np.random.default_rng(0)
    for _ in range(160):
        labels = rng.integers(0, 4, 32)
        experiment.step(Batch(PATTERNS[labels], labels, np.arange(32)))
    latent, reconstruct = experiment.latent, experiment.reconstruct
    assert latent is not None and latent.draw is not None and reconstruct is not None
    assert np.square(reconstruct(PATTERNS) - PATTERNS).mean() < 0.01
    samples = latent.decode(latent.draw(100, Generator(0)), None)
    nearest = np.square(samples[:, None] - PATTERNS).mean((2, 3, 4))
    assert (nearest.min(1) < 0.02).mean() > 0.9
    assert (np.bincount(nearest.argmin(1), minlength=4) > 5).all()
