"""The doctor: names what is wrong with a model in training, with evidence and one remedy. It changes nothing.

Read next: ``examine.py``, then ``diseases.py``; for readers, ``docs/doctor.md``.
"""

from minigen.training.doctor.diseases import Finding
from minigen.training.doctor.examine import Checkup, examine
from minigen.training.doctor.visit import Doctor

__all__ = ["Checkup", "Doctor", "Finding", "examine"]
