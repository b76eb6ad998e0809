"""A variational autoencoder from scratch: an encoder that gives a distribution, a sample of it, and a two-part loss.

    python examples/07_vae.py                       # on the built-in glyphs
    python examples/07_vae.py --dataset mnist --data-dir FOLDER --binarize
    python examples/07_vae.py --device cuda

Expected: the test loss (in nats per image, an upper bound of -log p) falls from 131 after the first epoch to 112 after
the tenth, a fifth of it the divergence of the codes from the prior; on MNIST, binarized, to 103. vae.png shows 64
samples, many of them legible digits. About 25 seconds on a laptop (and 20 more, once, to draw the glyphs).
"""

import argparse

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures


class VAE(nn.Module):
    """x (N, pixels) -> mean and log-variance (N, 20) of the code; code (N, 20) -> logits (N, pixels)."""

    def __init__(self, pixels: int, *, rng: mg.Generator, code: int = 20, width: int = 400) -> None:
        self.encoder = nn.Sequential(nn.Dense(pixels, width, rng=rng), ops.relu)
        self.mean, self.logvar = nn.Dense(width, code, rng=rng), nn.Dense(width, code, rng=rng)
        self.decoder = nn.Sequential(nn.Dense(code, width, rng=rng), ops.relu, nn.Dense(width, pixels, rng=rng))

    def loss(self, x: mg.Tensor, noise: mg.Generator) -> tuple[mg.Tensor, mg.Tensor]:
        """Reconstruction and divergence, each in nats per image: together at least -log p(x) (Kingma and Welling 2014).

        The code z is a sample of the encoder's N(mean, exp(logvar)), written as a function of mean and logvar, so that
        gradients flow through it. Both parts are sums over pixels or code, and means over images: a mean over pixels in
        one of them would give the other 784 times its weight.
        """
        features = self.encoder(x)
        mean, logvar = self.mean(features), self.logvar(features)
        z = ops.reparameterize(mean, logvar, mg.Tensor(noise.normal(mean.shape)))
        reconstruction = losses.bce_with_logits(self.decoder(z), x, reduction="batchmean")
        return reconstruction, losses.gaussian_kl(mean, logvar, reduction="batchmean")


def main(steps: int | None = None, epochs: int = 10, dataset: str = "glyphs", data_dir: str | None = None,
         binarize: bool = False, device: str = "cpu", out: str = "vae.png") -> float:  # fmt: skip
    """Train for `epochs` (at most `steps` updates); write samples; return the loss of 2000 test images."""
    train, test = (data.load(dataset, split=split, data_dir=data_dir) for split in ("train", "test"))
    network = VAE(train.images[0].size, rng=mg.Generator(seed=0)).to(device)
    optimizer = optim.Adam(network.parameters(), lr=1e-3)
    noise = mg.Generator(seed=1, device=device)

    def seen(images: mg.Tensor) -> mg.Tensor:
        """Rows of pixels; with --binarize black and white, drawn anew each time with the grey value as probability."""
        x = ops.flatten(images)
        return mg.Tensor(noise.bernoulli(x.data)) if binarize else x

    batches = data.Batches(train, 128, seed=0)
    x_test = seen(mg.Tensor(test.images_float(slice(0, 2000)), device=device))
    step, loss = 0, float("nan")
    for epoch in range(epochs):
        for batch in batches:
            reconstruction, divergence = network.loss(seen(mg.Tensor(batch.x, device=device)), noise)
            optimizer.zero_grad()
            (reconstruction + divergence).backward()
            optimizer.step()
            step += 1
            if step == steps:
                break
        with mg.no_grad():
            parts = [part.item() for part in network.loss(x_test, noise)]
        loss = sum(parts)
        print(
            f"epoch {epoch + 1}/{epochs}  test {loss:.2f} = reconstruction {parts[0]:.2f} + divergence {parts[1]:.2f}"
        )
        if step == steps:
            break

    # A new image: a code from the prior N(0, 1), decoded.
    with mg.no_grad():
        codes = mg.Tensor(mg.Generator(seed=2).normal((64, 20)), device=device)
        samples = ops.sigmoid(network.decoder(codes)).numpy()
    pictures.save_png(pictures.grid(samples.reshape(64, *train.image_shape)), out)
    print(f"wrote {out}: 64 samples")
    return loss


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--binarize", action="store_true", help="black and white, drawn anew for each batch")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="vae.png")
    main(**vars(parser.parse_args()))
