"""Write ``docs/conventions.md``: minigen's conventions beside its peers', from ``benchmarks/results/conventions``.

    python docs/make/conventions.py

What the peers answered is kept in those files by the scripts of ``benchmarks/conventions``; minigen is asked now.

Imports: the tables of ``benchmarks/conventions``. Read next: ``conventions.md``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
sys.path += [str(ROOT / "benchmarks" / "conventions"), str(ROOT), str(ROOT / "kernels")]

SUBJECTS = (
    "kinks", "optimizers", "weight_decay", "normalization", "spectral_norm", "losses", "quantisation", "metrics",
    "activations", "resizing", "initial_weights", "mpi_order",
)  # fmt: skip

HEAD = """# Conventions, measured

A model that is ported has the right shapes, trains, and is not the same model: the libraries differ where no error
shows it. Here minigen stands beside its peers, asked with the same small numbers. Each cell is what a library of the
stated version answered.

- **bold**: not what minigen does.
- **!**: what good programmers guess wrong; the line below the table says how it is.
- refused: an error. An empty cell: the library has no such thing, or was not asked.
- *To minigen:* how a setting or number becomes minigen's. What weights alone need (names, layouts, batch norm's
  momentum and epsilon) `minigen import` does: [weights.md](weights.md).

Written by `python docs/make/conventions.py`; a test holds minigen's column to what minigen does. A table is measured
again by its script, which installs the pinned peers in a temporary folder, for example
`python benchmarks/conventions/table_kinks.py`.
"""


def page() -> str:
    """The whole page."""
    import tables

    sections = [importlib.import_module(f"table_{name}").TABLE for name in SUBJECTS]
    contents = [f"- [{t.title}](#{t.title.lower().replace(',', '').replace(' ', '-')})" for t in sections]
    return "\n".join([HEAD, *contents, "", *(tables.markdown(t) for t in sections)]).rstrip() + "\n"


if __name__ == "__main__":
    (DOCS / "conventions.md").write_text(page(), encoding="utf-8")
