"""A trained model as an object. ``minigen`` exports these names, and loads this room when one is first used.

Read next: ``run.py``; for users, ``docs/library.md``.
"""

from minigen.algorithms.options import ConfigError
from minigen.runs.library import open_run, train
from minigen.runs.run import Run
from minigen.serialization import CheckpointError
from minigen.training.nonfinite import NonFiniteLoss
from minigen.training.run_folder import RunFolderError
from minigen.watching import Logger

__all__ = ["CheckpointError", "ConfigError", "Logger", "NonFiniteLoss", "Run", "RunFolderError", "open_run", "train"]
