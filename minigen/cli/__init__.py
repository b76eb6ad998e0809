"""The command ``minigen``: it parses, calls the rooms, and prints. One file a command.

Imports: everything. Nothing heavy is loaded before a command needs it: ``minigen --help`` answers at once.
Read next: ``app.py``, ``train.py``.
"""

from minigen.cli.app import main

__all__ = ["main"]
