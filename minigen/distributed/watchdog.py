"""When a rank ends before its time: a watcher hears of it, says which rank it was, and all others end.

MPI itself leaves the others waiting, or ends them without a word. So each rank holds a connection (TCP) to a process
beside the ranks (``watcher.py``), and a thread that waits to be told to end.

Imports: watcher. Read next: ``watcher.py``, ``mpi.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from minigen.distributed import watcher
from minigen.distributed.watcher import GRACE, VANISHED, keep_alive, read, send

PATIENCE = 10.0  # seconds until a rank that has nothing more to say ends in any case


class Watchdog:
    """The connection of this rank to the watcher, which rank 0 starts."""

    def __init__(self, rank: int, names: list[str], broadcast: Callable[[Any], Any]) -> None:
        """`names` describe the ranks for a message; `broadcast` gives all ranks the value of rank 0."""
        self.rank, self._ended = rank, False
        self.gone: tuple[int, float] | None = None  # the first rank that has come to its end, and when
        where = _start(names) if rank == 0 else None
        hosts, port, secret = broadcast(where)
        self._watcher = _connect(hosts if rank else ["127.0.0.1"], port)
        send(self._watcher, "hello", secret, rank)
        keep_alive(self._watcher)
        threading.Thread(target=self._listen, name="watchdog", daemon=True).start()

    def advise(self, text: str) -> None:
        """What the watcher should say, besides that a rank has died."""
        if self.rank == 0:
            send(self._watcher, "advice", text)

    def bye(self) -> None:
        """Say that this rank has come to its end as it should."""
        self._ended = True
        send(self._watcher, "bye")

    def leave(self, code: int, message: str) -> None:
        """End all ranks, this one with them: it has failed. Rank 0 has said why; for the others the watcher does."""
        if not self._ended:
            send(self._watcher, "leave", code, message)
            time.sleep(PATIENCE if self.rank else 0.0)
            _end(code)

    def _listen(self) -> None:
        word, *rest = read(self._watcher)
        while word == "gone":
            self.gone = self.gone or (rest[0], time.monotonic())
            word, *rest = read(self._watcher)
        if word == "end" and not self._ended:
            _end(rest[0])


def _start(names: list[str]) -> tuple[list[str], int, str]:
    """Start the watcher: the addresses at which other machines may find it, its port, and the secret of the ranks."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", str(watcher.__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    secret = secrets.token_hex(16)
    with process.stdin, process.stdout:
        process.stdin.write(json.dumps([names, secret]) + "\n")
        process.stdin.flush()
        port = int(process.stdout.readline())
    process.returncode = 0  # it outlives this process, and nobody waits for it
    return _own_addresses(), port, secret


def _own_addresses() -> list[str]:
    """Names and addresses of this machine, of which the others can reach at least one.

    What a machine takes its own name for may be an address for itself alone (127.0.1.1), so the name is one of them.
    """
    found = [socket.gethostname()]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outwards:
        outwards.connect(("192.0.2.1", 9))  # sends nothing (RFC 5737: an address of nobody); only chooses the way
        found.append(outwards.getsockname()[0])
    return [*found, "127.0.0.1"]


def _connect(hosts: list[str], port: int) -> socket.socket:
    """A connection to the first of these that answers. OSError of the last one if none does."""
    for host in hosts[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((host, port), timeout=VANISHED / len(hosts))
    return socket.create_connection((hosts[-1], port), timeout=VANISHED)


def _end(code: int) -> None:
    """End this process now; the launcher ends those that are left."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    time.sleep(0.2)  # until what was sent and printed has arrived
    _leave_nothing()
    os._exit(code)


def _leave_nothing() -> None:
    """Delete what MPICH keeps in shared memory, and would where a process ends as it should: else it stays for ever."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        with open("/proc/self/maps", encoding="utf-8") as file:
            names = {line.split(maxsplit=5)[-1].strip() for line in file if "/dev/shm/mpich_shm_" in line}
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(name)


__all__ = ["GRACE", "Watchdog"]
