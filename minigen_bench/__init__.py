"""The speed of training steps in minigen and, the same again, in PyTorch and JAX: ``minigen bench``.

``steps.py`` says what is measured. The steps stand in four families, ``dense/``, ``images/``, ``adversarial/`` and
``further/``, each with the three libraries side by side: ``in_minigen.py``, ``in_torch.py``, ``in_jax.py``. The files
of these names beside this one make a `Training` of them, and are run as processes of their own: ``harness.py`` starts
them and lets them take turns. This package imports nothing of minigen but in those processes that measure it, so that
the memory of its peers is theirs alone.
"""
