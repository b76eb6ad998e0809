"""When a rank ends before its time: the others hear of it, one of them says which rank it was, and all end.

MPI itself leaves the others waiting, or ends them without a word. So each rank holds a connection (TCP) to rank 0
beside MPI, and a thread that listens: the system closes the connection of a process that dies, however it dies, and a
machine that has vanished is missed after `VANISHED` seconds. A stopped process (Ctrl-Z) is not dead.

What goes over a connection are lines of JSON: ["hello", secret, rank], ["leave", code, message], ["bye"].

Imports: nothing. Read next: ``mpi.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

VANISHED = 20  # seconds until a machine that does not answer counts as dead
GRACE = 2.0  # seconds in which rank 0 may fail for the same reason, and say so itself
PATIENCE = 10.0  # seconds until a rank that has nothing more to say ends in any case


class Watchdog:
    """The connections of this rank to others: of rank 0 to all, of all others to rank 0."""

    def __init__(self, rank: int, names: list[str], broadcast: Callable[[Any], Any]) -> None:
        """`names` describe the ranks for a message; `broadcast` gives all ranks the value of rank 0."""
        self.rank, self.names = rank, names
        self.advice: Callable[[], str] = str  # what to do then
        self._ending = threading.Event()  # all is over, in whichever way
        self._lock = threading.Lock()
        self._peers: dict[int, socket.socket] = {}
        if rank == 0:
            server = socket.create_server(("", 0), backlog=len(names))
            secret = secrets.token_hex(16)
            broadcast((_own_address(), server.getsockname()[1], secret))
            server.settimeout(VANISHED)
            with server:
                while len(self._peers) < len(names) - 1:
                    peer, _ = server.accept()
                    peer.settimeout(VANISHED)
                    hello = _read(peer)
                    if hello[:2] == ["hello", secret]:  # else: a stranger
                        self._peers[hello[2]] = peer
        else:
            host, port, secret = broadcast(None)
            self._peers[0] = socket.create_connection((host, port), timeout=VANISHED)
            _send(self._peers[0], "hello", secret, rank)
        for peer in self._peers.values():
            _keep_alive(peer)
        threading.Thread(target=self._listen, name="watchdog", daemon=True).start()

    def bye(self) -> None:
        """Say that this rank has come to its end as it should."""
        self._ending.set()
        for peer in self._peers.values():
            _send(peer, "bye")

    def leave(self, code: int, message: str) -> None:
        """End all ranks, this one with them: it has failed. Rank 0 has said why; of the others it says that."""
        if self._ending.is_set():
            return
        for peer in self._peers.values():
            _send(peer, "leave", code, message)
        if self.rank:
            time.sleep(PATIENCE)  # rank 0 speaks, and ends all
        _end(code)

    def _listen(self) -> None:
        selector, open_peers = selectors.DefaultSelector(), dict(self._peers)
        for rank, peer in open_peers.items():
            selector.register(peer, selectors.EVENT_READ, rank)
        while open_peers:
            for key, _ in selector.select():
                said = _read(open_peers[key.data])
                if said[0] == "bye" or self._ending.is_set():
                    selector.unregister(key.fileobj)
                    del open_peers[key.data]
                elif said[0] == "leave":
                    self._heard(key.data, said[1], said[2])
                else:
                    self._died(key.data)

    def _heard(self, rank: int, code: int, message: str) -> None:
        """Another rank has failed, and told so."""
        if self.rank == 0:
            if not self._ending.wait(GRACE):
                self._say(f"rank {rank} of {self.names[rank]}, fails: {message}")
                for peer in self._peers.values():
                    _send(peer, "leave", code, message)
        _end(code)

    def _died(self, rank: int) -> None:
        """Another rank has ended without a word. If it is rank 0, the first of the others speaks."""
        if self.rank == 0 or self.rank == 1:
            advice = self.advice()
            self._say(f"rank {rank} of {self.names[rank]}, has died, and so all end{'. ' * bool(advice)}{advice}")
        _end(1)

    def _say(self, text: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            print(f"minigen: {text}", file=sys.stderr, flush=True)


def _end(code: int) -> None:
    """End this process now; the launcher ends those that are left."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    time.sleep(0.2)  # until what was sent and printed has arrived
    os._exit(code)


def _own_address() -> str:
    """An address of this machine that the others can reach."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        return socket.gethostbyname(name)
    return "127.0.0.1"


def _keep_alive(peer: socket.socket) -> None:
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, seconds in {"TCP_KEEPIDLE": VANISHED // 2, "TCP_KEEPINTVL": VANISHED // 4, "TCP_KEEPCNT": 2}.items():
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def _send(peer: socket.socket, *words: Any) -> None:
    with contextlib.suppress(OSError):
        peer.sendall(json.dumps(words).encode() + b"\n")


def _read(peer: socket.socket) -> list[Any]:
    """The next line; [None] where the other has ended."""
    data = b""
    with contextlib.suppress(OSError, ValueError):
        while not data.endswith(b"\n"):
            byte = peer.recv(1)
            if not byte:
                return [None]
            data += byte
        words = json.loads(data)
        return words if isinstance(words, list) and words else [None]
    return [None]
