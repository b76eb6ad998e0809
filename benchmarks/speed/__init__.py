"""The speed of one training step, in minigen and in its peers. Start with ``benchmarks/run.py``.

``work.py`` says what is measured, ``in_minigen.py``, ``in_torch.py`` and ``in_jax.py`` are the same six training steps
in three libraries, ``worker.py`` runs one of them in a process of its own, ``machine.py`` measures what the floor is
made of, and ``report.py`` writes the tables.
"""
