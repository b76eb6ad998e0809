"""Write ``docs/results.md``: what minigen's models reach, beside what was published, from ``benchmarks/results``.

    python docs/make_results_page.py

Every number on the page comes from a result file that a script in ``benchmarks`` wrote; what no script has measured is
not there.

Imports: nothing of minigen. Read next: ``results.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results"

HEAD = """# Results

Written by `python docs/make_results_page.py` from the files in `benchmarks/results/`, which name the settings, seeds,
versions and times. Nothing here is typed in.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for section in (_likelihood, _reconstruction, _modes):
        parts += section()
    return "\n".join(parts) + "\n"


def _likelihood() -> list[str]:
    rows = [_read(path) for path in sorted(RESULTS.glob("*-binarized-mnist.json"))]
    lines = [
        "## Likelihood, fixed binarised MNIST",
        "",
        "Negative log-likelihood of the 10,000 test images, nats per image, by importance sampling. `python",
        "benchmarks/vae_vs_published.py` trains and measures. `vae` and `iwae` have the published settings, `vae-deep`",
        "a second hidden layer on each side; `vae in PyTorch` is the setting of `vae` without minigen",
        "(`benchmarks/vae_in_pytorch.py`).",
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


def _modes() -> list[str]:
    return []


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    (HERE / "results.md").write_text(page(), encoding="utf-8")
