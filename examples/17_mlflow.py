"""A training, watched in mlflow: a logger in ten lines.

    pip install mlflow
    python examples/17_mlflow.py
    mlflow ui --backend-store-uri sqlite:///mlflow.db

Expected: a line an epoch, in which the loss falls from about 0.025 to 0.007; then mlflow.db holds the settings and a
curve for each term (of single updates, of epochs, of validation images), and mlruns/ a picture for each epoch. About 20
seconds on a laptop (and 20 more, once, to draw the glyphs).
"""

import argparse

import minigen as mg

STORE = "sqlite:///mlflow.db"


class MLflow(mg.Logger):
    """Tells mlflow. A resumed run is a run of its own there."""

    def start(self, settings, units, step):
        """Begin a run with the settings that are in use."""
        import mlflow

        self.mlflow = mlflow
        mlflow.set_tracking_uri(STORE)
        mlflow.start_run()
        mlflow.log_params({name: value for name, value in settings.items() if value is not None})

    def scalars(self, step, values):
        """A point of each curve."""
        self.mlflow.log_metrics(values, step=step)

    def images(self, step, pictures):
        """A file for each picture."""
        for name, picture in pictures.items():
            self.mlflow.log_image(picture, f"{name}_{step:06}.png")

    def finish(self):
        """End the run."""
        self.mlflow.end_run()


def main(steps: int | None = None, epochs: int = 3, model: str = "ae", dataset: str = "glyphs") -> float:
    """Train; return the mean loss of the last epoch."""
    run = mg.train(model, dataset, epochs=epochs, max_steps=steps, log_every=10, loggers=[MLflow()])
    print(f"look at it: mlflow ui --backend-store-uri {STORE}")
    return run.history()[-1]["loss"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--model", default="ae", help="one of minigen list")
    parser.add_argument("--dataset", default="glyphs")
    main(**vars(parser.parse_args()))
