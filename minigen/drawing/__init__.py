"""The graph of a result as a picture (SVG) and as a table: `draw`.

Read ``drawing.py`` first.
"""

from minigen.drawing.drawing import draw
from minigen.drawing.picture import Drawing

__all__ = ["Drawing", "draw"]
