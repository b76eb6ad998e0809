"""A GAN from scratch: two networks, two losses, two optimizers, and the rule that neither moves the other.

    python examples/09_gan.py                       # on the built-in glyphs
    python examples/09_gan.py --dataset mnist --data-dir FOLDER
    python examples/09_gan.py --device cuda

Expected: neither wins. D(x) of real images stays between 0.5 and 0.8, that of made ones between 0.2 and 0.6, up and
down from batch to batch. gan.png shows 64 digits, most of them legible, all of them speckled (10_dcgan.py makes better
ones). About 45 seconds on a laptop (and 20 more, once, to draw the glyphs).
"""

import argparse

import minigen as mg
from minigen import data, losses, nn, ops, optim, pictures

CODE = 64  # size of the generator's input


def generator(pixels: int, *, rng: mg.Generator) -> nn.Sequential:
    """Codes (N, 64) to images (N, pixels) between -1 and 1."""
    return nn.Sequential(
        nn.Dense(CODE, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, 256, rng=rng), nn.BatchNorm(256), ops.relu,
        nn.Dense(256, pixels, rng=rng), ops.tanh,
    )  # fmt: skip


def discriminator(pixels: int, *, rng: mg.Generator) -> nn.Sequential:
    """Images (N, pixels) to logits (N, 1): the probability of being real is sigmoid(logit)."""
    return nn.Sequential(
        nn.Dense(pixels, 256, rng=rng), lambda x: ops.leaky_relu(x, 0.2),
        nn.Dense(256, 256, rng=rng), lambda x: ops.leaky_relu(x, 0.2),
        nn.Dense(256, 1, rng=rng),
    )  # fmt: skip


def main(steps: int = 6000, dataset: str = "glyphs", data_dir: str | None = None, device: str = "cpu",
         out: str = "gan.png") -> tuple[float, float]:  # fmt: skip
    """Make `steps` updates of each player; write samples; return the last mean D(x) of real and of made images."""
    train = data.load(dataset, split="train", data_dir=data_dir).in_range((-1.0, 1.0))  # the range of tanh
    pixels = train.images[0].size
    rng = mg.Generator(seed=0)
    g, d = generator(pixels, rng=rng).to(device), discriminator(pixels, rng=rng).to(device)
    to_make, to_judge = (optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999)) for p in (g, d))
    noise = mg.Generator(seed=1, device=device)

    def is_real(logits: mg.Tensor, answer: float) -> mg.Tensor:
        """The cross-entropy, in nats, of an answer that is right with probability `answer`."""
        return losses.bce_with_logits(logits, mg.Tensor(logits.data * 0 + answer))

    step, score = 0, (0.5, 0.5)
    batches = data.Batches(train, 64, seed=0)
    while step < steps:
        for batch in batches:
            real = mg.Tensor(batch.x.reshape(len(batch), -1), device=device)
            fake = g(mg.Tensor(noise.normal((len(batch), CODE))))

            # The discriminator learns to say 1 to real images and 0 to made ones. `detach`: it is not the generator's
            # loss, so nothing flows back into it.
            on_real, on_fake = d(real), d(fake.detach())
            loss = is_real(on_real, 1.0) + is_real(on_fake, 0.0)
            to_judge.zero_grad()
            loss.backward()
            to_judge.step()

            # The generator learns to make it say 1. The gradient goes through the discriminator, which stays as it is:
            # `to_make` has only the generator's parameters, and what has piled up in the other's is thrown away above.
            loss = is_real(d(fake), 1.0)
            to_make.zero_grad()
            loss.backward()
            to_make.step()

            step += 1
            if step % 500 == 0 or step == steps:
                score = (ops.sigmoid(on_real).mean().item(), ops.sigmoid(on_fake).mean().item())
                print(f"step {step:5d}  D(x) of real images {score[0]:.2f}, of made ones {score[1]:.2f}")
            if step == steps:
                break

    g.eval()  # batch norm: the statistics of training, so that a sample does not depend on those beside it
    with mg.no_grad():
        samples = g(mg.Tensor(mg.Generator(seed=2).normal((64, CODE)), device=device)).numpy()
    pictures.save_png(pictures.grid(samples.reshape(64, *train.image_shape), value_range=(-1.0, 1.0)), out)
    print(f"wrote {out}: 64 samples")
    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000, help="updates of each of the two")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="gan.png")
    main(**vars(parser.parse_args()))
