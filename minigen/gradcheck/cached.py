"""`cached`: a property that is found once for each object.

Python's own holds one lock for all objects until Python 3.12. Where ranks or replicas are threads, the first would wait
for the others in a sum with that lock in its hand, and they for the lock, for ever.

Imports: nothing. Read next: ``linearization.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class cached(Generic[T]):  # noqa: N801 - it is read as a decorator
    """A method without arguments, as a property whose value is kept in the object's dictionary."""

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find, self.__doc__ = find, find.__doc__

    def __get__(self, of: Any, kind: type | None = None) -> T:
        value = vars(of)[self.find.__name__] = self.find(of)
        return value
