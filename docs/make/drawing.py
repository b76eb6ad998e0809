"""Make the pictures of docs/drawing.md: docs/images/drawing_values.svg and drawing_orders.svg.

    python docs/make/drawing.py

A second. ``tests/docs/test_drawing_page.py`` runs the page's examples and holds these pictures to them.

Read next: ``docs/drawing.md``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "drawing.md"
PICTURES = ("drawing_values.svg", "drawing_orders.svg")


def examples() -> list[str]:
    """The examples of the page, in their order."""
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def main() -> None:
    """Run the page's examples, each of which writes its picture, in the folder of pictures."""
    sys.path.insert(0, str(ROOT))
    scope: dict[str, object] = {}
    for example in examples():
        exec(example.replace('path="', f'path="{ROOT.as_posix()}/docs/images/'), scope)
    print(*PICTURES, file=sys.stderr)


if __name__ == "__main__":
    main()
