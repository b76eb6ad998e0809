"""The doctor: diagnoses a model in training, with evidence and one remedy. It changes nothing.

Read next: ``examine.py``, then ``diseases.py``; for readers, ``docs/doctor.md``.
"""

from minigen.doctor.diseases import Finding
from minigen.doctor.examine import Checkup, examine
from minigen.doctor.schedule import Doctor

__all__ = ["Checkup", "Doctor", "Finding", "examine"]
