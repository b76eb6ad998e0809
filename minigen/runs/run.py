"""A run as an object: a trained model with its data, which draws, encodes, measures and is trained on.

Arrays go in and arrays come out. The command ``minigen`` does all of this by the same functions, with the same bits.

Imports: the other files of this room. Read next: ``library.py``, which makes a Run; ``drawing.py``, ``evaluation.py``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

import minigen
from minigen import distributed, weights
from minigen.data import Batch, Dataset
from minigen.data.batches import over_batches
from minigen.data.layout import as_nchw
from minigen.data.values import as_pixels
from minigen.display.blocks import safely
from minigen.doctor import Checkup
from minigen.onnx import Exported, export
from minigen.runs import drawing, parts, sampling
from minigen.runs.drawing import Classes, Drawing, Kind
from minigen.runs.evaluation import Evaluation, Plan, checkup_of, measure
from minigen.runs.importing import import_weights
from minigen.runs.networks import whole
from minigen.runs.sessions import Stop, finish, kept, resume_session
from minigen.runs.settings import plain_options, read_run
from minigen.runs.shown import run_html
from minigen.runs.trained import Trained
from minigen.shapes import one_of
from minigen.training.in_memory import images_again
from minigen.watching import Logger, Loggers
from minigen_kernels import Array


class Run(Trained):
    """A trained model with its data: made by `train` and `open_run`.

    Images are (N, C, H, W) in `value_range`, which for most GANs is (-1, 1). Images that are given may be floats in
    that range, bytes, or a Dataset.
    """

    def __getstate__(self) -> Any:
        raise TypeError("a Run cannot be copied or pickled; mg.open_run(run.path) opens its folder anew")

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else f"in {self.path}"
        data, step = self.config["dataset"], self.checkpoint_facts["state"]["step"]
        came = "".join(f", weights of {Path(one['file']).name} at step {one['step']}" for one in self.imports)
        return f"Run({self.recipe.name!r} on {data!r}, {self.checkpoint!r} checkpoint at step {step}{came}, {where})"

    def _repr_html_(self) -> str:
        return safely(run_html, self)

    # What it is.

    @property
    def model(self) -> Any:  # to a type checker: a Module has no attribute `generator`
        """The network, or one Module with all of them: ``run.model.generator``, ``run.model.discriminator``."""
        return whole(self.experiment.modules)

    @property
    def path(self) -> Path | None:
        """The run folder; None for a run in memory."""
        return None if self.folder.in_memory else self.folder.path

    @property
    def checkpoint(self) -> str:
        """Which one the parameters come from, "best" or "last"."""
        return self.checkpoint_path.stem

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.facts["image_shape"]
        return c, h, w

    @property
    def metrics(self) -> dict[str, Array]:
        """The columns of ``metrics.csv`` by name: step, epoch, split ("batch", "train", "validation"), seconds, terms.

        A row that lacks a term has NaN there.
        """
        return self.folder.open_metrics().arrays()

    @property
    def imports(self) -> list[dict[str, Any]]:
        """What ``minigen import`` put into this checkpoint, the newest last: "file", "sha256", "part", "step", ..."""
        return list(self.checkpoint_facts.get("imports", []))

    @property
    def pictures(self) -> dict[str, Array]:
        """The picture of each epoch, bytes (H, W) or (H, W, 3), by names such as "epoch_001"."""
        return self.folder.read_pictures()

    # What it can do.

    def sample(
        self,
        n: int = 64,
        classes: Classes | None = None,
        seed: int = 0,
        *,
        density: str | None = None,
        truncation: float | None = None,
    ) -> Array:
        """`n` images that the model makes; image i depends on `seed` and i alone.

        `classes` is a class or one for each image, by number or name; by default all are drawn in turn. A model without
        a prior is drawn from a `density` fitted to its codes, "gaussian" or (the default) "mixture". `truncation` keeps
        the numbers of a code within plus and minus that.
        """
        return self.draw("samples", n, classes=classes, seed=seed, density=density, truncation=truncation).images

    def draw(self, kind: Kind = "samples", n: int | None = None, **options: Any) -> Drawing:
        """Images with their codes and labels, of every kind that ``minigen sample`` draws; see `drawing.draw`."""
        return drawing.draw(self, kind, n, **options)

    def encode(self, x: Dataset | ArrayLike, labels: ArrayLike | None = None) -> Array:
        """The codes (N, D) of images. `labels` (N,), numbers or names, are for models whose encoder sees classes."""
        self.check_can("encode")
        images = self._images(x, labels)
        return over_batches(lambda batch: self.encoder(batch.labels)(batch.x), images)

    def decode(self, z: ArrayLike, classes: Classes | None = None) -> Array:
        """The images of codes (N, D); `classes` as in `sample`."""
        codes = self._codes(z)
        numbers = None if classes is None else drawing.class_numbers(self, classes)
        return drawing.decode(self, codes, drawing.turns(self, len(codes), numbers))

    def reconstruct(self, x: Dataset | ArrayLike, labels: ArrayLike | None = None) -> Array:
        """What the model makes of images, (N, C, H, W); `labels` as in `encode`."""
        self.check_can("reconstruct")

        def reconstruct(batch: Batch) -> Array:
            function = self.conditioned_on(batch.labels).reconstruct
            assert function is not None
            return function(batch.x)

        return over_batches(reconstruct, self._images(x, labels))

    def reconstruction_columns(self, images: Dataset) -> list[Array]:
        """The columns of the picture that ``minigen reconstruct`` writes: images, the same corrupted for a denoising
        model, and their reconstructions.
        """
        if "corruption" in self.config:
            return self.conditioned_on(images.labels).pictures(images.images_float())
        return [images.images_float(), self.reconstruct(images)]

    def interpolate(
        self,
        a: ArrayLike,
        b: ArrayLike,
        steps: int = 10,
        kind: Literal["linear", "spherical"] = "spherical",
        classes: Classes | None = None,
    ) -> Array:
        """Images (N, steps, C, H, W) on the way from codes `a` (N, D) to `b`, both ends included; images are encoded.

        "spherical" goes along a great circle, "linear" straight. `classes` as in `sample`, one for each pair.
        """
        numbers = None if classes is None else drawing.class_numbers(self, classes)
        one_of("interpolate", "kind", kind, ("linear", "spherical"))
        labels = drawing.turns(self, len(a), numbers)  # type: ignore[arg-type]
        each = None if numbers is None else labels
        start, end = (self._codes(x) if np.ndim(x) == 2 else self.encode(x, each) for x in (a, b))
        if start.shape != end.shape:
            raise ValueError(f"interpolate: a and b must have one shape, got {start.shape} and {end.shape}")
        codes = self._codes(sampling.between(start, end, steps, kind).reshape(-1, start.shape[1]))
        images = drawing.decode(self, codes, None if labels is None else np.repeat(labels, steps))
        return images.reshape(-1, steps, *images.shape[1:])

    def evaluate(
        self, samples: int | None = None, k: int = 100, density: str | None = None, seed: int = 0
    ) -> Evaluation:
        """All that ``minigen evaluate`` measures, on the test images: `Evaluation.metrics` has the numbers by name.

        `samples` are how many generated images are measured (0: none), `k` the importance samples of the likelihood.
        """
        with np.errstate(all="ignore"):
            return measure(self, Plan(samples, k, density, seed), lambda text: print(text, file=sys.stderr))

    def export(
        self,
        path: str | os.PathLike[str],
        part: str | None = None,
        *,
        opset: int = 20,
        dtype: str = "float32",
        fold: bool = False,
    ) -> Exported:
        """Write a part of the model as an ONNX file: "decoder", "encoder", "reconstruct", "generator", "discriminator"
        or "classifier", by default the one that makes images. See `runs.parts` for inputs and outputs, and
        `mg.onnx.export` for the rest.

        ConfigError: the model has no such part. ExportError: another runtime would compute something else.
        """
        name, chosen = parts.part_of(self, part)
        return export(
            chosen.function, parts.examples(self, chosen), path, opset=opset, dtype=dtype, fold=fold,
            input_names=chosen.inputs, output_names=chosen.outputs, metadata=self._facts_of_export(name),
            modules=parts.networks_of(self),
        )  # fmt: skip

    def _facts_of_export(self, part: str) -> dict[str, Any]:
        low, high = self.value_range
        latent, names = self.experiment.latent, self.class_names
        return {
            "model": self.recipe.name, "part": part, "data set": self.config["dataset"],
            "value range": f"{low:g} to {high:g}", "image shape": " x ".join(map(str, self.image_shape)),
            **({} if latent is None else {"latent size": latent.size}),
            **({"classes": ", ".join(names)} if names else {}),
            "step": self.checkpoint_facts["state"]["step"], "checkpoint": self.checkpoint,
            "minigen": minigen.__version__,
        }  # fmt: skip

    def explore(self, path: str | os.PathLike[str] | None = None) -> minigen.explore.Page:
        """The page of ``minigen explore``, which a notebook shows: latent map, sliders, interpolation, your drawing.

        With `path`, FILE.html or a folder, it is written, too. ConfigError: there is nothing to show, or the networks
        cannot be computed in a page.
        """
        return minigen.explore.explore(self, path)

    def doctor(self) -> Checkup:
        """What the doctor finds on test images: `Checkup.findings`, and `Checkup.lines` in words."""
        with np.errstate(all="ignore"):
            return checkup_of(self, self.images("test"))

    # How it goes on.

    def resume(
        self,
        *,
        checkpoint: Literal["last", "best"] = "last",
        data: Dataset | ArrayLike | None = None,
        labels: ArrayLike | None = None,
        test: Any = None,
        progress: bool = True,
        loggers: Sequence[Logger] = (),
        **options: Any,
    ) -> Run:
        """Train on, bit for bit, from the last checkpoint or the best; return this Run, which has the new parameters.

        `options` are those that may change: epochs, max_steps, checkpoint_every, log, doctor, data_dir, device,
        capture, compile. On another device the last bits differ. A run on images in memory that was opened without them
        needs them here, the same ones. `loggers` and Ctrl-C as in `train`.
        """
        Loggers(loggers)
        memory_data = images_again(data, labels, test) or self.memory_data
        changes = plain_options({"data_dir": self.config["data_dir"], **options})
        recipe, config = self.recipe, self.config
        first = distributed.init().rank == 0  # the others write nothing
        lock = self.folder.lock() if first else contextlib.nullcontext()
        with np.errstate(all="ignore"), Stop() as stop, lock:
            if self.path is not None:
                recipe, config = read_run(self.folder, recipe)
            session, notes = resume_session(
                self.folder, recipe, config, changes, checkpoint, memory_data, ready=stop.wait_for_step
            )
            finish(session, [f"note: {note}" for note in notes], progress, stop, loggers)
        config = session.prepared.config
        vars(self).update(vars(Run.load(kept(session), recipe, config, None, self.device, memory_data, self.note)))
        return self

    def import_weights(
        self,
        path: str | os.PathLike[str],
        part: str | None = None,
        *,
        renames: Mapping[str, str] | None = None,
        by_order: bool = False,
    ) -> weights.Plan:
        """Give the last checkpoint, or a `part` of its networks such as "decoder", the weights of PyTorch or Keras.

        What `minigen import` does: `import_weights` in ``importing.py`` says what becomes of the rest of the run. The
        Run has the new weights then. `Plan.table` says what became what.
        """
        plan = import_weights(self.folder, self.recipe, self.config, path, part, renames=renames, by_order=by_order)
        vars(self).update(vars(self.at("last")))
        return plan

    def at(self, checkpoint: Literal["best", "last"]) -> Run:
        """The same run with the parameters of another checkpoint."""
        return Run.load(self.folder, self.recipe, self.config, checkpoint, self.device, self.memory_data, self.note)

    def _codes(self, z: ArrayLike) -> Array:
        """Codes that a user gives. ValueError for another shape, or NaN."""
        codes, size = np.asarray(z, np.float32), self.latent.size
        if codes.ndim != 2 or codes.shape[1] != size or not len(codes):
            raise ValueError(f"codes: expected (N, {size}), got {codes.shape}")
        if not np.isfinite(codes).all():
            raise ValueError("codes: they hold NaN or infinity")
        return codes

    def _images(self, x: Dataset | ArrayLike, labels: ArrayLike | None) -> Dataset:
        """Images that a user gives, in `value_range`. ValueError for another shape or for other values."""
        low, high = self.value_range
        if isinstance(x, Dataset):
            if labels is not None:
                raise TypeError("labels: a Dataset holds its own; leave them out")
            images = x.in_range(self.value_range)
        else:
            array = np.asanyarray(x)
            if array.shape[1:] != self.image_shape:
                array = as_nchw(array, "images")
            if array.dtype.kind == "f":
                array = array.astype(np.float32)
                if low < 0 and array.size and array.min() >= 0:
                    raise ValueError(
                        f"images: the values go from {array.min()} to {array.max()}, none below 0, and this run works "
                        f"in [{low:g}, {high:g}]; give it floats in that range, or bytes; if they are in it, bright as "
                        "they are, say so: minigen.data.Dataset('mine', 'given', images, "
                        f"value_range=({low:g}, {high:g}))"
                    )
            elif array.dtype == np.bool_:
                array = as_pixels(array, (low, high))
            numbers = None
            if self.experiment.conditioned_on is not None:
                if labels is None:
                    raise ValueError(f"the encoder of {self.recipe.name} sees labels beside images; give them, too")
                numbers = np.asarray(drawing.class_numbers(self, labels))
            images = Dataset("images", "given", array, numbers, value_range=(low, high))
        if images.image_shape != self.image_shape:
            raise ValueError(
                f"images: expected (N, {', '.join(map(str, self.image_shape))}), got {images.images.shape}"
            )
        return images
