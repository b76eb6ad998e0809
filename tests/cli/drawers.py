"""Small models for the tests of commands that draw: nothing is learnt, and what each can do is chosen.

They are put among the models for one test (`add`); their images are a fixed function of the codes.
"""

import numpy as np

from minigen import nn, ops, optim
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Term
from minigen.algorithms.options import UPDATE
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor


def add(monkeypatch, name="drawer", *, prior="normal", encoder=False, classes=False, latent=True, likelihood=False):
    """Put a model among the others. `prior`: "normal", "uniform" or None."""

    def build(setup):
        model = nn.Sequential(nn.Dense(2, 1))
        update = Updates({"model": optim.SGD(model.parameters(), lr=1e-3)})
        size, shape, (low, high) = setup.options["latent"], setup.image_shape, setup.value_range
        weights = np.random.default_rng(0).normal(size=(size, int(np.prod(shape)))).astype(np.float32)

        def decode(codes, labels):
            assert (labels is None) != classes
            lift = 0 if labels is None else labels[:, None] - 1
            squashed = 1 / (1 + np.exp(-(codes @ weights + lift)))
            return (low + (high - low) * squashed).reshape(-1, *shape).astype(np.float32)

        def encode(images):
            return images.reshape(len(images), -1)[:, :size]

        draw = {
            "normal": lambda n, rng: rng.normal((n, size)),
            "uniform": lambda n, rng: rng.uniform((n, size), -1, 1),
            None: None,
        }[prior]

        def step(batch):
            x = Tensor(batch.x.reshape(len(batch), -1)[:, :2])
            loss = ops.mean(model(x) * model(x))
            update("model", loss)
            return {"loss": loss}

        def picture(images):
            return [images]

        return Experiment(
            modules={"model": model},
            updates=update,
            generators={},
            step=step,
            schedule=lambda k: None,
            pictures=picture,
            ledger={"loss": Term("nothing")},
            encode=encode if encoder else None,
            latent=Latent(size, decode, draw, setup.classes if classes else None) if latent else None,
            log_likelihood=(lambda x, k: -x.reshape(len(x), -1).sum(1) + np.log(k)) if likelihood else None,
        )

    options = {**UPDATE, "latent": 3, "validation": 0.0}
    monkeypatch.setitem(MODELS, name, Recipe(name, "test", "draws", "nobody", options, build))


def make_many(path, n=1500, side=6, channels=1, labels=True):
    """Random images with labels that can be read off them, in a file: a tenth of them are the test split."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    images = rng.integers(0, 100, (n, channels, side, side), dtype=np.uint8)
    images[np.arange(n), :, 2 * y] += 150
    np.savez(path, images=images, **({"labels": y} if labels else {}))
    return path
