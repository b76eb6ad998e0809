"""Every exercise of the guide: the right answer passes, each wrong one is located, the task is the chapter's text.

A chapter is found by its file in ``minigen/exercises/``. It has right answers in ``answers/`` and wrong ones in
``wrong/`` beside this file, of the same name.

Read next: ``answers/chapter_01.py``, ``wrong/chapter_01.py``.
"""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

from minigen.exercises.answers import Answers, start_file
from minigen.exercises.chapters import chapter, numbers
from minigen.exercises.exercise import Exercise

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "guide"

each_chapter = pytest.mark.parametrize("number", numbers())


def wrong_answers(number: int) -> list[tuple[str, str, str]]:
    """(number of the exercise, the reader's file, a part of the message)."""
    return list(runpy.run_path(str(HERE / "wrong" / f"chapter_{number:02}.py"))["WRONG"])


def exercise_of(number: str) -> Exercise:
    (found,) = (e for e in chapter(int(number.partition(".")[0])).exercises if e.number == number)
    return found


@each_chapter
def test_the_right_answers_pass(number: int) -> None:
    answers = Answers(str(HERE / "answers" / f"chapter_{number:02}.py"))
    assert {e.number: answers.check(e) for e in chapter(number).exercises} == {
        e.number: ("right", "") for e in chapter(number).exercises
    }


CASES = [(number, i, *case) for number in numbers() for i, case in enumerate(wrong_answers(number))]


@pytest.mark.parametrize(
    ("number", "source", "said"), [case[2:] for case in CASES], ids=[f"{case[2]}-{case[1]}" for case in CASES]
)
def test_a_wrong_answer_is_located(number: str, source: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.py"
    file.write_text(source + "\n", encoding="utf-8")
    outcome = Answers(str(file)).check(exercise_of(number))
    assert outcome.verdict == "wrong" and len(said) > 3 and said in outcome.text, outcome.text
    assert "line " in outcome.text


@each_chapter
def test_each_exercise_has_two_wrong_answers(number: int) -> None:
    count = [case[0] for case in wrong_answers(number)]
    assert {e.number: count.count(e.number) >= 2 for e in chapter(number).exercises} == {
        e.number: True for e in chapter(number).exercises
    }


@each_chapter
def test_the_start_code_runs_and_is_no_answer(number: int, tmp_path: Path) -> None:
    file = tmp_path / "answers.py"
    exercises = chapter(number).exercises
    file.write_text(start_file(str(number), exercises, "answers.py"), encoding="utf-8")
    answers = Answers(str(file))
    for exercise in exercises:
        assert exercise.names and not ast.get_docstring(ast.parse(exercise.start))
        assert answers.check(exercise).verdict == "open"


@each_chapter
def test_the_chapter_has_these_tasks(number: int) -> None:
    (page,) = GUIDE.glob(f"{number:02}_*.md")
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {number}. {chapter(number).title}\n")
    part = text.split("\n## Exercises\n")[1].split("\n## ")[0]
    sections = re.findall(r"^### (\S+) (.*)\n((?:(?!###).*\n?)*)", part, re.M)
    exercises = chapter(number).exercises
    assert [e.number for e in exercises] == [f"{number}.{i}" for i in (1, 2, 3)]
    assert [(n, title) for n, title, _ in sections] == [(e.number, e.title) for e in exercises]
    for (_, _, task), exercise in zip(sections, exercises, strict=True):
        assert task.split() == exercise.task.split(), exercise.number  # lines may be broken elsewhere
