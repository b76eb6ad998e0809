"""Networks of a user's, as the tests of ``custom.py`` and of the command train them; it is imported as his file is.

Read next: ``test_custom.py``.
"""

import math

from minigen import losses, nn, ops
from minigen.models import vae
from minigen.models.likelihood import Bernoulli, soft_clamp


class LikeVAE(nn.Module):
    """The dense VAE of the catalog, written by a user."""

    objective = "elbo"

    def __init__(self, image_shape, mean, rng, hidden=16, latent=4):
        made = vae.dense(image_shape, Bernoulli(), hidden=(hidden,), latent=latent, rng=rng)
        made.set_data_mean(mean)
        self.encoder, self.mean, self.logvar, self.decoder = made.encoder, made.mean, made.logvar, made.decoder
        self.centre = made.centre

    def encode(self, x):
        features = self.encoder(x - self.centre)
        return self.mean(features), soft_clamp(self.logvar(features))

    def decode(self, z):
        return self.decoder(z)


class Dense(nn.Module):
    """An autoencoder with a forward alone."""

    objective = "mse"

    def __init__(self, image_shape, hidden: int = 9, scale: float = 1, deep=True, kind="plain"):
        pixels = math.prod(image_shape)
        self.made_of = (hidden, scale, deep, kind)
        self.net = nn.Sequential(nn.Flatten(), nn.Dense(pixels, hidden), ops.relu, nn.Dense(hidden, pixels))
        self.back = nn.Sequential(ops.sigmoid, nn.Reshape(image_shape))

    def forward(self, x):
        return self.back(self.net(x))


class Logits(Dense):
    """The same with logits."""

    objective = "bce_with_logits"

    def forward(self, x):
        return ops.reshape(self.net(x), x.shape)


class Coder(nn.Module):
    """An autoencoder with a code of two axes, and no forward."""

    objective = "l1"

    def __init__(self, image_shape, rng):
        pixels = math.prod(image_shape)
        self.down = nn.Sequential(nn.Flatten(), nn.Dense(pixels, 6, rng=rng), nn.BatchNorm(6), nn.Reshape((2, 3)))
        layers = nn.Flatten(), nn.Dropout(0.1), nn.Dense(6, pixels, rng=rng), ops.sigmoid, nn.Reshape(image_shape)
        self.up = nn.Sequential(*layers)

    def encode(self, x):
        return self.down(x)

    def decode(self, z):
        return self.up(z)


class Noisy(Coder):
    """An objective of the user's own: a denoising loss beside a wish for small codes, and a prior."""

    latent = 6

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z), z

    def objective(self, x, rng):
        y, z = self(ops.clip(x + rng.normal(x.shape, 0.0, 0.1), 0, 1))
        fit, size = losses.mse(y, x), ops.mean(z * z)
        return {"loss": fit + size * 0.1, "fit": fit, "size": size}


class Features(nn.Module):
    """What makes no image: its forward gives features, and wants two inputs."""

    def __init__(self, image_shape):
        self.net = nn.Sequential(nn.Flatten(), nn.Dense(math.prod(image_shape), 3))

    def forward(self, x, t):
        return self.net(x) * t

    def encode(self, x):
        return self(x, 1.0)

    def objective(self, x, rng):
        return ops.mean(self(x, rng.normal(())) ** 2)


def make_dense(image_shape, hidden=5):
    """A function that returns a Module."""
    return Dense(image_shape, hidden)
