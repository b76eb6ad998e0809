"""A training, watched in Weights & Biases: a logger in ten lines.

    pip install wandb
    python examples/18_wandb.py                # keeps all in the folder wandb/
    wandb sync wandb/offline-run-*             # sends it, if you like

Expected: a line an epoch, in which the loss falls from about 0.025 to 0.007; then wandb/ holds an offline run with the
settings, a curve for each term, a picture for each epoch, and histograms of weights and gradients. About 20 seconds on
a laptop (and 20 more, once, to draw the glyphs).

trackio has the same functions: with `import trackio as wandb` and without `mode` all but the histograms goes there.
"""

import argparse

import minigen as mg


class WandB(mg.Logger):
    """Tells Weights & Biases; `options` are those of `wandb.init`. A resumed run is a run of its own there."""

    def __init__(self, **options):
        self.options = options

    def start(self, settings, units, step):
        """Begin a run with the settings."""
        import wandb

        self.wandb = wandb
        self.run = wandb.init(config=dict(settings), **self.options)

    def scalars(self, step, values):
        """A point of each curve."""
        self.run.log(values, step=step)

    def images(self, step, pictures):
        """A picture for each."""
        self.run.log({name: self.wandb.Image(picture) for name, picture in pictures.items()}, step=step)

    def histograms(self, step, arrays):
        """A histogram of each array."""
        self.run.log({name: self.wandb.Histogram(array) for name, array in arrays.items()}, step=step)

    def finish(self):
        """End the run."""
        self.run.finish()


def main(steps: int | None = None, epochs: int = 3, model: str = "ae", dataset: str = "glyphs",
         mode: str = "offline") -> float:  # fmt: skip
    """Train; return the mean loss of the last epoch."""
    logger = WandB(project="minigen", mode=mode)
    run = mg.train(model, dataset, epochs=epochs, max_steps=steps, log_every=10, loggers=[logger])
    return run.history()[-1]["loss"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--model", default="ae", help="one of minigen list")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--mode", choices=("offline", "online"), default="offline", help="online: send it at once")
    main(**vars(parser.parse_args()))
