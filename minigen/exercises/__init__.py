"""The exercises of the guide: their tasks, and the checks that read a reader's answers and say where they are wrong.

A file a chapter, named after its number: `chapter_01.py`. ``minigen exercise 1 answers.py`` runs its checks.

Imports: nothing. Read next: ``exercise.py``, then ``chapters.py``, ``answers.py``, ``chapter_01.py``.
"""
