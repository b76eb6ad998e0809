"""A kernel, seen at work: what each thread of its CUDA source reads and writes, counted without a GPU.

Read ``looking.py`` first.
"""
