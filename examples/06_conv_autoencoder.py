"""A convolutional autoencoder of your own as a Module: 28x28 images through a code of 8x4x4 and back.

    python examples/06_conv_autoencoder.py
    python examples/06_conv_autoencoder.py --dataset fashion-mnist --data-dir FOLDER

Expected: a table of the layers; the test error falls below 0.02 within one epoch; conv_autoencoder.png shows digits
beside their reconstructions. About 15 seconds on a laptop.
"""

import argparse

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures


class ConvAutoencoder(nn.Module):
    """Halve the image three times (28, 14, 7, 4), double it three times (4, 8, 16 -> 14, 28)."""

    def __init__(self, channels: int, *, rng: mg.Generator) -> None:
        def conv(n_in: int, n_out: int, padding: int = 1) -> nn.Conv2d:
            return nn.Conv2d(n_in, n_out, 3, padding=padding, weight_init=nn.init.he_normal, rng=rng)

        def pool() -> nn.MaxPool2d:
            return nn.MaxPool2d(2, ceil_mode=True)

        self.encoder = nn.Sequential(
            conv(channels, 16), ops.relu, pool(), conv(16, 8), ops.relu, pool(), conv(8, 8), ops.relu, pool()
        )
        self.decoder = nn.Sequential(
            conv(8, 8), ops.relu, nn.Upsample(2), conv(8, 8), ops.relu, nn.Upsample(2),
            conv(8, 16, padding=0), ops.relu, nn.Upsample(2), conv(16, channels),
        )  # fmt: skip

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        """Images (N, C, 28, 28) to logits of the same shape."""
        return self.decoder(self.encoder(x))


def main(steps: int | None = None, images: int = 60_000, dataset: str = "glyphs", data_dir: str | None = None,
         device: str = "cpu", out: str = "conv_autoencoder.png") -> float:  # fmt: skip
    """One epoch over the first `images` (at most `steps` updates); write the picture; return the test error."""
    train = data.load(dataset, split="train", data_dir=data_dir).subset(slice(0, images))
    test = data.load(dataset, split="test", data_dir=data_dir)
    model = ConvAutoencoder(train.image_shape[0], rng=mg.Generator(seed=0)).to(device)
    print(model.summary(train.image_shape))

    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for step, batch in enumerate(data.Batches(train, 64, seed=0), start=1):
        x = mg.Tensor(batch.x, device=device)
        loss = losses.bce_with_logits(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0 or step == steps:
            print(f"step {step:4d}  cross-entropy {loss.item():.4f} nats per pixel")
        if step == steps:
            break

    x = mg.Tensor(test.images_float(slice(0, 1000)), device=device)
    with mg.no_grad():
        y = ops.sigmoid(model(x))
        error = losses.mse(y, x).item()
    print(f"test error {error:.4f}, squared, mean per pixel")
    pictures.save_png(pictures.side_by_side([x.numpy()[:32], y.numpy()[:32]]), out)
    print(f"wrote {out}: inputs and their reconstructions")
    return error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--images", type=int, default=60_000, help="how many training images to use")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="conv_autoencoder.png")
    main(**vars(parser.parse_args()))
