"""What each model is: its objective and its update, in the order of the paper's algorithm, one file a model.

Read next: ``experiment.py``, ``updates.py``, then a family, such as ``likelihood/vae.py``.
"""
