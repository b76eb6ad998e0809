"""Pages for a browser: one self-contained HTML file from the style sheets and scripts in ``static/`` and from data.

A page asks no server for anything: it opens from a file, offline. Scripts are plain JavaScript, one subject a file, put
one after the other; they share one global name, `minigen`.

Read next: ``assemble.py``; a page made with it: ``minigen/explore/page.py``.
"""

from minigen.pages.arrays import array
from minigen.pages.assemble import assemble

__all__ = ["array", "assemble"]
