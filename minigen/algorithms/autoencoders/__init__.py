"""Autoencoders: the update that all of them run, and their recipes.

Read next: ``step.py``, ``recipes.py``.
"""

from minigen.algorithms.autoencoders.recipes import OPTIONS, RECIPES

__all__ = ["OPTIONS", "RECIPES"]
