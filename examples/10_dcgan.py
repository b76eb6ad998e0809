"""DCGAN: a generator that grows images from 7x7 to 28x28, a discriminator that shrinks them, batch norm in both.

    python examples/10_dcgan.py
    python examples/10_dcgan.py --dataset fashion-mnist --data-dir FOLDER

Expected: two tables of layers; the discriminator is right in 50 to 100 % of cases, up and down from batch to batch.
dcgan.png has two halves: samples of the generator, sharper than those of dense networks, and below them those of its
moving average, whose strokes break less often. About 50 seconds on a laptop.
"""

import argparse

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures

CODE = 64


class Generator(nn.Module):
    """Codes (N, 64) to images (N, C, 28, 28). Kernels of 4 with stride 2: each pixel is the sum of as many products."""

    def __init__(self, channels: int, *, rng: mg.Generator) -> None:
        self.layers = nn.Sequential(
            nn.Dense(CODE, 64 * 7 * 7, weight_init=nn.init.normal, rng=rng), nn.Reshape((64, 7, 7)),
            nn.BatchNorm(64), ops.relu,
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, weight_init=nn.init.normal, rng=rng),  # 14x14
            nn.BatchNorm(32), ops.relu,
            nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1, weight_init=nn.init.normal, rng=rng), ops.tanh,
        )  # fmt: skip

    def forward(self, z: mg.Tensor) -> mg.Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images (N, C, 28, 28) to logits (N, 1). No batch norm in the first layer: it would hide what colour is."""

    def __init__(self, channels: int, *, rng: mg.Generator) -> None:
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1, weight_init=nn.init.normal, rng=rng), leaky_relu,  # 14x14
            nn.Conv2d(32, 64, 4, stride=2, padding=1, weight_init=nn.init.normal, rng=rng),  # 7x7
            nn.BatchNorm(64), leaky_relu,
            nn.Flatten(), nn.Dense(64 * 7 * 7, 1, weight_init=nn.init.normal, rng=rng),
        )  # fmt: skip

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return self.layers(x)


def leaky_relu(x: mg.Tensor) -> mg.Tensor:
    """A slope of 0.2 below 0, so that the generator hears from every unit."""
    return ops.leaky_relu(x, 0.2)


def cross_entropy(logits: mg.Tensor, answer: float) -> mg.Tensor:
    """-log of the probability given to `answer` (1 real, 0 made), in nats."""
    return losses.bce_with_logits(logits, mg.Tensor(logits.data * 0 + answer))


def main(steps: int = 1000, dataset: str = "glyphs", data_dir: str | None = None, device: str = "cpu",
         out: str = "dcgan.png") -> float:  # fmt: skip
    """Make `steps` updates of each player; write samples; return the accuracy of the discriminator in the last."""
    train = data.load(dataset, split="train", data_dir=data_dir).in_range((-1.0, 1.0))
    rng, noise = mg.Generator(seed=0), mg.Generator(seed=1, device=device)
    g, d = (player(train.image_shape[0], rng=rng).to(device) for player in (Generator, Discriminator))
    average = nn.MovingAverage(g, decay=0.995)
    print(g.summary((CODE,)), d.summary(train.image_shape), sep="\n\n")
    to_make, to_judge = (optim.Adam(p.parameters(), lr=4e-4, betas=(0.5, 0.999)) for p in (g, d))

    step, accuracy = 0, 0.5
    while step < steps:
        for batch in data.Batches(train, 64, seed=step):
            fake = g(mg.Tensor(noise.normal((len(batch), CODE))))
            # Real and made images go through batch norm in batches of their own: in a common one, each would leave
            # a trace in the statistics of the other.
            on_real, on_fake = d(mg.Tensor(batch.x, device=device)), d(fake.detach())
            loss = cross_entropy(on_real, 1.0) + cross_entropy(on_fake, 0.0)
            to_judge.zero_grad()
            loss.backward()
            to_judge.step()

            loss = cross_entropy(d(fake), 1.0)
            to_make.zero_grad()
            loss.backward()
            to_make.step()
            average.update(g)

            step += 1
            if step % 100 == 0 or step == steps:
                accuracy = float((on_real.data > 0).mean() + (on_fake.data < 0).mean()) / 2
                print(f"step {step:4d}  the discriminator is right in {accuracy:.0%}, generator {loss.item():.2f} nats")
            if step == steps:
                break

    z = mg.Tensor(mg.Generator(seed=2).normal((32, CODE)), device=device)
    with mg.no_grad():
        samples = ops.concat([g.eval()(z), average.eval()(z)]).numpy()
    pictures.save_png(pictures.grid(samples, 8, value_range=(-1.0, 1.0)), out)
    print(f"wrote {out}: 32 samples, and those of the moving average for the same codes")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="updates of each of the two")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="dcgan.png")
    main(**vars(parser.parse_args()))
