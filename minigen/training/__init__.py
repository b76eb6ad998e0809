"""Room 5: how models are trained. One update per algorithm, the loop that runs it, run folders and checkpoints.

Read next: ``experiment.py``, ``updates.py``, ``autoencoders/step.py``, ``fit.py``.
"""
