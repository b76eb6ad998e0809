"""How objects show themselves in a notebook: HTML of tables, numbers and images.

Read next: ``blocks.py``, then ``arrays.py``.
"""
