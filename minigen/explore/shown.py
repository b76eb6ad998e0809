"""A page in a program or a notebook: `Page`, what `Run.explore` returns.

Imports: atomic, page. Read next: ``page.py``.
"""

from __future__ import annotations

import html as text
import os
from dataclasses import dataclass
from pathlib import Path

from minigen.atomic import write_atomically
from minigen.explore.page import html
from minigen.runs.trained import Trained


@dataclass(frozen=True, repr=False)
class Page:
    """A page as HTML. A notebook shows it, `height` pixels high; `save` writes it to be shared."""

    html: str
    height: int = 900

    def __repr__(self) -> str:
        return f"Page({len(self.html) / 1e6:.1f} MB of HTML; a notebook shows it, page.save('page.html') writes it)"

    def _repr_html_(self) -> str:
        held = text.escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{held}" style="width:100%;height:{self.height}px;border:0" title="minigen explore" '
            'sandbox="allow-scripts"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to `path`: a file that ends in ``.html``, or a folder, which gets an ``index.html``.

        Returns the file. OSError: it cannot be written.
        """
        file = Path(path)
        if not file.suffix:
            file.mkdir(exist_ok=True)
            file = file / "index.html"
        write_atomically(file, self.html.encode())
        return file


def explore(run: Trained, path: str | os.PathLike[str] | None = None) -> Page:
    """The page of a run, written to `path` if that is given; see `html` for errors."""
    page = Page(html(run))
    if path is not None:
        page.save(path)
    return page
