"""Which chapters have exercises, and these exercises: found by the names of the files beside this one.

Imports: exercise, algorithms.options. Read next: ``answers.py``.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import NamedTuple

from minigen.algorithms.options import ConfigError
from minigen.exercises.exercise import Exercise


class Chapter(NamedTuple):
    """The exercises of a chapter of the guide."""

    number: int
    title: str
    exercises: tuple[Exercise, ...]


def numbers() -> list[int]:
    """Of the chapters that have exercises."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(int(name.removeprefix("chapter_")) for name in names if name.startswith("chapter_"))


def chapter(number: int) -> Chapter:
    """The chapter of this number. ConfigError if there is none."""
    if number not in numbers():
        raise ConfigError(f"there is no chapter {number} with exercises; there are {', '.join(map(str, numbers()))}")
    module = importlib.import_module(f"minigen.exercises.chapter_{number:02}")  # one chapter, when it is asked for
    return Chapter(number, module.TITLE, module.EXERCISES)


def wanted(text: str) -> tuple[Chapter, tuple[Exercise, ...]]:
    """What "7" or "7.2" names: the chapter, and all of its exercises or that one. ConfigError for anything else."""
    whole, _, part = text.partition(".")
    if not whole.isdecimal() or ("." in text and not part.isdecimal()):
        raise ConfigError(f"{text!r} is no exercise: write the number of a chapter, 2, or of an exercise, 2.1")
    found = chapter(int(whole))
    if not part:
        return found, found.exercises
    exercises = tuple(exercise for exercise in found.exercises if exercise.number == f"{int(whole)}.{int(part)}")
    if not exercises:
        raise ConfigError(f"chapter {found.number} has the exercises {', '.join(e.number for e in found.exercises)}")
    return found, exercises
