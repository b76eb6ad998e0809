"""The page of a run as HTML: which scripts it consists of, and its data.

Imports: pages, payload, networks, program. Read next: ``payload.py``, ``minigen/pages/static/base.js``.
"""

from __future__ import annotations

import html as text
from collections.abc import Callable, Mapping
from typing import Any

from minigen.algorithms.options import ConfigError
from minigen.data.toys import TOYS
from minigen.explore.networks import Network, compute, networks_of
from minigen.explore.payload import payload_of
from minigen.explore.programs import programs_of
from minigen.explore.wire import pack, unpack
from minigen.pages import assemble
from minigen.pages.assemble import STATIC
from minigen.runs.trained import Trained
from minigen.serving import Request, Response

STYLES = ("style.css", "explore.css", "play.css")
SCRIPTS = (
    "base.js", "arrays.js", "images.js", "engine_server.js", "engine_local.js", "model.js", "charts.js", "page.js",
    "nearest.js", "stage.js", "map_view.js", "map_tiles.js", "between.js", "sketch.js", "controls.js", "prior.js",
    "score.js", "paint.js", "corrupt.js",
)  # fmt: skip
#: One panel each, in the order of the page.
PANELS = (
    "panel_map.js", "panel_codes.js", "panel_denoise.js", "panel_walk.js", "panel_samples.js", "panel_sliders.js",
    "panel_factors.js", "panel_strips.js", "panel_between.js", "panel_mine.js",
)  # fmt: skip
#: What computes networks, in a Web Worker.
FORWARD = tuple(sorted(path.name for path in STATIC.glob("forward*.js")))


def html(run: Trained) -> str:
    """The page as one file, which computes the networks itself.

    ConfigError: the model makes no images from codes and rebuilds none, or its networks cannot be computed in a page.
    What `Trained.images` raises, if there are no test images.
    """
    networks = _shown(run)
    return _page(run, networks, {"programs": programs_of(run, networks)})


def routes(run: Trained) -> dict[str, Callable[[Request], Any]]:
    """What a server answers: the page, and what networks make of arrays. Errors as in `html`."""
    networks = _shown(run)
    page = _page(run, networks, {})

    def answer(request: Request) -> Response:
        made = compute(networks, request.asked("part"), unpack(request.body))
        return Response(pack(made), "application/octet-stream")

    return {"GET /": lambda request: page, "POST /run": answer}


def _shown(run: Trained) -> dict[str, Network]:
    """The networks of the page. ConfigError if there is nothing to show."""
    if run.config["dataset"] in TOYS:
        raise ConfigError(
            f"{run.config['dataset']} holds points of the plane, and a page shows images: minigen sample draws points"
        )
    networks = networks_of(run)
    if not networks.keys() & {"decoder", "generator", "reconstruct"}:
        raise ConfigError(
            f"{run.recipe.name} neither makes images from codes nor rebuilds images: there is nothing to explore"
        )
    return networks


def _page(run: Trained, networks: Mapping[str, Network], more: dict[str, Any]) -> str:
    payload = payload_of(run, networks)
    title = f"{payload['run']['model']} on {payload['run']['data']}"
    return assemble(
        f"{title} - minigen explore",
        styles=STYLES,
        scripts=(*SCRIPTS, *PANELS, "start.js"),
        payload=payload | more,
        body=f'<main id="page" aria-busy="true"><noscript>{text.escape(title)} needs JavaScript.</noscript></main>',
        texts={"forward-source": FORWARD} if "programs" in more else {},
    )
