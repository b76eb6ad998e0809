"""An autoencoder inside a GAN: the discriminator judges an image by how well it reconstructs it (BEGAN).

    python examples/12_autoencoder_inside_gan.py
    python examples/12_autoencoder_inside_gan.py --diversity 0.3      # better images of fewer kinds

Expected: the convergence measure, error + |diversity * error - error of made images|, falls from 0.27 after 300 steps
to 0.13 - unlike the losses of other GANs it says how far training has come. autoencoder_inside_gan.png shows 16 glyphs,
below them what the discriminator makes of them, and then 32 samples, most of them legible. About 40 seconds on a laptop
(and 20 more, once, to draw the glyphs).

Berthelot et al. 2017, BEGAN: boundary equilibrium generative adversarial networks, arXiv:1703.10717. With convolutions
and an average of the generator it is a model of the command line: minigen train began.
"""

import argparse

import numpy as np

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures

CODE = 64  # size of the generator's input, and of the autoencoder's code


def leaky_relu(x: mg.Tensor) -> mg.Tensor:
    """A slope of 0.2 below 0, so that every unit hears of every loss."""
    return ops.leaky_relu(x, 0.2)


def generator(pixels: int, *, rng: mg.Generator) -> nn.Sequential:
    """Codes (N, 64) to images (N, pixels) between -1 and 1."""
    return nn.Sequential(
        nn.Dense(CODE, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, pixels, rng=rng), ops.tanh,
    )  # fmt: skip


def autoencoder(pixels: int, *, rng: mg.Generator) -> nn.Sequential:
    """Images (N, pixels) to reconstructions. No tanh at the end: it would reconstruct pure black and white for nothing.

    No batch norm either: real and made images must not be judged by their company.
    """
    return nn.Sequential(
        nn.Dense(pixels, 256, rng=rng), leaky_relu, nn.Dense(256, CODE, rng=rng),
        nn.Dense(CODE, 256, rng=rng), leaky_relu, nn.Dense(256, pixels, rng=rng),
    )  # fmt: skip


def main(steps: int = 3000, diversity: float = 0.75, dataset: str = "glyphs", data_dir: str | None = None,
         device: str = "cpu", out: str = "autoencoder_inside_gan.png") -> float:  # fmt: skip
    """Make `steps` updates of each player; write the picture; return the mean convergence measure of the last 100."""
    train = data.load(dataset, split="train", data_dir=data_dir).in_range((-1.0, 1.0))
    pixels = train.images[0].size
    rng, noise = mg.Generator(seed=0), mg.Generator(seed=1, device=device)
    g, d = generator(pixels, rng=rng).to(device), autoencoder(pixels, rng=rng).to(device)
    to_make, to_judge = (optim.Adam(p.parameters(), lr=1e-3, betas=(0.5, 0.999)) for p in (g, d))

    k, step, seen = 0.0, 0, []
    while step < steps:
        for batch in data.Batches(train, 64, seed=step):
            real = mg.Tensor(batch.x.reshape(len(batch), -1), device=device)
            fake = g(mg.Tensor(noise.normal((len(batch), CODE))))

            # The discriminator reconstructs real images well, and unlearns, by as much as k says, the made ones.
            made = fake.detach()
            real_error, fake_error = losses.l1(d(real), real), losses.l1(d(made), made)
            loss = real_error - k * fake_error
            to_judge.zero_grad()
            loss.backward()
            to_judge.step()

            # The generator makes what the discriminator reconstructs well. The gradient arrives by both ways: through
            # the reconstruction, and from the image itself.
            loss = losses.l1(d(fake), fake)
            to_make.zero_grad()
            loss.backward()
            to_make.step()

            # k keeps the balance: it rises while made images are reconstructed better than wanted, and else falls.
            surplus = diversity * real_error.item() - loss.item()
            k = min(max(k + 0.02 * surplus, 0.0), 1.0)
            seen.append(real_error.item() + abs(surplus))

            step += 1
            if step % 300 == 0 or step == steps:
                errors = f"error of real images {real_error.item():.3f}, of made ones {loss.item():.3f}"
                print(f"step {step:4d}  {errors}  k {k:.3f}  convergence {np.mean(seen[-100:]):.3f}")
            if step == steps:
                break

    with mg.no_grad():
        images = train.images_float(slice(16)).reshape(-1, pixels)
        samples = g.eval()(mg.Tensor(mg.Generator(seed=2).normal((32, CODE)), device=device)).numpy()
        rows = [images, d(mg.Tensor(images, device=device)).numpy().clip(-1, 1), samples]
    shown = np.concatenate(rows).reshape(-1, *train.image_shape)
    pictures.save_png(pictures.grid(shown, 8, value_range=(-1.0, 1.0)), out)
    print(f"wrote {out}: images, their reconstructions by the discriminator, and samples")
    return float(np.mean(seen[-100:]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="updates of each of the two")
    parser.add_argument("--diversity", type=float, default=0.75, help="wanted ratio of the two errors, 0 to 1")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="autoencoder_inside_gan.png")
    main(**vars(parser.parse_args()))
