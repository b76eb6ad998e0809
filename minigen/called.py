"""Which public operation, loss or layer was called: the name under which an error from deep inside is reported.

Only errors ask for it, so that no call pays for a name that it does not need.

Imports: nothing. Read next: ``names.py``.
"""

from __future__ import annotations

import sys
from types import FrameType

#: The parts of minigen that calls run through, and where each has its public functions.
_ROOMS = {
    "autograd": "minigen.ops",
    "ops": "minigen.ops",
    "losses": "minigen.losses",
    "nn": "minigen.nn.init",
    "shapes": "",
}


def called(default: str) -> str:
    """The name of what was called from outside: the nearest layer, else the outermost public function of a room."""
    frame: FrameType | None = sys._getframe(1)
    name = default
    while frame is not None:
        package, _, rest = str(frame.f_globals.get("__name__", "")).partition(".")
        room = rest.partition(".")[0]
        if package != "minigen" or room not in _ROOMS:
            break
        if room == "nn" and "self" in frame.f_locals:
            return type(frame.f_locals["self"]).__name__
        if _is_public(frame, _ROOMS[room]):
            name = frame.f_code.co_name
        frame = frame.f_back
    return name


def _is_public(frame: FrameType, room: str) -> bool:
    """Does the room export the function that runs in this frame?"""
    function = getattr(sys.modules.get(room), "__dict__", {}).get(frame.f_code.co_name)
    return getattr(function, "__code__", None) is frame.f_code
