"""Who else is told how a training goes: TensorBoard, or a logger of the user's. Nothing rests on it.

Read next: ``logger.py``, then ``tensorboard.py``; for users, ``docs/watching.md``.
"""

from minigen.watching.event_file import cut_events
from minigen.watching.logger import Logger, Loggers
from minigen.watching.tensorboard import TensorBoard, why_not

__all__ = ["Logger", "Loggers", "TensorBoard", "cut_events", "why_not"]
