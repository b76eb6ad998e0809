"""VQ-VAE: an image as a grid of 7x7 whole numbers, a codebook that says what they mean, and a prior that draws grids.

    python examples/15_vq_vae.py
    python examples/15_vq_vae.py --restart 0        # and see how many entries are then ever used

Expected: the cross-entropy of an image falls to about 77 nats; at first few entries are used, and nearly all 64 once
those that nobody chose have been moved (after 100 updates; never with --restart 0: 14). vq_vae.png shows test images,
their codes as grey squares, their reconstructions, and samples of the prior, strokes that join to a digit about every
second time. About 50 seconds on a laptop.
"""

import argparse

import numpy as np

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures
from minigen.models.pixel_cnn import PixelCNN

CODES, SIZE, DECAY, COMMITMENT = 64, 16, 0.99, 0.25


class Autoencoder(nn.Module):
    """Images (N, C, 28, 28) to vectors (N, 16, 7, 7), and back to logits of images."""

    def __init__(self, channels: int, *, rng: mg.Generator) -> None:
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1, rng=rng), ops.relu,
            nn.Conv2d(32, 64, 4, stride=2, padding=1, rng=rng), ops.relu,
            nn.Conv2d(64, 64, 3, padding=1, rng=rng), ops.relu, nn.Conv2d(64, SIZE, 1, rng=rng),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(SIZE, 64, 3, padding=1, rng=rng), ops.relu,
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, rng=rng), ops.relu,
            nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1, rng=rng),
        )  # fmt: skip


class Codebook:
    """64 vectors, each the running mean of what the encoder gives where this vector is the nearest."""

    def __init__(self, *, rng: mg.Generator) -> None:
        self.rng, self.entries = rng, rng.normal((CODES, SIZE), std=0.1)
        self.counts, self.sums = np.ones(CODES, np.float32), self.entries.copy()
        self.unused = np.full(CODES, 10**6)  # updates since an entry was last chosen; so far, none ever was

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """The number of the entry nearest to each vector of z (N, 16, 7, 7): (N, 7, 7)."""
        rows = np.moveaxis(z, 1, -1)
        return (np.square(self.entries).sum(1) - 2 * rows @ self.entries.T).argmin(-1)

    def look_up(self, numbers: np.ndarray) -> mg.Tensor:
        """The entries (N, 16, 7, 7) of numbers (N, 7, 7)."""
        return mg.Tensor(np.moveaxis(self.entries[numbers], -1, 1))

    def follow(self, z: np.ndarray, numbers: np.ndarray, restart: int) -> None:
        """Move the entries; put those that were unused for `restart` updates in the place of vectors of the batch."""
        rows = np.moveaxis(z, 1, -1).reshape(-1, SIZE)
        chosen = np.equal(numbers.reshape(-1, 1), np.arange(CODES)).astype(np.float32)
        self.counts = DECAY * self.counts + (1 - DECAY) * chosen.sum(0)
        self.sums = DECAY * self.sums + (1 - DECAY) * chosen.T @ rows
        self.entries = self.sums / np.maximum(self.counts, 1e-30)[:, None]
        self.unused = np.where(chosen.any(0), 0, self.unused + 1)
        if restart:
            dead = self.unused >= restart
            self.entries[dead] = self.sums[dead] = rows[self.rng.integers(0, len(rows), (CODES,))][dead]
            self.counts[dead], self.unused[dead] = 1, 0


def main(steps: int = 900, restart: int = 100, dataset: str = "glyphs", data_dir: str | None = None,
         out: str = "vq_vae.png") -> float:  # fmt: skip
    """Make `steps` updates of autoencoder and prior; write the picture; return how many entries test images use."""
    train, test = (data.load(dataset, split=split, data_dir=data_dir) for split in ("train", "test"))
    rng = mg.Generator(seed=0)
    model, codebook = Autoencoder(train.image_shape[0], rng=rng), Codebook(rng=rng)
    prior = PixelCNN(CODES, SIZE, (7, 7), channels=64, layers=3, rng=rng)
    for_model, for_prior = (optim.Adam(m.parameters(), lr=1e-3) for m in (model, prior))

    step = 0
    while step < steps:
        for batch in data.Batches(train, 64, seed=step):
            x = mg.Tensor(batch.x)
            z = model.encoder(x)
            numbers = codebook.nearest(z.data)
            e = codebook.look_up(numbers)
            # An entry in value, z in gradient: choosing the nearest has no slope, so the encoder is told what the
            # decoder wants as if nothing lay between them.
            through = e + (z - z.detach())
            error = losses.bce_with_logits(model.decoder(through), x, reduction="batchmean")
            loss = error + COMMITMENT * losses.mse(z, e, reduction="batchmean")
            for_model.zero_grad()
            loss.backward()
            for_model.step()

            # The prior learns which grids there are; e is a constant to it, and the encoder does not hear of it.
            surprise = ops.mean(prior.nll(e, numbers))
            for_prior.zero_grad()
            surprise.backward()
            for_prior.step()

            codebook.follow(z.data, numbers, restart)
            step += 1
            if step % 100 == 0 or step == steps:
                used = len(np.unique(numbers))
                print(
                    f"step {step:4d}  image {error.item():6.1f} nats, grid {surprise.item():6.1f} nats, {used} entries"
                )
            if step == steps:
                break

    x = test.images_float(slice(0, 300))
    with mg.no_grad():
        numbers = codebook.nearest(model.encoder(mg.Tensor(x)).data)
        usage = np.bincount(numbers.reshape(-1), minlength=CODES)
        grids = [numbers[:16], prior.sample(16, codebook.entries, mg.Generator(seed=2))]
        images = [ops.sigmoid(model.decoder(codebook.look_up(grid))).numpy() for grid in grids]
    rank = np.argsort(np.argsort(-usage)) / (CODES - 1)  # from 0 for the entry that is used most to 1
    codes = np.kron(rank[numbers[:16]], np.ones((4, 4)))[:, None].repeat(x.shape[1], 1)
    share = usage[usage > 0] / usage.sum()
    print(f"test images use {len(share)} of {CODES} entries, as varied as {np.exp(-(share * np.log(share)).sum()):.0f}")
    pictures.save_png(pictures.grid(np.concatenate([x[:16], codes, *images]), 8), out)
    print(f"wrote {out}: test images, their codes (bright: rare entries), reconstructions, and samples of the prior")
    return float(len(share))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900, help="updates of autoencoder and prior")
    parser.add_argument("--restart", type=int, default=100, help="updates until an unused entry is moved; 0: never")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", default="vq_vae.png")
    main(**vars(parser.parse_args()))
