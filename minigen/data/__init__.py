"""Data sets and batches: ``Batches(load("glyphs"), 128, seed=0)``.

Read next: ``dataset.py``.
"""

from minigen.data.batches import Batch, Batches
from minigen.data.cache import cache_folder
from minigen.data.dataset import Dataset
from minigen.data.download import DownloadError
from minigen.data.idx import read_idx
from minigen.data.sources import NAMES, load

__all__ = ["NAMES", "Batch", "Batches", "Dataset", "DownloadError", "cache_folder", "load", "read_idx"]
