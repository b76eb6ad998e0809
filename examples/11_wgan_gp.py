"""WGAN-GP: a critic that measures the Wasserstein distance, held to slope 1 by a penalty on its gradient.

    python examples/11_wgan_gp.py
    python examples/11_wgan_gp.py --penalty 0       # and see what the penalty is for

Expected: the distance rises to about 4.5 while the critic learns, then falls below 2 while the pictures get better -
which the losses of other GANs do not do; the slope of the critic stays near 1.1. wgan_gp.png shows 64 digits. With
--penalty 0 the slope runs away, and the "distance" means nothing. About 50 seconds on a laptop.
"""

import argparse

import minigen as mg
from minigen import data, nn, ops, optim, pictures

CODE, CRITIC_STEPS = 64, 5  # the critic has to be near its best before its gradient is worth following


def slopes(critic: nn.Module, real: mg.Tensor, fake: mg.Tensor, noise: mg.Generator) -> mg.Tensor:
    """||d critic / d x|| (N,) at one random point between each real image and a made one.

    The gradient is recorded (`create_graph`), so that a function of it can be differentiated again.
    """
    e = noise.uniform((len(real), 1))  # one place for each pair, not one for each pixel
    x = mg.Tensor(e * real.data + (1 - e) * fake.data, requires_grad=True)
    (g,) = mg.grad(critic(x).sum(), [x], create_graph=True)  # the sum: each sample's own gradient
    return ops.sqrt((g * g).sum(axis=1) + 1e-12)  # inside the root: its derivative at 0 would be infinite


def main(steps: int = 1500, penalty: float = 10.0, dataset: str = "glyphs", data_dir: str | None = None,
         device: str = "cpu", out: str = "wgan_gp.png") -> tuple[float, float]:  # fmt: skip
    """Make `steps` updates of the generator, 5 times as many of the critic; return its last distance and mean slope."""
    train = data.load(dataset, split="train", data_dir=data_dir).in_range((-1.0, 1.0))
    pixels = train.images[0].size
    rng, noise = mg.Generator(seed=0), mg.Generator(seed=1, device=device)
    generator = nn.Sequential(
        nn.Dense(CODE, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, pixels, rng=rng), ops.tanh,
    ).to(device)  # fmt: skip
    critic = nn.Sequential(  # no batch norm: with it, the slope of one sample would depend on the others
        nn.Dense(pixels, 256, rng=rng), lambda x: ops.leaky_relu(x, 0.2),
        nn.Dense(256, 256, rng=rng), lambda x: ops.leaky_relu(x, 0.2),
        nn.Dense(256, 1, rng=rng),
    ).to(device)  # fmt: skip
    to_make, to_judge = (optim.Adam(p.parameters(), lr=3e-4, betas=(0.5, 0.9)) for p in (generator, critic))

    step, distance, mean_slope = 0, 0.0, 0.0
    while step < steps:
        for batch in data.Batches(train, 64 * CRITIC_STEPS, seed=step):
            images = batch.x.reshape(CRITIC_STEPS, 64, pixels)
            for x in images:
                real = mg.Tensor(x, device=device)
                fake = generator(mg.Tensor(noise.normal((64, CODE)))).detach()
                # The largest difference of means that a function of slope 1 can have is the Wasserstein distance.
                difference = critic(real).mean() - critic(fake).mean()
                slope = slopes(critic, real, fake, noise)
                loss = -difference + penalty * ((slope - 1) ** 2).mean()
                to_judge.zero_grad()
                loss.backward()
                to_judge.step()

            loss = -critic(generator(mg.Tensor(noise.normal((64, CODE))))).mean()
            to_make.zero_grad()
            loss.backward()
            to_make.step()

            step += 1
            if step % 100 == 0 or step == steps:
                distance, mean_slope = difference.item(), slope.mean().item()
                print(f"step {step:4d}  Wasserstein distance {distance:6.2f}  slope {mean_slope:.2f}")
            if step == steps:
                break

    with mg.no_grad():
        z = mg.Tensor(mg.Generator(seed=2).normal((64, CODE)), device=device)
        samples = generator.eval()(z).numpy().reshape(64, *train.image_shape)
    pictures.save_png(pictures.grid(samples, value_range=(-1.0, 1.0)), out)
    print(f"wrote {out}: 64 samples")
    return distance, mean_slope


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="updates of the generator")
    parser.add_argument("--penalty", type=float, default=10.0, help="weight of (slope - 1)^2 in the critic's loss")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="wgan_gp.png")
    main(**vars(parser.parse_args()))
