"""Data sets and batches: ``Batches(load("glyphs"), 128, seed=0)``.

Read next: ``dataset.py``.
"""

from typing import TYPE_CHECKING

from minigen.cache import cache_folder
from minigen.data.batches import Batch, Batches
from minigen.data.dataset import Dataset
from minigen.data.download import DownloadError
from minigen.data.idx import read_idx
from minigen.data.named import NAMES
from minigen.data.sources import load
from minigen.names import OF_DATA, answer_attributes, asked_of_module

__all__ = ["NAMES", "Batch", "Batches", "Dataset", "DownloadError", "cache_folder", "load", "read_idx"]

answer_attributes(Dataset, {"drawn": "dataset.random_indices(count, seed=seed)"})

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__, OF_DATA)
