"""`Server`: routes, served to pages on this machine and to nobody else unless a host is given.

A page on the internet can send requests to 127.0.0.1 from the browser of whoever reads it. It learns nothing here: a
request must name this machine as its host (a name that somebody else has pointed here is refused: DNS rebinding), and
must not come from a page of another origin. The pages served may ask this server only (Content-Security-Policy).

Imports: messages. Read next: ``minigen/cli/page.py``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from minigen.serving.messages import JSON, Refused, Request, Response, Stream, encode

Route = Callable[[Request], Any]
LOCAL = "127.0.0.1"
LIMIT = 16 << 20  # bytes of a request's body
PATIENCE = 30.0  # seconds that a connection may be silent
ALIVE = b": alive\n\n"  # a comment, which pages pass over
POLICY = (  # blob: and WebAssembly are for workers that compute
    "default-src 'self' 'unsafe-inline' data: blob:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
    "base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server:
    """Serves in a ``with`` block. `routes` are functions by method and path: ``{"GET /": page, "POST /code": code}``.

    A route is given a Request and returns bytes, a text (HTML), a Response, a Stream, or anything that JSON can say.
    ValueError, such as Refused, is the page's mistake (status 400), any other exception ours (500); the page is told
    ``{"error": text}``. Routes are called one at a time; the items of a Stream are made beside them.

    `host` is the interface, `port` 0 a free one, `limit` the largest body in bytes. OSError if the port is taken.
    """

    def __init__(self, routes: Mapping[str, Route], *, host: str = LOCAL, port: int = 0, limit: int = LIMIT) -> None:
        self.routes, self.host, self.limit = dict(routes), host, limit
        self.turn, self.closing = threading.Lock(), threading.Event()
        try:
            self._socket = _Listener((host, port), self)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise OSError(f"cannot listen on {host}, port {port or 'any'}: {why}") from error
        self._thread = threading.Thread(target=self._socket.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page at ``/``, for a browser on this machine."""
        name = {"0.0.0.0": LOCAL, "::": "::1", "": LOCAL}.get(self.host, self.host)
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}/"

    @property
    def is_local(self) -> bool:
        """Can it be reached from this machine only?"""
        return _is_loopback(self.host)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()  # streams end
        self._socket.shutdown()
        self._socket.server_close()

    def wait(self) -> None:
        """Serve until Ctrl-C."""
        with contextlib.suppress(KeyboardInterrupt):
            while self._thread.is_alive():
                self._thread.join(0.5)

    def check_sender(self, host: str, origin: str | None, site: str | None, mode: str | None) -> None:
        """Refused unless a request names this machine, and comes from a page of ours or from none."""
        name = _host_name(host)
        known = {LOCAL, "localhost", "::1"} if self.is_local else {"localhost", self.host, socket.gethostname().lower()}
        if name not in known and (self.is_local or not _is_address(name)):
            raise Refused(f"this server is {self.url}, and answers no request for {host or 'an unnamed host'}", 403)
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if foreign or (site == "cross-site" and mode != "navigate"):
            raise Refused(f"this server answers its own pages only, not one of {origin or 'another site'}", 403)

    def answer(self, method: str, request: Request) -> Any:
        """What the route returns. Refused if there is none."""
        route = self.routes.get(f"{method} {request.path}")
        if route is None:
            other = any(key.partition(" ")[2] == request.path for key in self.routes)
            raise Refused(f"there is no {method} {request.path}", 405 if other else 404)
        with self.turn:
            return route(request)


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let a second program take the port
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], ours: Server) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.ours = ours
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed in the middle of an answer is no error."""
        if not isinstance(sys.exception(), OSError) and os.environ.get("MINIGEN_DEBUG"):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # one connection for many requests
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    timeout = PATIENCE
    server: _Listener

    def version_string(self) -> str:
        return "minigen"

    def log_message(self, *_: Any) -> None:
        """Say nothing: the terminal belongs to the user."""

    def do_GET(self) -> None:  # noqa: N802 - the names that BaseHTTPRequestHandler looks for
        self._respond()

    def do_POST(self) -> None:  # noqa: N802
        self._respond()

    def _respond(self) -> None:
        ours = self.server.ours
        try:
            head = self.headers
            ours.check_sender(
                head.get("Host", ""), head.get("Origin"), head.get("Sec-Fetch-Site"), head.get("Sec-Fetch-Mode")
            )
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query, keep_blank_values=True))
            result = ours.answer(self.command, Request(target.path, query, self._body()))
            if isinstance(result, Stream):
                self._send_stream(result)
                return
            status, answer = 200, Response.of(result)
        except ValueError as error:
            status = error.status if isinstance(error, Refused) else 400
            answer = Response(encode({"error": str(error)}), JSON)
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            status, answer = 500, Response(encode({"error": str(error)}), JSON)
        except Exception as error:
            if os.environ.get("MINIGEN_DEBUG"):
                traceback.print_exc()
            status, answer = 500, Response(encode({"error": f"{type(error).__name__}: {error}"}), JSON)
        self._send(status, answer)

    def _body(self) -> bytes:
        """The body of a request. Refused if it is too large, or of unknown length."""
        if self.headers.get("Transfer-Encoding"):
            raise Refused("a body must come with its Content-Length", 411)
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit()):
            raise Refused(f"Content-Length is {text!r}, no number")
        if int(text) > self.server.ours.limit:
            raise Refused(f"a body of {int(text):,} bytes is too large; at most {self.server.ours.limit:,}", 413)
        return self.rfile.read(int(text))

    def _send(self, status: int, response: Response) -> None:
        self.send_response(status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self._send_headers(close=status != 200)  # after an error the body may not have been read
        self.wfile.write(response.body)

    def _send_stream(self, stream: Stream) -> None:
        closing = self.server.ours.closing
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self._send_headers(close=True)
        try:
            for item in stream.items:
                self.wfile.write(ALIVE if item is None else _event(item))
                self.wfile.flush()
                if closing.wait(stream.every if item is None else 0):
                    return
        except Exception as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            self.wfile.write(_event({"error": str(error)}))

    def _send_headers(self, *, close: bool) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()


def _event(item: Any) -> bytes:
    return b"data: " + encode(item) + b"\n\n"


def _host_name(header: str) -> str:
    """The name in a Host header, without the port; "" if it is none."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{header}").hostname or ""
    return ""


def _is_address(name: str) -> bool:
    """Is it the number of an interface, which nobody can point elsewhere?"""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
