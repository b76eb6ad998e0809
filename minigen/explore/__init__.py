"""A page that shows what a trained model can do: ``minigen explore``.

Imports: nothing. Read next: ``abilities.py``.
"""
