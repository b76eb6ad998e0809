"""A small HTTP server for pages of this machine's user, on the standard library: JSON in, JSON or bytes out.

Imports: nothing of minigen. Read next: ``messages.py``, then ``server.py``.
"""

from minigen.serving.messages import Refused, Request, Response, Stream
from minigen.serving.server import Route, Server

__all__ = ["Refused", "Request", "Response", "Route", "Server", "Stream"]
