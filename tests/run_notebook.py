"""A program: run a notebook in a kernel of its own, and print it with all outputs as JSON.

    python tests/run_notebook.py NOTEBOOK FOLDER

Cells run in FOLDER. An error in a cell is an output like any other, and the last. Read next: ``test_notebooks.py``.
"""

from __future__ import annotations

import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

path, folder = sys.argv[1:]
notebook = nbformat.read(path, 4)
try:
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
except CellExecutionError:
    pass  # the output says it
sys.stdout.write(nbformat.writes(notebook))
