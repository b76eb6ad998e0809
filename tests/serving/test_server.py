"""The server of pages: what a route may return, what is refused, and that nobody else than this machine is answered.

Read next: ``../pages/browser.py``.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.serving import Refused, Request, Response, Server, Stream
from minigen.serving.messages import encode


def fail(error: Exception) -> Any:
    raise error


def ticks() -> Iterator[Any]:
    for n in itertools.count():
        yield None if n % 2 else {"tick": n}


ROUTES = {
    "GET /": lambda request: "<!doctype html><title>é</title>",
    "GET /bytes": lambda request: bytes(range(256)),
    "GET /json": lambda request: {"asked": request.query},
    "GET /svg": lambda request: Response(b"<svg/>", "image/svg+xml"),
    "GET /nan": lambda request: {"loss": math.nan},
    "GET /needs": lambda request: {"run": request.asked("run")},
    "GET /refused": lambda request: fail(Refused("no such run", 404)),
    "GET /wrong": lambda request: fail(ValueError("codes: expected (N, 2), got (3,)")),
    "GET /broken": lambda request: fail(RuntimeError("a bug")),
    "GET /missing": lambda request: fail(FileNotFoundError(2, "No such file", "x.csv")),
    "GET /ticks": lambda request: Stream(ticks(), every=0.01),
    "GET /three": lambda request: Stream(iter([1, 2, 3])),
    "GET /dies": lambda request: Stream(fail(RuntimeError("gone")) if n == 2 else n for n in range(3)),
    "POST /echo": lambda request: request.json(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(ROUTES, limit=1000) as running:
        yield running


def ask(
    server: Server, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None and not headers.keys() & {"Content_Length", "Transfer_Encoding"}:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def error(answer: tuple[int, bytes, Any]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]


def test_what_a_route_returns_becomes_the_answer_with_its_type(server: Server) -> None:
    for path, body, kind in [
        ("/", "<!doctype html><title>é</title>".encode(), "text/html; charset=utf-8"),
        ("/bytes", bytes(range(256)), "application/octet-stream"),
        ("/svg", b"<svg/>", "image/svg+xml"),
        ("/json?a=1&b=%C3%A9&c=", '{"asked":{"a":"1","b":"é","c":""}}'.encode(), "application/json"),
    ]:
        status, got, headers = ask(server, path)
        assert (status, got, headers["Content-Type"]) == (200, body, kind)
        assert "default-src 'self'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"]


def test_every_failure_is_one_message(server: Server) -> None:
    assert error(ask(server, "/refused")) == (404, "no such run")
    assert error(ask(server, "/wrong")) == (400, "codes: expected (N, 2), got (3,)")
    assert error(ask(server, "/broken")) == (500, "RuntimeError: a bug")
    assert error(ask(server, "/missing")) == (500, "[Errno 2] No such file: 'x.csv'")
    assert error(ask(server, "/needs?runs=3")) == (400, "/needs needs run=..., and was given runs")
    assert error(ask(server, "/elsewhere")) == (404, "there is no GET /elsewhere")
    assert error(ask(server, "/json", method="POST", body=b"")) == (405, "there is no POST /json")
    assert error(ask(server, "/echo", method="POST", body=b"{"))[0] == 400
    assert error(ask(server, "/echo", method="POST", body=b"[NaN]")) == (
        400, "the body of /echo is no JSON: it holds NaN"
    )  # fmt: skip
    assert error(ask(server, "/nan"))[0] == 400  # NaN is no JSON: a page could not read it


def test_a_body_has_a_length_that_is_not_too_large(server: Server) -> None:
    most = json.dumps(["x" * 996]).encode()
    assert ask(server, "/echo", method="POST", body=most)[:2] == (200, most)
    told = error(ask(server, "/echo", method="POST", body=most + b" "))
    assert told == (413, "a body of 1,001 bytes is too large; at most 1,000")
    assert error(ask(server, "/echo", method="POST", body=b"0\r\n\r\n", Transfer_Encoding="chunked"))[0] == 411
    for length in ("-1", "1e3", "²", "9" * 5000):
        assert ask(server, "/echo", method="POST", body=b"", Content_Length=length)[0] in (400, 413), length


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.0.0.1:9"])
def test_a_request_for_this_machine_is_answered(server: Server, host: str) -> None:
    assert ask(server, "/json", Host=host.format(port=server.port))[0] == 200


@pytest.mark.parametrize(
    "host", ["example.org:{port}", "127.0.0.1.example.org", "", "localhost.", "192.168.0.1", "[", "a@b:x"]
)
def test_a_request_for_another_host_is_refused(server: Server, host: str) -> None:
    status, told = error(ask(server, "/json", Host=host.format(port=server.port)))
    assert status == 403 and "answers no request for" in told


def test_a_request_from_a_page_elsewhere_is_refused(server: Server) -> None:
    own = f"127.0.0.1:{server.port}"
    assert ask(server, "/json", Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(server, "/", Host=own, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link
    for origin in ("http://example.org", "null", f"http://127.0.0.1:{server.port + 1}", "https://127.0.0.1"):
        assert ask(server, "/json", Host=own, Origin=origin)[0] == 403, origin
    assert ask(server, "/json", Host=own, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403


def test_another_host_answers_addresses_and_its_own_name_only() -> None:
    with Server(ROUTES, host="0.0.0.0") as server:
        assert not server.is_local and server.url == f"http://127.0.0.1:{server.port}/"
        assert ask(server, "/json", Host="192.168.0.7:80")[0] == 200
        assert ask(server, "/json", Host=socket.gethostname())[0] == 200
        assert ask(server, "/json", Host="example.org")[0] == 403


def test_server_sent_events(server: Server) -> None:
    status, body, headers = ask(server, "/three")
    assert (status, body, headers["Content-Type"]) == (200, b"data: 1\n\ndata: 2\n\ndata: 3\n\n", "text/event-stream")
    assert ask(server, "/dies")[1].endswith(b'data: 1\n\ndata: {"error":"gone"}\n\n')


def test_the_server_ends_though_a_stream_does_not_and_answers_others_meanwhile() -> None:
    before = threading.active_count()
    with Server(ROUTES) as server:
        stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        stream.request("GET", "/ticks")
        answer = stream.getresponse()
        first = answer.readline()
        assert first == b'data: {"tick":0}\n'
        assert ask(server, "/json")[0] == 200
    assert (first + answer.read()).endswith(b"\n\n")  # whole events, one at least
    stream.close()
    for _ in range(500):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_routes_are_called_one_at_a_time() -> None:
    inside: list[int] = []

    def slow(request: Request) -> Any:
        inside.append(1)
        time.sleep(0.02)
        found = len(inside)
        inside.pop()
        return found

    with Server({"GET /slow": slow}) as server:
        got: list[bytes] = []
        threads = [threading.Thread(target=lambda: got.append(ask(server, "/slow")[1])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [b"1"] * 8


def test_one_connection_serves_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/echo", b"[1]")
    assert connection.getresponse().read() == b"[1]"
    own = connection.sock
    connection.request("GET", "/bytes")
    assert connection.getresponse().read() == bytes(range(256)) and connection.sock is own
    connection.close()


def test_a_port_that_is_taken_is_one_error(server: Server) -> None:
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {server.port}: "):
        Server(ROUTES, port=server.port)
    with pytest.raises(OSError, match="cannot listen on 192.0.2.1, port any: "):
        Server(ROUTES, host="192.0.2.1")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(exclude_categories=["Cs"])),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("abé"), inner)))  # fmt: skip
def test_json_comes_back_as_it_went(value: Any) -> None:
    assert Request(body=encode(value)).json() == value


CODE = """
from minigen.cli.page import show
show({"GET /": lambda request: "hello"}, "127.0.0.1", None, False)
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent another way there")
def test_ctrl_c_ends_it_cleanly() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found, line
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    connection.close()
    assert (process.returncode, out.split(), err) == (0, ["done"], "")
