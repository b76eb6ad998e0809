"""One HTML file from style sheets, scripts and data: `assemble`.

Imports: nothing of minigen. Read next: ``arrays.py``, ``static/base.js``.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"

#: Nothing from elsewhere: scripts and styles of this file, workers and pictures that it makes, the server it came from.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src blob:; connect-src 'self' data: blob:"
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="minigen">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{styles}
</style>
</head>
<body>
{body}
{texts}
<script type="application/json" id="payload">{payload}</script>
{scripts}
</body>
</html>
"""


def assemble(
    title: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    payload: Mapping[str, Any],
    body: str = "",
    texts: Mapping[str, Sequence[str]] = {},  # noqa: B006 - it is not changed
) -> str:
    """The page as HTML. `styles`, `scripts` and those of `texts` are names of files in ``static/``, in their order.

    `payload` becomes the JSON text of the element #payload, `body` stands before the scripts, and each of `texts` is
    scripts that do not run but are the text of an element of that id, for a Web Worker.
    """
    held = "\n".join(
        f'<script type="text/plain" id="{name}">\n{_script(*files)}\n</script>' for name, files in texts.items()
    )
    return PAGE.format(
        policy=POLICY,
        title=html.escape(title),
        styles="\n".join(_read(name) for name in styles),
        body=body,
        texts=held,
        payload=_json(payload),
        scripts="\n".join(f"<script>\n{_script(name)}\n</script>" for name in scripts),
    )


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _script(*names: str) -> str:
    """The text of scripts. ValueError where it would end its own element."""
    text = "\n".join(_read(name) for name in names)
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError(f"{', '.join(names)}: a script in a page must not contain </script or <!--")
    return text


def _json(payload: Mapping[str, Any]) -> str:
    """JSON that cannot end its element, whatever names of classes or files it holds. ValueError for NaN."""
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")
