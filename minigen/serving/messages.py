"""What a route is given and what it returns: `Request`, `Response`, `Stream`, and the error `Refused`.

Imports: nothing of minigen. Read next: ``server.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HTML, JSON, BYTES = "text/html; charset=utf-8", "application/json", "application/octet-stream"


class Refused(ValueError):  # noqa: N818 - what happened to the request
    """A request that cannot be answered, with the text that its page shows and the status of HTTP."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Request:
    """A request: its path, what stands behind the question mark, and its body."""

    path: str = "/"
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON. Refused if it is none; NaN and Infinity are no JSON."""
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Refused(f"the body of {self.path} is no JSON: {error}") from error

    def asked(self, name: str, default: str | None = None) -> str:
        """What stands behind ``name=`` in the address. Refused if it is missing and there is no default."""
        value = self.query.get(name, default)
        if value is None:
            raise Refused(f"{self.path} needs {name}=..., and was given {', '.join(self.query) or 'nothing'}")
        return value


@dataclass(frozen=True)
class Response:
    """A body of another type than those that a route's result has by itself."""

    body: bytes
    content_type: str = BYTES

    @classmethod
    def of(cls, result: Any) -> Response:
        """What a route returned: a Response, bytes, a text (HTML), or else JSON. ValueError for NaN: it is no JSON."""
        if isinstance(result, Response):
            return result
        if isinstance(result, bytes | bytearray | memoryview):
            return cls(bytes(result))
        if isinstance(result, str):
            return cls(result.encode(), HTML)
        return cls(encode(result), JSON)


@dataclass(frozen=True)
class Stream:
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): an event for each item.

    None says that there is nothing new: the server then waits `every` seconds, and tells the page that it is alive.
    """

    items: Iterator[Any]
    every: float = 1.0


def encode(value: Any) -> bytes:
    """JSON in UTF-8, as short as it can be. ValueError for NaN and infinity."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")
