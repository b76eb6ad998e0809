"""The reader's file: how it begins, how it is run, and what is said of each answer in it.

It is the reader's own code, run in this process. Whatever it does - it has no such function, it raises, it never ends -
becomes one message with the line. Only Ctrl-C ends it at once.

Imports: exercise, autograd, gradcheck, algorithms. Read next: ``chapter_01.py``.
"""

from __future__ import annotations

import _thread
import ast
import contextlib
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np

from minigen.algorithms.user_code import UserCodeError, load_file, own_lines
from minigen.exercises.exercise import Exercise, Mistake
from minigen.gradcheck import GradientMismatch

SECONDS = 120.0  # of processor time; no right answer comes near, even where its kernels have to be compiled

Verdict = Literal["right", "wrong", "open"]


class Outcome(NamedTuple):
    """What became of an answer. "open": there is none yet, or the file cannot be read. `text`: why, and where."""

    verdict: Verdict
    text: str = ""


class Answers:
    """A reader's file, loaded once; `check` may then be called for each exercise.

    ConfigError if there is no such file; UserCodeError, with the line, if it is no Python or raises while it is loaded.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            with np.errstate(all="ignore"), limited(SECONDS):
                self.module: ModuleType = load_file(Path(path))
        except TimeoutError as error:
            raise UserCodeError(f"the import of {path}", error) from error
        tree = ast.parse(Path(path).read_bytes())
        kinds = (ast.FunctionDef, ast.ClassDef)
        self._nodes = {
            node.name: node for node in tree.body if isinstance(node, kinds)
        }  # of two the last, as in Python

    def check(self, exercise: Exercise) -> Outcome:
        """Is the answer to this exercise right?"""
        for name in exercise.names:
            if not hasattr(self.module, name):
                return Outcome("open", f"{self.name} defines no {name}; it begins: {_first_line(exercise, name)}")
            line = _line_left(self._nodes[name]) if name in self._nodes else None
            if line is not None:
                return Outcome("open", f"{name} is not written yet: there is still `...` in {self.name}, line {line}")
        try:
            with np.errstate(all="ignore"), limited(SECONDS):
                exercise.check(self.module)
        except (Mistake, GradientMismatch) as mistake:
            return Outcome("wrong", f"{mistake}\n{self._place(exercise)}")
        except KeyboardInterrupt:
            raise
        except RecursionError as error:
            return Outcome("wrong", f"it calls itself without end\n{self._line(error, exercise)}")
        except (Exception, SystemExit) as error:
            return Outcome("wrong", f"{_words(error)}\n{self._line(error, exercise)}")
        return Outcome("right")

    def _place(self, exercise: Exercise) -> str:
        """Where what the exercise asks for is defined."""
        places = [f"{name} in line {self._nodes[name].lineno}" for name in exercise.names if name in self._nodes]
        return f"({self.name}: {', '.join(places)})" if places else f"({self.name})"

    def _line(self, error: BaseException, exercise: Exercise) -> str:
        """The line of the reader's that raised, or else where the answer is defined: it returned what is of no use."""
        lines = [line.strip() for line in own_lines(error)[-2:]]
        if not lines:
            return f"while its result was used {self._place(exercise)}"
        return f"({': '.join(lines)})"


def why_not_loaded(error: UserCodeError) -> str:
    """What to say of a file that could not be loaded: the error, and the last line of the reader's on the way."""
    lines = [line.strip() for line in own_lines(error.error)[-2:]]
    return _words(error.error) + (f" ({': '.join(lines)})" if lines else "")


def _words(error: BaseException) -> str:
    """The exception in a line."""
    if isinstance(error, SystemExit):
        return "it ends the program"
    return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}".rstrip(": ")


def start_file(what: str, exercises: Sequence[Exercise], path: str) -> str:
    """A file to fill in: of each exercise the task in comments, and the code. Imports stand at the top, once.

    `what` is "7" or "7.2", as it was asked for; `path`: what the file will be called.
    """
    imports: list[str] = []
    parts: list[str] = []
    for exercise in exercises:
        lines = exercise.start.strip("\n").splitlines()
        for node in ast.parse(exercise.start).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for i in range(node.lineno - 1, node.end_lineno or node.lineno):
                    imports += [lines[i]] if lines[i] not in imports else []
                    lines[i] = ""
        task = [f"# {line}".rstrip() for line in exercise.task.strip().splitlines()]
        body = "\n".join(lines).strip("\n")
        parts.append("\n".join([f"# {exercise.number} {exercise.title}", "#", *task, "\n", body]))
    head = (
        f"# Exercise {what} of the guide. To check the answers: minigen exercise {what} {shlex.quote(Path(path).name)}"
    )
    return "\n\n\n".join(["\n".join([head, *([""] if imports else []), *imports]), *parts]) + "\n"


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """TimeoutError, raised at the line that is just running, if what is inside takes more processor time than that."""
    start, over, lock, late = time.process_time(), threading.Event(), threading.Lock(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            if time.process_time() - start > seconds:
                with lock:
                    if not over.is_set():
                        late.set()
                        _thread.interrupt_main()
                return

    thread = threading.Thread(target=watch, daemon=True)
    try:
        thread.start()
        try:
            yield
        finally:
            with lock:
                over.set()
    except KeyboardInterrupt as error:
        if not late.is_set():
            raise
        raise TimeoutError(f"it was still running after {seconds:.0f} s") from error


def _line_left(node: ast.AST) -> int | None:
    """The line of the first `...` in a definition that is not an index, as in x[..., 0]."""
    if isinstance(node, ast.Constant) and node.value is ...:
        return node.lineno
    found = (_line_left(child) for child in ast.iter_child_nodes(node) if not isinstance(node, ast.Subscript))
    return next((line for line in found if line is not None), None)


def _first_line(exercise: Exercise, name: str) -> str:
    """The line with which the start code defines this name."""
    lines = exercise.start.splitlines()
    return next(lines[node.lineno - 1].strip() for node in ast.parse(exercise.start).body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name)  # fmt: skip
