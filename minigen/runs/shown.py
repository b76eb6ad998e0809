"""A run as HTML for a notebook, and what it draws and measures.

Imports: display. Read next: ``run.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigen.display.blocks import facts, frame, note, table
from minigen.display.images import images_html, picture_html

EPOCHS = 5  # that are listed, the last ones


def run_html(run: Any) -> str:
    """What was trained on what, the losses of the last epochs, the newest picture."""
    facts_of_checkpoint, (low, high) = run.checkpoint_facts["state"], run.value_range
    c, h, w = run.image_shape
    about = [
        ("model", f"{run.recipe.name}: {run.recipe.summary}"),
        ("data", f"{run.config['dataset']}, images {c}x{h}x{w} from {low:g} to {high:g}"),
        ("checkpoint", f"{run.checkpoint}, after {facts_of_checkpoint['step']:,} steps"),
        ("folder", "none: the run is in memory" if run.path is None else run.path),
        ("parameters", f"{sum(p.size for p in run.model.parameters()):,}"),
    ]
    newest = run.folder.newest_picture()
    picture = "" if newest is None else picture_html(newest[1], f"the picture of {newest[0].replace('_', ' ')}")
    return frame("Run", facts(about), epochs_html(run.history()), picture)


def epochs_html(history: Sequence[Mapping[str, float]]) -> str:
    """The mean terms of the last epochs."""
    if not history:
        return ""
    names = list(dict.fromkeys(name for terms in history for name in terms))
    rows = [[f"{epoch}", *(f"{terms[name]:.5g}" if name in terms else "" for name in names)]
            for epoch, terms in enumerate(history, 1)]  # fmt: skip
    return table(["epoch", *names], rows[-EPOCHS:], numbers=len(names))


def drawing_html(drawing: Any) -> str:
    """The images, and where their codes come from."""
    labels = "" if drawing.labels is None else f", labels {', '.join(map(str, drawing.labels[:10].tolist()))} ..."
    size = "codes of " + " x ".join(map(str, drawing.codes.shape[1:]))
    about = note(f"{drawing.origin}; {size}{labels}")
    return frame(f"Drawing of {len(drawing.images)} images", images_html(drawing.images), about)


def evaluation_html(found: Any) -> str:
    """The numbers with units and standard errors; what was left out, and why; the doctor's findings."""
    rows = [
        [name, m.unit, f"{m.value:.5g}", "" if m.error is None else f"{m.error:.2g}"]
        for name, m in found.report.items()
    ]
    rest = [("left out", f"{name}: {why}") for name, why in found.left_out.items()]
    rest += [("", line) for line in found.checkup.lines()]
    title = f"Evaluation of {found.trained.recipe.name} on {found.settings.get('test_images', 0):,} test images"
    return frame(title, table(("measured", "unit", "value", "standard error"), rows, numbers=2), facts(rest))
