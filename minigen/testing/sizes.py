"""Lengths of axes as strategies, and `st` itself, or a word on how to install it: what the other strategies begin with.

Imports: hypothesis. Read next: ``geometry.py``.
"""

from __future__ import annotations

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "minigen.testing.strategies draws with hypothesis, which is not installed: pip install 'minigen-engine[test]'"
    ) from error

__all__ = ["Size", "size_of", "st"]

Size = int | tuple[int, int] | st.SearchStrategy[int]


def size_of(name: str, size: Size) -> st.SearchStrategy[int]:
    """A length, a pair (least, most) or a strategy, as a strategy; `name` stands in the error."""
    if isinstance(size, st.SearchStrategy):
        return size
    least, most = size if isinstance(size, tuple) else (size, size)
    if not 0 <= least <= most:
        raise ValueError(f"{name} is a length, a pair (least, most) of them or a strategy, got {size!r}")
    return st.integers(least, most)
