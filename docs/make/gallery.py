"""Write ``docs/gallery.md``: what every model of the catalog draws after a short training, with command and numbers.

    python docs/make/gallery.py                       # trains what is new or has other options; then the page
    python docs/make/gallery.py --only vae dcgan      # trains these again
    python docs/make/gallery.py --budget 120          # gives a training so many seconds of one core
    python docs/make/gallery.py --page                # trains nothing

A model is trained as many steps as fit into the budget, but not beyond its own number of epochs; ``minigen train`` and
``minigen evaluate`` are run as a user would run them. What came of it is kept in ``gallery.json`` after each model, so
that a stopped call goes on where it was. MNIST is fetched, or read from MINIGEN_DATA. All 40 models take some 30
minutes of one core at the default budget.

Imports: minigen.runs and minigen.training, Pillow. Read next: ``gallery.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Recipe
from minigen.pictures import grid
from minigen.runs import open_run
from minigen.training.config import ABSENT, resolve
from minigen.training.environment import describe_environment
from minigen.training.prepare import prepare
from minigen_kernels import Array

DATASET, BUDGET = "mnist", 30.0
ROWS, COLUMNS = 6, 10  # images of a model: two parts make three pairs of rows, three parts two triples
SHADES = 16  # as many greys as four bits hold: half the bytes of a picture, and no eye misses the others
ACROSS, LABEL, GAP = 4, 18, 12  # of the contact sheet: models in a row, and pixels

HEAD = """# The gallery

Written by `python docs/make/gallery.py`, which trains each model on one core ({processor}) for its own number of
epochs or for {shortest:g} to {longest:g} seconds, whichever is less: what a model shows within a minute or two, not the
best that it can. [models.md](models.md) has the papers and options. Autoencoders: each row of test images stands above
its reconstructions (a denoising one has between them what it was shown). All others: samples; where a model is told the
class, a column for each.

The Frechet distance is that of 10,000 samples to the 10,000 test images, by the features of a classifier trained on the
same data (`minigen evaluate`); one half of the test images is {halves:.1f} from the other half. The error is the mean
squared one per pixel, of reconstructed test images. Seconds are those of the processor for the whole command.

![Every model, by name](images/gallery/{sheet})
"""


@dataclass(frozen=True)
class Gallery:
    """Where everything is: the page, its numbers, and the pictures, in a folder."""

    folder: Path

    @property
    def page(self) -> Path:
        """The Markdown file."""
        return self.folder / "gallery.md"

    @property
    def numbers(self) -> Path:
        """What the trainings came to, by model."""
        return self.folder / "gallery.json"

    @property
    def pictures(self) -> Path:
        """The folder of the pictures."""
        return self.folder / "images" / "gallery"

    @property
    def sheet(self) -> Path:
        """All models in one picture."""
        return self.pictures / "all-models.png"

    def picture(self, name: str) -> Path:
        """What the model of that name shows."""
        return self.pictures / f"{name}.png"

    def read(self) -> dict[str, dict[str, Any]]:
        """The numbers of all models that are trained; one whose picture is lost counts as new."""
        entries = json.loads(self.numbers.read_text(encoding="utf-8")) if self.numbers.exists() else {}
        return {name: entry for name, entry in entries.items() if self.picture(name).exists()}

    def keep(self, name: str, entry: Mapping[str, Any]) -> None:
        """Write the numbers of a model, in the order of the catalog."""
        entries = {**self.read(), name: entry}
        text = json.dumps({known: entries[known] for known in MODELS if known in entries}, indent=1)
        self.numbers.write_text(text + "\n", encoding="utf-8")


DOCS = Gallery(Path(__file__).resolve().parents[1])


# Training.


def wanted(gallery: Gallery, dataset: str) -> list[str]:
    """The models that are new, and those whose options are others than when they were trained."""
    entries = gallery.read()
    return [
        recipe.name
        for recipe in MODELS.values()
        if recipe.name not in entries or has_changed(entries[recipe.name]["options"], options_of(recipe, dataset))
    ]


def has_changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Is a setting not as it was? One that is newer than the training counts as in a run that is resumed."""
    return {**now, **ABSENT, **then} != now


