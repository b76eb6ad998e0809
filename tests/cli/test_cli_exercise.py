"""``minigen exercise``: the list, the tasks, a file to fill in, and one clear message for each thing that goes wrong.

Read next: ``tests/exercises/test_exercises.py``, which has right and wrong answers to all of them.
"""

import shutil
from pathlib import Path

import pytest

from minigen.exercises import answers
from minigen.exercises.chapters import numbers

RIGHT = Path(__file__).parents[1] / "exercises" / "answers" / "chapter_01.py"

#: What `has_kink` may be instead of an answer to 1.3, and what is said: the code, the verdict, the words, the line.
ANSWERS = {
    "def has_kink(f, x):\n    return abs(f(x)) > 1": ("wrong", "has_kink(f, 0) is False for f(x) = max(x, 0)", 1),
    "def has_kink(f, x):\n    return 1 / 0": ("wrong", "ZeroDivisionError: division by zero", 2),
    "def has_kink(f, x):\n    return has_kink(f, x)": ("wrong", "it calls itself without end", 2),
    "def has_kink(f):\n    return True": ("wrong", "TypeError: has_kink() takes 1 positional argument but 2", 1),
    "def has_kink(f, x):\n    exit(3)": ("wrong", "it ends the program", 2),
    "def has_kink(f, x):\n    while True: x += 1": ("wrong", "TimeoutError: it was still running", 2),
    "def has_kink(f, x):\n    '''...'''\n    if x:\n        return ...": ("open", "has_kink is not written yet", 4),
    "def kink(f, x):\n    return True": ("open", "it begins: def has_kink(f, x):", None),
    "has_kink = 3": ("wrong", "TypeError: 'int' object is not callable", None),
}  # fmt: skip

#: Files that cannot be run, and what is said.
FILES = {
    "def f(:\n    pass": "answers.py cannot be run: SyntaxError: invalid syntax (answers.py, line 1: def f(:)",
    "import nowhere": "answers.py cannot be run: ModuleNotFoundError: No module named 'nowhere' (answers.py, line 1: "
                      "import nowhere)",
    "x = 1\nexit()": "answers.py cannot be run: it ends the program (answers.py, line 2: exit())",
    "while True: x = 1": "answers.py cannot be run: TimeoutError: it was still running after ",
}  # fmt: skip

#: Words that lead to no check.
WRONG = {
    ("99",): "there is no chapter 99 with exercises; there are 1",
    ("1.9",): "chapter 1 has the exercises 1.1, 1.2, 1.3",
    ("one",): "'one' is no exercise: write the number of a chapter, 2, or of an exercise, 2.1",
    ("1.",): "'1.' is no exercise",
    ("1", "there.txt"): "there.txt is no Python file",
    (
        "1",
        "answer.py",
    ): "there is no file answer.py. Did you mean 'answers.py'? To begin one: minigen exercise 1 --start answer.py",
    ("1", "x.py"): "there is no file x.py. To begin one: minigen exercise 1 --start x.py",
    ("1", "."): ". is a folder; give the path of a Python file",
    ("--start", "a.py"): "--start: of which chapter?",
    ("1", "a.py", "--start", "b.py"): "a.py is to be checked, b.py to be written: give one of the two",
    ("1", "--start", "b"): "--start b: take a name that ends in .py",
    ("1", "--start", "no/b.py"): "--start no/b.py: there is no folder no",
}


def test_the_list(minigen):
    result = minigen("exercise")
    assert result.code == 0
    assert result.out.startswith("1. A derivative by hand, and numerically\n   1.1 By hand\n")
    assert result.out.count("\n") == 4 * len(numbers()) + 2


def test_the_tasks(minigen):
    chapter, one = minigen("exercise", "1"), minigen("exercise", "1.3")
    assert (chapter.code, one.code) == (0, 0)
    assert "1.1 By hand\n\nFind by hand" in chapter.out and "    def derivative(x):\n" in chapter.out
    assert "1.3 Find the kink\n" in one.out and "derivative(x)" not in one.out
    assert one.out.endswith("next: minigen exercise 1.3 --start answers.py\n")


