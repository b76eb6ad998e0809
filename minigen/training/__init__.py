"""The machinery of training: the loop, run folders, configs, checkpoints. It knows no model.

Read next: ``fit.py``, ``session.py``.
"""
