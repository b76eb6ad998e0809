"""Mode collapse, and two cures: the same small GAN on eight spots of the plane, as it is and with each of them.

    python examples/14_mode_collapse_and_cure.py
    python examples/14_mode_collapse_and_cure.py --seed 1 --steps 6000

Expected: all three begin as a cloud over all eight spots. The plain GAN, drawn to some of them, leaves the others: it
ends as an arc, or on a few spots, 0.5 to 2.1 nats away from an even spread (2.08: one spot has all samples). The count
of spots alone may not show it, for a few stray samples reach a spot. Both cures keep all eight, and are within 0.05
nats from the middle of the run to its end: pacgan, whose discriminator sees three samples at once, has two thirds of
its samples on a spot then; r1-gan, whose discriminator is kept flat at real samples, a third, in a ring that is still
blurred. So it was for the seeds 0, 1 and 2, each with two ways of rounding. mode_collapse.png shows the samples of the
three, halfway above and at the end below. About 30 seconds on a laptop.

A third cure, a generator that looks ahead, wants networks and rates of its own: ``16_unrolled_gan.py``.
"""

import argparse

import numpy as np

import minigen as mg
from minigen import data, pictures
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data.toys import TOYS, toy
from minigen.metrics.modes import mode_coverage

#: The same networks and rates for all; and what each cure adds.
SAME = {
    "network": "dense", "hidden": 128, "layers": 2, "latent": 16, "norm": "none", "ema": 0.0,
    "lr_generator": 1e-3, "lr_discriminator": 1e-3,
}  # fmt: skip
GAMES = {"gan": {}, "pacgan": {"pack": 3}, "r1-gan": {"penalty_weight": 0.5}}
BATCH, SPOTS = 128, TOYS["ring"]


def build(name: str, seed: int, steps: int) -> tuple[Experiment, int]:
    """The model of that name for points of the plane, and how many points an update of it sees."""
    recipe = MODELS[name]
    options = {**recipe.options, **{key: value for key, value in SAME.items() if key in recipe.options}, **GAMES[name]}
    setup = Setup(
        options, image_shape=(2, 1, 1), value_range=(-1.0, 1.0), mean=0.0, classes=None, steps=steps,
        batches_per_epoch=steps, seed=seed, device="cpu",
    )  # fmt: skip
    return recipe.build(setup), BATCH * recipe.batches_per_step(options)


def sample(model: Experiment, n: int = 2000) -> np.ndarray:
    """Samples (n, 2, 1, 1), always of the same codes."""
    assert model.latent is not None and model.latent.draw is not None
    return model.latent.decode(model.latent.draw(n, mg.Generator(5)), None)


def train(model: Experiment, batches: data.Batches, done: int, until: int) -> None:
    """Updates from number `done` to `until`."""
    while done < until:
        for batch in batches:  # the next epoch, or what is left of this one
            model.schedule(done)
            model.step(batch)
            done += 1
            if done == until:
                break


def main(steps: int = 3000, seed: int = 0, out: str = "mode_collapse.png") -> tuple[float, ...]:
    """Train all three for `steps` updates; write the picture; return the divergence of each at its end, in nats."""
    ring = toy("ring", count=20_000)
    halfway, at_the_end, divergences = [], [], []
    for name in GAMES:
        model, seen = build(name, seed, steps)
        batches, done = data.Batches(ring, seen, seed=seed), 0
        for moment, panels in ((steps // 2, halfway), (steps, at_the_end)):
            train(model, batches, done, moment)
            done = moment
            panels.append(sample(model))
            # A spot is reached if a sample lies within 0.15 of its centre; each sample counts for the nearest spot.
            found = mode_coverage(SPOTS.points(panels[-1], (-1.0, 1.0)), SPOTS.centres, 0.05)
            print(
                f"{name:12}  step {done:4}  spots {found.modes} of 8  samples on a spot {found.high_quality:4.0%}  "
                f"divergence {found.reverse_kl:.2f} nats"
            )
        divergences.append(found.reverse_kl)
    pictures.save_png(np.concatenate([pictures.sheet(p, value_range=(-1.0, 1.0)) for p in (halfway, at_the_end)]), out)
    print(f"wrote {out}: samples of {', '.join(GAMES)}, halfway and at the end")
    return tuple(divergences)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="updates of each generator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="mode_collapse.png")
    main(**vars(parser.parse_args()))
