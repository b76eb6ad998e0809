"""``minigen explore``: a page to look inside a trained model, and to share.

Read next: ``page.py``; for users, ``docs/explore.md``.
"""

from minigen.explore.page import html, routes
from minigen.explore.shown import Page, explore

__all__ = ["Page", "explore", "html", "routes"]