def test_a_file_to_fill_in_is_written_once(minigen):
    result = minigen("exercise", "1", "--start", "answers.py")
    assert (result.code, result.err) == (0, "") and "minigen exercise 1 answers.py" in result.out
    text = Path("answers.py").read_text(encoding="utf-8")
    assert text.count("import numpy as np") == 1 and "# 1.3 Find the kink\n#\n# Write `has_kink(f, x)`" in text
    checked = minigen("exercise", "1", "answers.py")
    assert checked.code == 2 and checked.out.count("open\n") == 3 and checked.out.endswith("0 of 3 right\n")
    line = text.splitlines().index("def derivative(x):") + 3
    assert f"derivative is not written yet: there is still `...` in answers.py, line {line}\n" in checked.out
    Path("answers.py").write_text("mine", encoding="utf-8")
    again = minigen("exercise", "1", "--start", "answers.py")
    assert again.code == 2 and "there is a file of this name, which is kept" in again.err
    assert Path("answers.py").read_text(encoding="utf-8") == "mine"


def test_right_answers(minigen):
    shutil.copy(RIGHT, "answers.py")
    result = minigen("exercise", "1", "answers.py")
    assert (result.code, result.err) == (0, "") and result.out.endswith("3 of 3 right\n")
    assert minigen("exercise", "1.2", "answers.py").out == "1.2 The best step for a second derivative  right\n"
    Path("answers.py").write_text(RIGHT.read_text(encoding="utf-8").replace("has_kink", "kink"), encoding="utf-8")
    assert minigen("exercise", "1", "answers.py").code == 1  # not finished


@pytest.mark.parametrize("source", ANSWERS)
def test_one_message_with_the_line(minigen, monkeypatch, source):
    monkeypatch.setattr(answers, "SECONDS", 0.3)
    verdict, words, line = ANSWERS[source]
    Path("answers.py").write_text(source, encoding="utf-8")
    result = minigen("exercise", "1.3", "answers.py")
    assert (result.code, result.err) == (1 if verdict == "wrong" else 2, "")
    assert result.out.startswith(f"1.3 Find the kink  {verdict}\n") and words in result.out
    assert result.out.count("\n") <= 3 and "answers.py" in result.out
    assert line is None or f"line {line}" in result.out


@pytest.mark.parametrize("source", FILES)
def test_a_file_that_cannot_be_run(minigen, monkeypatch, source):
    monkeypatch.setattr(answers, "SECONDS", 0.3)
    Path("answers.py").write_text(source, encoding="utf-8")
    result = minigen("exercise", "1", "answers.py")
    assert (result.code, result.out) == (2, "") and result.err.count("\n") == 1 and FILES[source] in result.err


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words(minigen, words):
    for name in ("answers.py", "there.txt"):
        Path(name).touch()
    result = minigen("exercise", *words)
    assert (result.code, result.out) == (2, "") and result.err.count("\n") == 1
    assert result.err.startswith("minigen: error: ") and WRONG[words] in result.err


def test_ctrl_c(minigen):
    Path("answers.py").write_text("def derivative(x):\n    raise KeyboardInterrupt", encoding="utf-8")
    result = minigen("exercise", "1.1", "answers.py")
    assert (result.code, result.out, result.err.strip()) == (130, "", "minigen: interrupted")


def test_not_a_number_and_what_the_file_prints(minigen):
    source = "import numpy as np\nprint('mine')\ndef derivative(x):\n    return x / (x - x)"
    Path("answers.py").write_text(source, encoding="utf-8")
    result = minigen("exercise", "1.1", "answers.py")
    assert (result.code, result.err) == (1, "")
    assert result.out == (
        "mine\n1.1 By hand  wrong\n    derivative(np.array([0.0])) is nan at [0], wanted 0.5\n"
        "    (answers.py: derivative in line 3)\n"
    )
