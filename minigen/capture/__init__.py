"""One whole step of training as a CUDA graph, `capture`. Read ``step.py`` first.

A launch costs the host 5 to 10 us, and a small model's step is hundreds of them: its time is that of Python, not of the
device. A graph is recorded once and launched as a whole.
"""

from minigen.capture.step import CapturedStep, capture

__all__ = ["CapturedStep", "capture"]
