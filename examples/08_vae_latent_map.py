"""A map of a code of two numbers: what a VAE's decoder paints at every place of the plane.

    python examples/08_vae_latent_map.py                       # on the built-in glyphs
    python examples/08_vae_latent_map.py --dataset fashion-mnist --data-dir FOLDER

Expected: the loss falls from about 160 nats per image after the first epoch to about 140 after the tenth, and
latent_map.png shows 15 x 15 digits that turn into each other without a gap: the prior leaves no part of the plane
unused. About 30 seconds on a laptop (and 20 more, once, to draw the glyphs).

The model is `minigen.models.vae`, the loss that of `minigen train vae --latent 2 --layers 2`.
"""

import argparse
from statistics import NormalDist

import numpy as np

import minigen as mg
from minigen import data, losses, ops, optim, pictures
from minigen.models import likelihood, vae

SIDE = 15  # places in a row of the map


def places() -> np.ndarray:
    """Codes (225, 2): the middles of 15 x 15 cells of equal probability under the prior N(0, 1), in reading order."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / SIDE) for i in range(SIDE)]
    return np.array([(x, -y) for y in quantiles for x in quantiles], np.float32)


def main(steps: int | None = None, epochs: int = 10, dataset: str = "glyphs", data_dir: str | None = None,
         out: str = "latent_map.png") -> float:  # fmt: skip
    """Train for `epochs` (at most `steps` updates); write the map; return the loss of the last batch."""
    train = data.load(dataset, split="train", data_dir=data_dir)
    rng = mg.Generator(seed=0)
    model = vae.dense(train.image_shape, likelihood.Bernoulli(), hidden=(400, 200), latent=2, rng=rng)
    model.set_data_mean(train.mean())  # the untrained decoder paints the mean
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    noise = mg.Generator(seed=1)

    batches, step, total = data.Batches(train, 128, seed=0), 0, float("nan")
    for epoch in range(epochs):
        for batch in batches:
            x = mg.Tensor(batch.x)
            mean, logvar = model.posterior(x)
            z = ops.reparameterize(mean, logvar, mg.Tensor(noise.normal(mean.shape)))
            loss = model.likelihood.nll(model.logits(z), x) + losses.gaussian_kl(mean, logvar)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step == steps:
                break
        total = loss.item()
        print(f"epoch {epoch + 1}/{epochs}  loss {total:.1f} nats per image")
        if step == steps:
            break

    with model.evaluation():
        images = model.decode(mg.Tensor(places())).numpy()
    pictures.save_png(pictures.grid(images, SIDE, gap=1), out)
    print(f"wrote {out}: the plane of the code, {SIDE} x {SIDE} places")
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", default="latent_map.png")
    main(**vars(parser.parse_args()))
