"""Run the chapters of the guide, and hold what they show to what their code does.

    python docs/make/guide.py                # all chapters, checked
    python docs/make/guide.py 7              # chapter 7
    python docs/make/guide.py 7 --write      # write what its blocks print, and its pictures, into docs/guide

A chapter's blocks run top to bottom in one process and one namespace, in an empty folder, on one thread, without a
display. What a block prints has to be the ``text`` fence right after it, where ``...`` stands for anything. A picture
``images/NAME`` is the file NAME that the code has made. ``chapter.py`` says what else a chapter has to have. Exit code
0: all holds; 1: a fault, each with file, line, what was wanted and what came.

Imports: markdown-it-py, Pillow, minigen in the process of a chapter. Read next: ``chapter.py``, ``chapter_process.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, which has files with the names of packages
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from docs.make.chapter import (
    RUN,
    Chapter,
    Fault,
    chapters,
    faults_of_excerpts,
    faults_of_form,
    faults_of_lines,
    find,
    read,
)
from docs.make.formulas import faults_of_formulas
from docs.make.names import UnknownNameError, source_of, unknown_command
from minigen.atomic import write_atomically

ROOT = Path(__file__).resolve().parents[2]
NEAR, SHADE = 4, 64  # pixels that a picture may lie apart; how much of 255 a pixel may differ
PATIENCE = 900  # seconds of the wall clock for a chapter, whose kernels may have to be compiled


@dataclass(frozen=True)
class Outcome:
    """What a block did."""

    printed: str
    error: str | None
    seconds: float


def run(chapter: Chapter, folder: Path) -> list[Outcome]:
    """Run the blocks of a chapter in a folder, up to the first that fails."""
    blocks = [
        {"language": fence.language, "code": fence.code, "line": fence.line, "page": chapter.path.name}
        for fence in chapter.fences
        if fence.language in RUN
    ]
    with tempfile.TemporaryDirectory() as exchange:
        asked, answered = Path(exchange) / "blocks.json", Path(exchange) / "outcomes"
        asked.write_text(json.dumps(blocks), encoding="utf-8")
        answered.touch()
        command = [sys.executable, str(Path(__file__).with_name("chapter_process.py")), str(asked), str(answered)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            ended = f"the process ended with code {done.returncode}\n{done.stderr}"
        except subprocess.TimeoutExpired:
            ended = f"the chapter ran for more than {PATIENCE} s"
        outcomes = [Outcome(**json.loads(line)) for line in answered.read_text(encoding="utf-8").splitlines()]
    if len(outcomes) < len(blocks) and not (outcomes and outcomes[-1].error):
        outcomes.append(Outcome("", ended, 0.0))
    return outcomes


def _environment() -> dict[str, str]:
    """One thread, no display, no data but what is built in, minigen from this checkout."""
    kept = {key: value for key, value in os.environ.items() if key != "MINIGEN_DATA" and not key.startswith("PYTHON")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    plain = {"MPLBACKEND": "Agg", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
    return {**kept, **threads, **plain, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"}


def check(path: Path, write: bool = False) -> tuple[list[Fault], float]:
    """The faults of a chapter, and its seconds of processor time. With `write`, outputs and pictures are brought up to
    date first.
    """
    chapter = read(path)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(chapter, Path(folder))
        if write:
            write_outputs(chapter, outcomes)
            chapter = read(path)
        faults = faults_of_outputs(chapter, outcomes) + faults_of_pictures(chapter, Path(folder), write)
    faults += faults_of_form(chapter) + faults_of_excerpts(chapter) + faults_of_names(chapter)
    faults += faults_of_formulas(chapter) + faults_of_lines(chapter)
    return sorted(faults, key=lambda fault: fault.line), sum(outcome.seconds for outcome in outcomes)


def faults_of_outputs(chapter: Chapter, outcomes: list[Outcome]) -> list[Fault]:
    """Blocks that raise, or print something else than the page shows."""
    faults = []
    for fence, outcome in zip([fence for fence in chapter.fences if fence.language in RUN], outcomes, strict=False):
        wanted = fence.shown.code if fence.shown else ""
        machine = re.search(r"\S*site-packages\S*|(?<![\w.])/(?:home|root|tmp|usr|Users|work)/\S*", wanted)
        if machine:
            faults.append(Fault(chapter.path, fence.line, f"what is shown names a folder of one machine: {machine[0]}"))
        if outcome.error is not None:
            faults.append(Fault(chapter.path, fence.line, f"the block failed:\n{outcome.error.rstrip()}"))
        elif not agree(wanted, outcome.printed):
            if fence.shown is None:
                message = f"the block prints this, and no text fence follows it:\n{outcome.printed.rstrip()}"
            else:
                message = f"the page shows\n{wanted.rstrip()}\nbut the block prints\n{outcome.printed.rstrip()}"
            faults.append(Fault(chapter.path, fence.shown.line if fence.shown else fence.line, message))
    return faults


def agree(shown: str, printed: str) -> bool:
    """Is this what was printed? ``...`` stands for anything; blanks at the ends of lines do not count."""
    pattern = ".*?".join(re.escape(part) for part in _stripped(shown).split("..."))
    return re.fullmatch(pattern, _stripped(printed), re.S) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def write_outputs(chapter: Chapter, outcomes: list[Outcome]) -> None:
    """Put what the blocks printed into the page, where it does not agree already."""
    lines = list(chapter.lines)
    ran = [fence for fence in chapter.fences if fence.language in RUN]
    for fence, outcome in reversed(list(zip(ran, outcomes, strict=False))):
        shown, printed = fence.shown, _stripped(outcome.printed)
        if outcome.error is None and not agree(shown.code if shown else "", printed):
            start, end = (fence.end - 1, shown.end - 1) if shown else (fence.end - 1, fence.end - 1)
            mark = "````" if "```" in printed else "```"
            lines[start:end] = ["", f"{mark}text", *printed.split("\n"), mark] if printed else []
    text = "\n".join(lines).rstrip("\n") + "\n"
    if lines != chapter.lines:
        write_atomically(chapter.path, text.encode())


def faults_of_pictures(chapter: Chapter, folder: Path, write: bool = False) -> list[Fault]:
    """Pictures that the code did not make, that differ from what it made, or whose text says nothing."""
    faults = []
    for line, address, text in chapter.pictures:
        kept, made = chapter.path.parent / address, folder / Path(address).name
        if address != f"images/{Path(address).name}" or not made.is_file():
            message = f"no block has made {Path(address).name}; a picture is images/NAME, and the code saves NAME"
            faults.append(Fault(chapter.path, line, message))
            continue
        if len(text.split()) < 3:
            faults.append(Fault(chapter.path, line, f"the text of {address} is {text!r}; wanted what is seen there"))
        message = "it is not there" if not kept.is_file() else difference(kept, made)
        if message and write:
            kept.parent.mkdir(exist_ok=True)
            write_atomically(kept, made.read_bytes())
        elif message:
            again = f"python docs/make/guide.py {chapter.path.name[:2]} --write"
            faults.append(Fault(chapter.path, line, f"{address} is not what the code makes: {message}; {again}"))
    return faults


def difference(kept: Path, made: Path) -> str | None:
    """How two pictures differ, or None. Of a PNG, what is drawn may lie up to `NEAR` pixels apart: another version of
    matplotlib sets letters and margins so. What has no like in the other picture so near is a difference.
    """
    if kept.suffix == ".svg":
        same = kept.read_text(encoding="utf-8") == made.read_text(encoding="utf-8")
        return None if same else "another text"
    with Image.open(kept) as first, Image.open(made) as second:
        if max(abs(a - b) for a, b in zip(first.size, second.size)) > NEAR:
            return f"{first.size} pixels, wanted {second.size}"
        W, H = map(min, first.size, second.size)
        pictures = [np.asarray(image.convert("RGB"), np.int16)[:H, :W] for image in (first, second)]
    apart = np.maximum(_beyond(*pictures), _beyond(*reversed(pictures)))
    share = float((apart > SHADE).mean())
    if share > 0.001:
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        return f"{100 * share:.1f} % of its pixels, such as x {column}, y {row}"
    return None


def _beyond(picture: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far each pixel is from the range of those of the other picture around it, (H, W, 3) to (H, W)."""
    low, high = other, other
    for axis in (0, 1):
        margins = [(NEAR, NEAR) if k == axis else (0, 0) for k in range(3)]
        low, high = (np.pad(array, margins, mode="edge") for array in (low, high))
        low = np.lib.stride_tricks.sliding_window_view(low, 2 * NEAR + 1, axis).min(-1)
        high = np.lib.stride_tricks.sliding_window_view(high, 2 * NEAR + 1, axis).max(-1)
    return np.maximum(low - picture, picture - high).max(axis=2)


def faults_of_names(chapter: Chapter) -> list[Fault]:
    """Inline code that names an object or a file of this repository, or a command, which is not there."""
    faults = []
    for line, code in chapter.codes:
        try:
            source_of(code)
            message = unknown_command(code)
        except UnknownNameError as error:
            message = str(error)
        if message:
            faults.append(Fault(chapter.path, line, message))
    return faults


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="guide.py", description=str(__doc__).split("\n")[0])
    parser.add_argument("chapters", nargs="*", help="numbers of chapters, or files; all without one")
    parser.add_argument("--write", action="store_true", help="write outputs and pictures into the chapter first")
    parser.add_argument("--check", action="store_true", help="compare only (what it does without --write)")
    given = parser.parse_args(words)
    found = 0
    for path in [find(word) for word in given.chapters] or chapters():
        found += report(path, *check(path, given.write and not given.check))
    return 1 if found else 0


def report(path: Path, faults: list[Fault], seconds: float) -> int:
    """Say what was found in a chapter; the number of its faults."""
    print(f"{path.name}: {len(faults) or 'no'} fault{'' if len(faults) == 1 else 's'}, {seconds:.1f} s")
    print("".join(f"{fault}\n" for fault in faults), end="", flush=True)
    return len(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