def options_of(recipe: Recipe, dataset: str) -> dict[str, Any]:
    """Every setting of a training, but how long it is."""
    return resolve(recipe, OPTIONS, {"dataset": dataset})


def steps_within(recipe: Recipe, dataset: str, budget: float) -> int:
    """As many updates, in two digits, as take `budget` seconds of the processor; at most the model's own epochs."""
    config = options_of(recipe, dataset)
    prepared = prepare(recipe, config)
    experiment, most = prepared.experiment, config["epochs"] * len(prepared.batches)
    counted, began = 0, time.process_time()
    for k, batch in enumerate(prepared.batches):
        if k == 3:  # the first ones compile or load kernels, and fill caches
            began = time.process_time()
        experiment.schedule(k)
        experiment.step(batch)
        counted = max(1, k - 2)
        if k >= 3 and time.process_time() - began > min(1.5, budget / 10):
            break
    each = max(time.process_time() - began, 1e-6) / counted
    return max(1, min(most, int(float(f"{budget / each:.2g}"))))


def train(gallery: Gallery, name: str, dataset: str, budget: float) -> None:
    """Train, evaluate and draw a model, and keep what came of it. RuntimeError if a command fails."""
    recipe = MODELS[name]
    steps = steps_within(recipe, dataset, budget)
    words = ["train", name, "--dataset", dataset, "--max-steps", str(steps)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / name
        before = _processor_seconds()
        trained = _command(*words, "--out", str(run), "--json")
        seconds = _processor_seconds() - before
        sheet = picture(run)
        experiment = open_run(run, device="cpu").experiment
        density = [] if _has_prior(experiment) else ["--density", "mixture"]
        how = ["--samples", "0"] if _is_compared(recipe) else density
        found = _command("evaluate", str(run), "--json", "-k", "1", *how)
    entry = {
        "command": f"minigen {' '.join(words)}",
        "steps": trained["steps"],
        "seconds": round(seconds, 1),
        "budget": budget,
        "processor": describe_environment()["processor"],
        "density": density[1:],
        "diseases": [finding["disease"] for finding in (trained["doctor"] or {}).get("findings", ())],
        "metrics": {metric: float(f"{value:.5g}") for metric, value in found["metrics"].items()},
        "standard_errors": {metric: float(f"{value:.2g}") for metric, value in found["standard_errors"].items()},
        "options": options_of(recipe, dataset),
    }
    gallery.pictures.mkdir(parents=True, exist_ok=True)  # nothing is kept before all of it is there
    _save(sheet, gallery.picture(name))
    gallery.keep(name, entry)


def _command(*words: str) -> dict[str, Any]:
    """What a command of minigen prints as JSON."""
    done = subprocess.run([sys.executable, "-m", "minigen", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"minigen {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _processor_seconds() -> float:
    """Of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_compared(recipe: Recipe) -> bool:
    """Is the model shown by its reconstructions?"""
    return recipe.family == "autoencoder"


def _has_prior(experiment: Experiment) -> bool:
    return experiment.latent is not None and experiment.latent.draw is not None


# Pictures.


def picture(run: Path) -> Array:
    """60 images of 28x28 as bytes (178, 298): samples, or test images and what the model makes of them."""
    opened = open_run(run, device="cpu")
    if _is_compared(opened.recipe):
        parts = opened.experiment.pictures(opened.images("test").images_float(slice(ROWS // 2 * COLUMNS)))
        rows = [part[k : k + COLUMNS] for k in range(0, ROWS // len(parts) * COLUMNS, COLUMNS) for part in parts]
        images = np.concatenate(rows)
    else:
        images = opened.sample(ROWS * COLUMNS)
    return grid(images, COLUMNS, value_range=opened.value_range)


def contact_sheet(gallery: Gallery, names: Iterable[str]) -> Array:
    """The pictures of these models with their names above, as bytes (rows, columns)."""
    pictures = {name: Image.open(gallery.picture(name)).convert("L") for name in names}
    width, height = next(iter(pictures.values())).size
    rows = -(-len(pictures) // ACROSS)
    sheet = Image.new("L", (ACROSS * (width + GAP) - GAP, rows * (height + LABEL + GAP) - GAP), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for i, (name, image) in enumerate(pictures.items()):
        left, top = i % ACROSS * (width + GAP), i // ACROSS * (height + LABEL + GAP)
        pen.text((left, top), name, fill=0, font=font)
        sheet.paste(image, (left, top + LABEL))
    return np.asarray(sheet)


def _save(sheet: Array, path: Path) -> None:
    """Write bytes (rows, columns) as a PNG file of 16 greys."""
    step = 255 // (SHADES - 1)
    image = Image.fromarray(((sheet.astype(np.int64) + step // 2) // step).astype(np.uint8)).convert("P")
    image.putpalette([shade * step for shade in range(SHADES) for _ in range(3)])
    image.save(path, bits=4, optimize=True)


# The page.


def page(entries: Mapping[str, Mapping[str, Any]], sheet: str) -> str:
    """The whole page, of the models that have numbers."""
    compared = [entry["metrics"] for entry in entries.values() if "frechet_distance" in entry["metrics"]]
    budgets = [entry["budget"] for entry in entries.values()]
    head = HEAD.format(
        processor=" or ".join(sorted({entry["processor"] for entry in entries.values()})),
        shortest=min(budgets),
        longest=max(budgets),
        halves=max((metrics["frechet_distance_of_halves"] for metrics in compared), default=0.0),
        sheet=sheet,
    )
    parts = [head]
    families: dict[str, list[Recipe]] = {}
    for recipe in MODELS.values():
        if recipe.name in entries:
            families.setdefault(recipe.family, []).append(recipe)
    for family, recipes in families.items():
        parts.append(f"## {family}\n")
        parts += [section(recipe, entries[recipe.name]) for recipe in recipes]
    return "\n".join(parts)


def section(recipe: Recipe, entry: Mapping[str, Any]) -> str:
    """A model's heading, picture, command and numbers."""
    what = "reconstructions" if _is_compared(recipe) else "samples"
    numbers = [f"{entry['steps']:,} steps", f"{entry['seconds']:.0f} seconds", *_measured(entry)]
    if entry["diseases"]:
        numbers.append(f"the [doctor](doctor.md) says {', '.join(entry['diseases'])}")
    return f"""### {recipe.name}

![{what.capitalize()} of {recipe.name}](images/gallery/{recipe.name}.png)

{recipe.summary[0].upper()}{recipe.summary[1:]}.

`{entry["command"]}`: {"; ".join(numbers)}.
"""


def _measured(entry: Mapping[str, Any]) -> list[str]:
    metrics, errors = entry["metrics"], entry["standard_errors"]
    if "frechet_distance" not in metrics:
        return [f"error {metrics['mse']:.4f}"]
    codes = f", codes from a {entry['density'][0]} fitted to those of training images" if entry["density"] else ""
    return [f"Frechet distance {metrics['frechet_distance']:.1f} ± {errors['frechet_distance']:.1f}{codes}"]


def write_page(gallery: Gallery) -> None:
    """The contact sheet and the page, from what is kept."""
    entries = gallery.read()
    if not entries:
        raise SystemExit(f"no model is trained yet: {gallery.numbers} is not there; leave --page out")
    _save(contact_sheet(gallery, entries), gallery.sheet)
    gallery.page.write_text(page(entries, gallery.sheet.name), encoding="utf-8")


def main(words: list[str] | None = None, gallery: Gallery = DOCS) -> None:
    """Train what the command line asks for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(MODELS), help="train these, again if need be")
    parser.add_argument("--budget", type=float, default=BUDGET, help=f"seconds of a training  [default: {BUDGET:g}]")
    parser.add_argument("--dataset", default=DATASET, help=f"[default: {DATASET}]")
    parser.add_argument("--page", action="store_true", help="train nothing")
    arguments = parser.parse_args(words)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    failed = []
    for name in [] if arguments.page else arguments.only or wanted(gallery, arguments.dataset):
        try:
            train(gallery, name, arguments.dataset, arguments.budget)
        except (RuntimeError, ValueError) as error:  # the other models can still be trained
            failed.append(f"{name}: {error}")
            continue
        entry = gallery.read()[name]
        print(f"{name}: {entry['steps']} steps, {entry['seconds']:.0f} s, {'; '.join(_measured(entry))}", flush=True)
    write_page(gallery)
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
