"""The classifier behind the features: it learns, is kept, is named by its weights; without labels there are others."""

import numpy as np
import pytest

from minigen.autograd import Tensor
from minigen.data import Dataset, cache_folder
from minigen.metrics import classifier
from minigen.metrics.classifier import (
    _leading_directions,
    evaluate_accuracy,
    feature_dimension,
    principal_components,
    stacked_features,
    train_classifier,
    trained_features,
    weights_hash,
)
from minigen.serialization import load, load_metadata, save


def bars(n, seed, side=8, channels=1, labels=True, value_range=(0.0, 1.0)):
    """Images with one bright row, whose number is the label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.integers(0, 60, (n, channels, side, side), dtype=np.uint8)
    x[np.arange(n), :, 2 * y] += 180
    return Dataset("bars", "train", x, y if labels else None, value_range=value_range)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "STEPS", 40)
    return tmp_path / "cache"


@pytest.mark.parametrize("side", [1, 5, 8, 28, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_of_image_fits(side, channels):
    data = bars(12, 0, max(side, 5), channels)
    data = Dataset("bars", "train", np.ascontiguousarray(data.images[:, :, :side, :side]), data.labels)
    model = train_classifier(data, steps=1)
    x = Tensor(data.images_float())
    assert model.features(x).shape == (12, 64) and model(x).shape == (12, int(data.labels.max()) + 1)


def test_it_learns_the_same_from_the_same():
    train, test = bars(300, 0), bars(100, 1)
    model = train_classifier(train, steps=60)
    assert evaluate_accuracy(model, test) > 0.95 and not model.training
    again = train_classifier(train.in_range((-1.0, 1.0)), steps=60)  # whatever range the images come in, nearly
    assert evaluate_accuracy(again, test) == evaluate_accuracy(model, test)
    assert weights_hash(model) == weights_hash(train_classifier(train, steps=60))
    assert weights_hash(model) != weights_hash(train_classifier(train, steps=60, seed=1))
    with pytest.raises(ValueError, match="bars has no labels"):
        train_classifier(bars(9, 0, labels=False))


def test_features_and_probabilities(cache):
    train, test = bars(300, 0), bars(100, 1)
    told = []
    features = trained_features(train, test, log=told.append)
    assert len(told) == 1 and "training a classifier on bars" in told[0]
    x = test.images_float()
    assert features.extract(x).shape == (100, 64) == (100, feature_dimension(train))
    assert features.extract(x).dtype == np.float64
    p = features.classify(x)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert (p.argmax(1) == test.labels).mean() == features.facts["test_accuracy"] > 0.9
    np.testing.assert_allclose(features.class_frequencies, [np.mean(train.labels == k) for k in range(3)], rtol=1e-12)
    assert len(features.facts["weights"]) == 16 and features.facts["dimension"] == 64


def test_it_is_trained_once_and_kept(cache):
    train, test = bars(60, 0), bars(50, 1)
    told = []
    first = trained_features(train, test, log=told.append)
    second = trained_features(train.in_range((0.0, 1.0)), test, log=told.append)
    assert len(told) == 1 and first.facts == second.facts
    x = test.images_float()
    np.testing.assert_array_equal(first.extract(x), second.extract(x))
    (file,) = cache.iterdir()
    assert file.parent == cache_folder() and file.name.startswith("classifier-v1-bars-")
    for broken in (b"", file.read_bytes()[:-9], b"x" * 99):  # damaged: trained again, with the same numbers
        file.write_bytes(broken)
        assert trained_features(train, test, log=told.append).facts == first.facts
    assert len(told) == 4
    weights = load(file)
    weights["last.bias"] += 1  # a sound file whose weights are not those that it names
    save(weights, file, load_metadata(file))
    assert trained_features(train, test, log=told.append).facts == first.facts and len(told) == 5
    changed = Dataset("bars", "train", train.images, (train.labels + 1) % 3)
    trained_features(changed, test, log=told.append)  # other labels: another classifier
    assert len(told) == 6 and len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written(cache):
    cache.write_text("a file where the folder should be")
    trained_features(bars(60, 0), bars(50, 1))


def test_stacked_digits_are_read_channel_by_channel(cache):
    train, test = bars(300, 0), bars(100, 1)
    single = trained_features(train, test)
    stacked = stacked_features(single)
    x = test.images_float()[:99].reshape(33, 3, 8, 8)
    one = [single.extract(np.ascontiguousarray(x[:, c : c + 1])) for c in range(3)]
    np.testing.assert_allclose(stacked.extract(x), np.hstack(one), atol=1e-5)  # batches of other sizes round otherwise
    assert stacked.facts["dimension"] == 192 and stacked.facts["weights"] == single.facts["weights"]
    p = [single.classify(np.ascontiguousarray(x[:, c : c + 1])) for c in range(3)]
    wanted = [[r * g * b for r in p[0][i] for g in p[1][i] for b in p[2][i]] for i in range(33)]
    np.testing.assert_allclose(stacked.classify(x), wanted, atol=1e-5)
    a, b, c = single.class_frequencies
    assert stacked.class_frequencies.shape == (27,) and stacked.class_frequencies[0 * 9 + 1 * 3 + 2] == pytest.approx(
        a * b * c, rel=1e-12
    )
    spelt = test.labels[:99].reshape(33, 3) @ [9, 3, 1]  # three classes here, ten digits there
    assert (stacked.classify(x).argmax(1) == spelt).mean() > 0.9


@pytest.mark.parametrize(("n", "side"), [(300, 4), (20, 8)])
def test_principal_components_for_images_without_labels(n, side):
    train = bars(n, 0, max(side, 5), labels=False)
    features = trained_features(train, train)
    assert features.classify is None and features.facts["kind"].startswith("principal components of the pixels of bars")
    x = train.images_float()
    found = features.extract(x)
    assert found.shape[1] == features.facts["dimension"] == feature_dimension(train)
    cov = np.cov(found, rowvar=False)
    flat = x.reshape(n, -1).astype(np.float64)
    values = np.sort(np.linalg.eigvalsh(np.cov(flat, rowvar=False)))[::-1][: found.shape[1]]
    np.testing.assert_allclose(np.diag(cov), values, rtol=1e-6, atol=1e-12)  # the largest variances, in order
    np.testing.assert_allclose(cov - np.diag(np.diag(cov)), 0, atol=1e-9)
    assert principal_components(train, 3).extract(x).shape == (n, 3)


@pytest.mark.parametrize(("n", "d"), [(40, 60), (60, 40)])
@pytest.mark.parametrize("decay", [0.8, 0.97])
def test_components_of_many_large_pictures_are_those_of_the_decomposition(n, d, decay):
    """By iteration, as they are found where a decomposition would take half an hour. A sign is free."""
    rng = np.random.default_rng(0)
    u, v = np.linalg.qr(rng.normal(size=(n, 40)))[0], np.linalg.qr(rng.normal(size=(d, 40)))[0]
    x = u * decay ** np.arange(40) @ v.T
    found = _leading_directions(x, 5)
    np.testing.assert_allclose(found @ found.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(x @ found.T, axis=0), decay ** np.arange(5), rtol=1e-6)
    tight = _leading_directions(x, 5, rounds=1000, tolerance=0)
    np.testing.assert_allclose(np.abs(np.diag(tight @ v[:, :5])), 1, atol=1e-6)


def test_large_pictures_are_compared_by_iteration(monkeypatch):
    train = bars(60, 0, 8, labels=False)
    exact = principal_components(train, 4).extract(train.images_float())
    monkeypatch.setattr("minigen.metrics.classifier.EXACT", 10)
    found = principal_components(train, 4).extract(train.images_float())
    np.testing.assert_allclose(np.abs(found), np.abs(exact), atol=1e-3 * np.abs(exact).max())
