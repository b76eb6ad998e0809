"""The page of ``minigen watch``: what a server answers, and the page as one file.

Imports: pages, serving, and the files of this room. Read next: ``minigen/pages/static/watch.js``, which shows it.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import minigen
from minigen.dashboard.buckets import buckets
from minigen.dashboard.networks import describe
from minigen.dashboard.table import SPLITS
from minigen.dashboard.watched import Watched
from minigen.pages import array, assemble
from minigen.serving import Refused, Request, Response, Route, Stream

STYLES = ("style.css", "watch.css")
SCRIPTS = (
    "base.js", "arrays.js", "watch_source.js", "watch_scales.js", "watch_series.js", "watch_draw.js", "watch_chart.js",
    "watch_runs.js", "watch_samples.js", "watch_journal.js", "watch_networks.js", "watch.js",
)  # fmt: skip
MOST = 1000  # buckets of a curve: about as many as a page has columns of pixels
KEPT = 2000  # the same of a page that cannot ask again
PICTURES = 16_000_000  # bytes of pictures in such a page
LARGEST = float(np.finfo(np.float32).max)
INTEGERS = ("first", "last", "count", "nan", "above", "below")

Find = Callable[[], Sequence[Watched]]


def curves(watched: Watched, most: int = MOST, low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
    """The curves of a run with steps from `low` to `high`, as JSON: by term, then by split, each as `buckets`."""
    table = watched.table
    table.update()
    found: dict[str, dict[str, Any]] = {}
    for term in table.terms:
        for split in SPLITS:
            value, there = table.splits[split].column(term)
            if there.any():
                step, seconds = (table.splits[split].column(name)[0][there] for name in ("step", "seconds"))
                one = buckets(step, seconds, value[there], most, low, high)
                found.setdefault(term, {})[split] = {name: _packed(name, x) for name, x in one.items()}
    return {"terms": found, "rows": sum(s.rows for s in table.splits.values()), "damaged": table.damaged}


def routes(find: Find) -> dict[str, Route]:
    """What a server answers about the runs that `find` finds; it is asked again and again: runs may be added.

    What `find` raises.
    """
    board = _Board(find)

    def run(request: Request) -> Watched:
        return board.named(request.asked("run"))

    def get_curves(request: Request) -> Any:
        low, high = (_number(request, name, default) for name, default in (("from", -np.inf), ("to", np.inf)))
        return curves(run(request), int(np.clip(_number(request, "most", MOST), 1, 10 * MOST)), low, high)

    def get_picture(request: Request) -> Response:
        try:
            return Response(run(request).picture(request.asked("name")), "image/png")
        except FileNotFoundError as error:
            raise Refused(str(error), 404) from error

    page = _page({"live": True, "minigen": minigen.__version__})
    return {
        "GET /": lambda request: page,
        "GET /curves": get_curves,
        "GET /picture": get_picture,
        "GET /about": lambda request: describe(run(request)),
        "GET /events": lambda request: Stream(board.events()),
    }


def snapshot(runs: Sequence[Watched]) -> str:
    """The page of these runs as they stand now, in one file that asks nobody."""
    shares = PICTURES // max(1, len(runs))
    held = []
    for watched, name in zip(runs, _names(runs)):
        summary = watched.summary() | {"name": name}
        pictures = _pictures(watched, summary["samples"], shares)
        left_out = len(summary["samples"]) - len(pictures)
        summary["samples"] = list(pictures)
        if left_out:
            summary["notes"].append(f"{left_out} of {left_out + len(pictures)} pictures are left out of this file")
        held.append(
            {"summary": summary, "curves": curves(watched, KEPT), "about": describe(watched), "pictures": pictures}
        )
    return _page({"live": False, "minigen": minigen.__version__, "taken": time.time(), "runs": held})


class _Board:
    """The runs by name, and what has changed of them."""

    def __init__(self, find: Find) -> None:
        self.find, self._lock = find, threading.Lock()
        self._runs: dict[str, Watched] = {}
        self._look()

    def _look(self) -> None:
        with self._lock:
            found = {watched.name: watched for watched in self.find()}
            self._runs = {name: self._runs.get(name, watched) for name, watched in found.items()}

    def named(self, name: str) -> Watched:
        """The run of that name. Refused if there is none: a page can ask for these folders only."""
        with self._lock:
            if name in self._runs:
                return self._runs[name]
        raise Refused(f"there is no run {name}", 404)

    def events(self) -> Iterator[Any]:
        """Summaries of all runs, then of those that have changed, with the names of all that are there."""
        known: dict[str, Any] = {}
        while True:
            try:
                self._look()
            except OSError:  # the folder is gone just now
                yield None
                continue
            with self._lock:
                runs = dict(self._runs)
            stamps = {name: watched.stamp() for name, watched in runs.items()}
            changed = [name for name, stamp in stamps.items() if known.get(name) != stamp]
            gone = known.keys() - stamps.keys()
            known = stamps
            if changed or gone:
                yield {"names": list(runs), "changed": [runs[name].summary() for name in changed], "now": time.time()}
            yield None


def _names(runs: Sequence[Watched]) -> list[str]:
    """What a page that is shared calls the runs: as they were given; of absolute paths, the ends."""
    names = [watched.name for watched in runs]
    if not any(map(os.path.isabs, names)):
        return names
    above = os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in names])
    return [os.path.relpath(name, above) for name in names]


def _page(payload: Mapping[str, Any]) -> str:
    return assemble(
        "minigen watch",
        styles=STYLES,
        scripts=SCRIPTS,
        payload=payload,
        body='<main id="page" aria-busy="true"><noscript>This page needs JavaScript.</noscript></main>',
    )


def _pictures(watched: Watched, names: Sequence[str], most: int) -> dict[str, str]:
    """The pictures by name as data: URIs, the newest and others spread over the run, `most` bytes together."""
    sizes = {name: (watched.folder.samples / f"{name}.png").stat().st_size for name in names}
    room = max(1, int(most // (1.4 * max(sizes.values(), default=1))))
    places = np.unique(np.linspace(0, len(names) - 1, min(room, len(names))).round().astype(int))
    found = {}
    for name in (names[i] for i in places if names):
        try:
            found[name] = "data:image/png;base64," + base64.b64encode(watched.picture(name)).decode()
        except OSError:  # it is no PNG, or gone
            continue
    return found


def _number(request: Request, name: str, default: float) -> float:
    text = request.asked(name, repr(default))
    try:
        found = float(text)
    except ValueError:
        found = np.nan
    if np.isnan(found):
        raise Refused(f"{name} is {text!r}, no number")
    return found


def _packed(name: str, x: Any) -> dict[str, Any]:
    """As types that JavaScript has; a number beyond float32 becomes its largest."""
    return array(x.astype(np.int32) if name in INTEGERS else np.clip(x, -LARGEST, LARGEST).astype(np.float32))
