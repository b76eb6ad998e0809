"""A process beside the ranks that says which of them has died, and ends the others. It is run as a script.

Rank 0 starts it in a session of its own, so that a launcher that kills all ranks at once, as MPICH's does, leaves it
its last word: the launcher waits until nobody holds its error stream. The system closes the connection of a process
that dies, however it dies; a machine that has vanished is missed after `VANISHED` seconds. A stopped process (Ctrl-Z)
is not dead.

What goes over a connection are lines of JSON. From a rank: ["hello", secret, rank], ["advice", text], ["leave", code,
message], ["bye"]; to a rank: ["gone", rank] when another has said bye, and ["end", code].

Imports: nothing. Read next: ``watchdog.py``, the ranks' side.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import socket
import sys
import time
from typing import Any

VANISHED = 20  # seconds until a machine that does not answer counts as dead
GRACE = 2.0  # seconds in which rank 0 may fail for the same reason as another one, and say so itself


class Watcher:
    """The connections of all ranks, whose `names` describe them in a message."""

    def __init__(self, names: list[str], secret: str) -> None:
        self.names, self.secret, self.advice = names, secret, ""
        self.peers: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()

    def accept(self, server: socket.socket) -> None:
        """Wait until all ranks are there; a stranger is sent away. TimeoutError if one does not come."""
        server.settimeout(VANISHED * 3)
        while len(self.peers) < len(self.names):
            peer, _ = server.accept()
            peer.settimeout(VANISHED)
            hello = read(peer)
            if hello[:2] == ["hello", self.secret]:
                keep_alive(peer)
                self.peers[hello[2]] = peer
                self.selector.register(peer, selectors.EVENT_READ, hello[2])

    def watch(self) -> None:
        """Until all ranks have ended, or have to."""
        failed: tuple[float, int, int, str] | None = None  # until when rank 0 may speak; rank, code, message
        while self.peers:
            ready = self.selector.select(None if failed is None else max(0.0, failed[0] - time.monotonic()))
            if failed is not None and not ready:
                self.say(f"rank {failed[1]} of {self.names[failed[1]]}, fails: {failed[3]}")
                return self.end(failed[2])
            for key, _ in ready:
                rank: int = key.data
                word, *rest = read(self.peers[rank])
                if word == "advice":
                    self.advice = rest[0]
                elif word == "leave" and rank == 0:  # it has said why
                    return self.end(rest[0])
                elif word == "leave":
                    failed = failed or (time.monotonic() + GRACE, rank, rest[0], rest[1])
                elif word == "bye" or (failed is not None and failed[1] == rank):
                    self.selector.unregister(self.peers.pop(rank))
                    for peer in self.peers.values():
                        send(peer, "gone", rank)
                else:
                    self.say(f"rank {rank} of {self.names[rank]}, has died, and so all end. {self.advice}".rstrip())
                    return self.end(1)
        return None

    def say(self, text: str) -> None:
        """The last line of the run."""
        with contextlib.suppress(OSError):
            print(f"minigen: {text}", file=sys.stderr, flush=True)

    def end(self, code: int) -> None:
        """Tell all ranks that are left to end."""
        for peer in self.peers.values():
            send(peer, "end", code)


def keep_alive(peer: socket.socket) -> None:
    """Let the system ask from time to time whether the other machine is there."""
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, seconds in {"TCP_KEEPIDLE": VANISHED // 2, "TCP_KEEPINTVL": VANISHED // 4, "TCP_KEEPCNT": 2}.items():
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def send(peer: socket.socket, *words: Any) -> None:
    """A line to the other side, if there is one."""
    with contextlib.suppress(OSError):
        peer.sendall(json.dumps(words).encode() + b"\n")


def read(peer: socket.socket) -> list[Any]:
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


def main() -> None:
    """Names and secret come in by a line of JSON; the port goes out by one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the ranks
    names, secret = json.loads(sys.stdin.readline())
    with socket.create_server(("", 0), backlog=len(names)) as server:
        print(server.getsockname()[1], flush=True)
        watcher = Watcher(names, secret)
        with contextlib.suppress(TimeoutError):
            watcher.accept(server)
            watcher.watch()


if __name__ == "__main__":
    main()
