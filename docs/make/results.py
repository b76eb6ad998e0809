"""Write ``docs/results.md``: what minigen's models reach, beside what was published, from ``benchmarks/results``.

    python docs/make/results.py

Every number on the page comes from a result file that a script in ``benchmarks`` wrote; what no script has measured is
not there.

Imports: nothing of minigen. Read next: ``results.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
RESULTS = DOCS.parent / "benchmarks" / "results"

HEAD = """# Results

Written by `python docs/make/results.py` from the files in `benchmarks/results/`, which name the settings, seeds,
versions and times. Nothing here is typed in.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for section in (_likelihood, _reconstruction, _first_weights, _modes, _stacked_digits, _laboratory):
        parts += section()
    return "\n".join(parts) + "\n"


def _likelihood() -> list[str]:
    rows = [_read(path) for path in sorted(RESULTS.glob("*-binarized-mnist.json"))]
    lines = [
        "## Likelihood, fixed binarised MNIST",
        "",
        "Negative log-likelihood of the 10,000 test images, nats per image, by importance sampling.",
        "`python benchmarks/vae_vs_published.py` trains and measures. `vae` and `iwae` have the published settings;",
        "`vae-deep` has a second hidden layer on each side, `iwae-short` fewer epochs and rates of our own; `vae in",
        "PyTorch` is the setting of `vae` without minigen (`benchmarks/vae_in_pytorch.py`).",
        "",
        "| model | importance samples | epochs | measured | published |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        error = r["standard_error_over_images"]
        ours = f"{r['nll']:.2f}" + (f" +- {error:.2f}" if error else "")
        lines.append(f"| {r['model']} | {r['importance_samples']} | {r['epochs']} | {ours} | {r['published']} |")
    return [*lines, ""]


def _reconstruction() -> list[str]:
    result = _read(RESULTS / "reconstruction_vs_pytorch.json")
    lines = [
        "## Reconstruction, beside PyTorch",
        "",
        f"{result['what'].capitalize()}. `python benchmarks/reconstruction_vs_pytorch.py`.",
        "",
        "| model | epochs | seeds | minigen | PyTorch | mean ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, r in result.items():
        if isinstance(r, dict) and "runs" in r:
            ours, theirs = (fmean(run[f"{side}_mse"] for run in r["runs"]) for side in ("minigen", "pytorch"))
            cells = (name, r["epochs"], len(r["runs"]), f"{ours:.5f}", f"{theirs:.5f}", f"{r['mean_ratio']:.4f}")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def _first_weights() -> list[str]:
    lines = [
        "## First weights",
        "",
        "From which first weights does a model learn fastest? The loss on held-out images of MNIST (5 %) after short",
        "runs: mean and standard deviation over the seeds. Only the rule that draws the weights differs; `nn`",
        "itself begins as PyTorch does, uniform by fan-in. `python benchmarks/first_weights.py`.",
        "",
        "| model | first weights | seeds | after epoch: loss |",
        "| --- | --- | ---: | --- |",
    ]
    for name, result in _read(RESULTS / "first_weights.json").items():
        for rule, row in result["held-out loss"].items():
            ends = "; ".join(f"{epoch}: {fmean(v):.4g} +- {pstdev(v):.1g}" for epoch, v in row.items())
            lines.append(f"| {name} | {rule} | {len(next(iter(row.values())))} | {ends} |")
    return [*lines, ""]


def _modes() -> list[str]:
    result = _read(RESULTS / "mode-coverage.json")
    lines = [
        "## Modes of a mixture, beside PacGAN",
        "",
        "How many of 8 (ring) or 25 (grid) modes 2500 samples reach; `/2` has packs of two samples. Published are",
        "means of 10 runs after 400 epochs (Lin et al. 2018, arXiv:1712.04086). `python benchmarks/mode_coverage.py`",
        "does the same and can be stopped and continued; where fewer epochs are named here, training was not over, and",
        "the numbers cannot be compared.",
        "",
        "| cell | runs | epochs | modes | published | within 3 sigma | published |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, r in result["cells"].items():
        known = r["published_after_400_epochs"]
        cells = [name, str(r["runs"]), str(r["epochs"])]
        for key, digits in (("modes", 1), ("high_quality", 3)):
            mean, error = r[key]["mean"], r[key]["standard_error"]
            ours = f"{mean:.{digits}f}" + ("" if error is None else f" +- {error:.{digits}f}")
            cells += [ours, f"{known[key][0]} +- {known[key][1]}"]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _stacked_digits() -> list[str]:
    path = RESULTS / "stacked-digits.json"
    if not path.exists():
        return []
    result = _read(path)
    cells = result["cells"].values()
    lines = [
        "## Modes of stacked digits, beside PacGAN",
        "",
        "Three digits as the colours of one picture make 1000 modes; a classifier of digits, minigen's own, reads",
        f"those that samples show ({result['classifier']['test_accuracy']:.2%} of the test digits are read right).",
        "KL is that of the samples from equal shares. Published are means of 10 runs after 100,000 updates (50",
        "epochs) with 64 filters, 26,000 samples (Lin et al. 2018, arXiv:1712.04086).",
        "`python benchmarks/stacked_digits.py` does the same and can be stopped and continued.",
    ]
    if not all(r["full_protocol"] for r in cells):
        lines += [
            "Where fewer updates, runs or filters stand here, it is a part of that: training was not over, and the",
            "numbers cannot be compared with the published ones.",
        ]
    lines += [
        "",
        "| model | filters | runs | updates | modes | KL, nats | published modes | KL |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, r in result["cells"].items():
        known, runs = r["published_64_filters_50_epochs"], [r["filters"], r["runs"], f"{r['updates']:,}"]
        ours = [f"{r['modes']['mean']:.1f}", f"{r['kl']['mean']:.2f}"]
        theirs = ["{} +- {}".format(*known["modes"]), f"{known['kl']:.2f}"]
        lines.append(f"| {' | '.join(map(str, [name.split(',')[0], *runs, *ours, *theirs]))} |")
    return [*lines, "", *_curve(result["cells"]), ""]


def _curve(cells: dict[str, Any]) -> list[str]:
    """Modes by updates: one row for each number of updates, one column for each cell, means over runs."""
    reached = {
        name: {points[0]["updates"]: fmean(p["modes"] for p in points) for points in zip(*r["curves"], strict=True)}
        for name, r in cells.items()
    }
    lines = [
        "Modes by updates:",
        "",
        f"| updates | {' | '.join(reached)} |",
        f"| ---: |{' ---: |' * len(reached)}",
    ]
    for updates in sorted({k for curve in reached.values() for k in curve}):
        modes = (f"{curve[updates]:.1f}" if updates in curve else "" for curve in reached.values())
        lines.append(f"| {updates:,} | {' | '.join(modes)} |")
    return lines


def _laboratory() -> list[str]:
    path = RESULTS / "ae-in-gan-laboratory.json"
    if not path.exists():
        return []
    result = _read(path)
    setting = result["setting"]
    lines = [
        "## Do autoencoders help GANs?",
        "",
        f"The same dense backbone, {setting['steps']:,} updates for each way; {setting['samples']:,} samples",
        "against the test images, by the features of a classifier trained on the training images. Means over",
        "seeds, with 95 % intervals where there is more than one. `python benchmarks/ae_in_gan_laboratory.py` says",
        "what each way is.",
        "",
        "| data set | way | seeds | Frechet distance | coverage |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for dataset, ways in result["summary"].items():
        for way, r in ways.items():
            parts = [dataset, way, str(r["coverage"]["seeds"])]
            for key, digits in (("frechet_distance", 0), ("coverage", 2)):
                half = r[key]["half_width"]
                parts.append(f"{r[key]['mean']:.{digits}f}" + (f" +- {half:.{digits}f}" if half is not None else ""))
            lines.append(f"| {' | '.join(parts)} |")
    return [*lines, ""]


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    (DOCS / "results.md").write_text(page(), encoding="utf-8")
