"""What a run folder tells of a training, for the page of ``minigen watch``: it is read, and nothing is written.

It works while the run is trained, afterwards, and for what a killed process has left.

Imports: the other files of this room. Read next: ``table.py``, ``watched.py``, ``page.py``.
"""

from minigen.dashboard.page import routes, snapshot
from minigen.dashboard.watched import Watched, find_runs

__all__ = ["Watched", "find_runs", "routes", "snapshot"]
