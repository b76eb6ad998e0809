"""Weights of other libraries, in and out: PyTorch's state dicts and Keras' files, by one table of conventions.

    from minigen import weights

    weights.write(module, "twin.safetensors")     # for the same network in PyTorch
    weights.write(module, "model.keras")           # a model that Keras opens
    weights.load(module, "theirs.pt")              # all of it or nothing

Read next: ``conventions.py``, the table; for users, ``docs/weights.md``.
"""

from minigen.weights.conventions import CONVENTIONS, Convention
from minigen.weights.exchange import SUFFIXES, load, read_keras, write
from minigen.weights.files import read
from minigen.weights.matching import Plan
from minigen.weights.slots import to_torch

__all__ = [
    "CONVENTIONS", "SUFFIXES", "Convention", "Plan", "load", "read", "read_keras", "to_torch",
    "write",
]  # fmt: skip
