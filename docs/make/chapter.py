"""A chapter of the guide as its blocks, and what is wrong with its form.

A chapter is a Markdown file ``docs/guide/NN_name.md``. ``python`` and ``sh`` fences are run, and the ``text`` fence
right after one holds what it prints. ``py``, ``cpp`` and ``cuda`` fences are excerpts: the first line is a comment that
names a file of the repository, the rest stands in that file. A fence without a language is neither.

Imports: markdown-it-py. Read next: ``guide.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
WORDS, LAST = 2500, 16  # at most; the number of the last chapter
RUN, EXCERPTS = ("python", "sh"), ("py", "cpp", "cuda")
LANGUAGES = {*RUN, *EXCERPTS, "text", ""}


@dataclass(frozen=True)
class Fault:
    """What is wrong in one line of a chapter, counted from 1."""

    page: Path
    line: int
    message: str

    def __str__(self) -> str:
        shown = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{shown}:{self.line}: {self.message}"


@dataclass
class Fence:
    """A fenced block. `line` is that of its first line of code, `end` the one after the closing fence, both from 1."""

    language: str
    code: str
    line: int
    end: int
    shown: Fence | None = None  # the `text` fence right after it


@dataclass
class Chapter:
    """A page: its fences in order, its pictures, its inline code, its headings, its words."""

    path: Path
    lines: list[str]
    fences: list[Fence] = field(default_factory=list)
    pictures: list[tuple[int, str, str]] = field(default_factory=list)  # line, path, alternative text
    codes: list[tuple[int, str]] = field(default_factory=list)  # line, inline code
    links: list[tuple[int, str]] = field(default_factory=list)  # line, address
    headings: list[tuple[int, int, str]] = field(default_factory=list)  # line, level, text
    words: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def number(self) -> int:
        return int(self.path.name[:2])

    def fault(self, line: int, message: str) -> None:
        self.faults.append(Fault(self.path, line, message))


def chapters(guide: Path = GUIDE) -> list[Path]:
    """The files of all chapters, in order."""
    return sorted(guide.glob("[0-9][0-9]_*.md"))


def find(word: str, guide: Path = GUIDE) -> Path:
    """The chapter of a number ("7", "07") or of a path."""
    found = [path for path in chapters(guide) if path.name.startswith(f"{word:0>2}_")]
    if word.endswith(".md") and Path(word).is_file():
        found = [Path(word).resolve()]
    if len(found) != 1:
        there = ", ".join(path.name for path in chapters(guide)) or "none"
        raise SystemExit(f"guide.py: wanted the number of a chapter or its file, got {word!r}; there are: {there}")
    return found[0]


def read(path: Path) -> Chapter:
    """The chapter in a file. Faults of its fences are noted in it."""
    text = path.read_text(encoding="utf-8")
    chapter = Chapter(path, text.splitlines())
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for place, token in enumerate(tokens):
        if token.type == "fence":
            _fence(chapter, token)
        elif token.type == "inline":
            _inline(chapter, token)
            if tokens[place - 1].type == "heading_open":
                chapter.headings.append((_first(token), int(tokens[place - 1].tag[1]), token.content))
    return chapter


def _first(token: Token) -> int:
    assert token.map is not None
    return token.map[0] + 1


def _fence(chapter: Chapter, token: Token) -> None:
    assert token.map is not None
    fence = Fence(token.info.strip(), token.content, _first(token) + 1, token.map[1] + 1)
    if fence.language not in LANGUAGES:
        wanted = "python or sh (run), text (what was printed), py, cpp or cuda (an excerpt), or none"
        chapter.fault(fence.line - 1, f"a fence of {fence.language!r}; wanted {wanted}")
    if fence.language == "text":
        before = chapter.fences[-1] if chapter.fences else None
        between = chapter.lines[before.end - 1 : fence.line - 2] if before else ["no block"]
        if before is None or before.language not in RUN or any(line.strip() for line in between):
            chapter.fault(fence.line - 1, "a text fence that stands right after no python or sh fence")
        else:
            before.shown = fence
        return
    chapter.fences.append(fence)


def _inline(chapter: Chapter, token: Token) -> None:
    line = _first(token)
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type == "code_inline":
            chapter.codes.append((line, child.content))
        elif child.type == "image":
            chapter.pictures.append((line, str(child.attrGet("src")), child.content))
        elif child.type == "link_open":
            chapter.links.append((line, str(child.attrGet("href"))))
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]+\$", " ", token.content, flags=re.S)
    chapter.words += len(re.findall(r"\w[^\s]*", prose))


def faults_of_form(chapter: Chapter) -> list[Fault]:
    """What every chapter has to have, and this one lacks."""
    chapter = read(chapter.path)
    number, last = chapter.number, len(chapter.lines)
    titles = [(level, text) for _, level, text in chapter.headings]
    if not titles or titles[0][0] != 1 or not titles[0][1].startswith(f"{number}. "):
        chapter.fault(1, f'begins with {titles[0][1] if titles else "no heading"!r}; wanted "# {number}. Title"')
    if not question_of(chapter):
        chapter.fault(1, "asks no question in its first paragraph; a chapter has one")
    if chapter.words > WORDS:
        chapter.fault(1, f"has {chapter.words} words of prose; wanted at most {WORDS}")
    if not chapter.pictures:
        chapter.fault(last, "has no picture; wanted one at least that its code makes")
    exercises = [text for level, text in titles if level == 3 and re.match(rf"{number}\.\d ", text)]
    if [text.split()[0] for text in exercises] != [f"{number}.{k}" for k in (1, 2, 3)]:
        chapter.fault(last, f"has exercises {exercises}; wanted three headings, ### {number}.1 to ### {number}.3")
    for title in ("Exercises", "Terms", "Read in the code"):
        if (2, title) not in titles:
            chapter.fault(last, f'has no heading "## {title}"')
    terms = terms_of(chapter)
    if re.search(r"^\*\*.+\*\* - .*\n(?:.+\n)*?\*\*.+\*\* - ", chapter.text, re.M):
        chapter.fault(last, "two terms run into one paragraph; write them as a list: - **word** - meaning")
    if not 3 <= len(terms) <= 10:
        chapter.fault(last, f"has {len(terms)} terms; wanted 3 to 10 lines `- **word** - meaning.` below ## Terms")
    final = [address for line, address in chapter.links if line >= len(chapter.text.rstrip().splitlines())]
    if number < LAST and not any(address.startswith(f"{number + 1:02}_") for address in final):
        chapter.fault(last, f"has {final or 'no link'} in its last line; wanted one to chapter {number + 1}")
    return chapter.faults


MARK = re.compile(r"(\d+[.)]|[-+*>]|#+)\s")


def faults_of_lines(chapter: Chapter) -> list[Fault]:
    """Lines of prose that Markdown may take for something else: a wrapped line begins with "- " or "2. "."""
    skipped = {k for fence in [*chapter.fences, *(f.shown for f in chapter.fences if f.shown)] for k in _lines(fence)}
    before, in_list, formula = "", False, False
    faults = []
    for number, line in enumerate(chapter.lines, start=1):
        formula ^= line.startswith("$$") and line.count("$$") == 1
        if number in skipped or formula or line.startswith(("|", "$$")):
            before = ""
            continue
        marked = MARK.match(line.lstrip()) is not None and not line.startswith("#")
        if not before.strip():  # a paragraph begins
            in_list = marked or (in_list and line.startswith(" "))
        elif not in_list and before.rstrip().endswith(":"):
            in_list = marked
        elif not in_list and MARK.match(line) and not before.startswith("#"):
            message = f"begins like an item of a list or a heading: {line[:30]!r}; wrap it otherwise"
            faults.append(Fault(chapter.path, number, message))
        if line.startswith(" ") and not in_list and line.strip():
            faults.append(Fault(chapter.path, number, f"prose that is indented: {line[:30]!r}"))
        before = line
    return faults


def _lines(fence: Fence) -> range:
    return range(fence.line - 1, fence.end)


def terms_of(chapter: Chapter) -> list[tuple[str, str]]:
    """The lines ``- **word** - meaning`` below the heading Terms; a meaning may go on in the next lines."""
    section = re.search(r"^## Terms\n(.*?)(?=^## |\Z)", chapter.text, re.M | re.S)
    found = re.findall(
        r"^(?:[-*] )?\*\*(.+?)\*\* - (.+?)(?=\n\n|\n(?:[-*] )?\*\*|\s*\Z)", section[1] if section else "", re.M | re.S
    )
    return [(word, " ".join(meaning.split())) for word, meaning in found]


def question_of(chapter: Chapter) -> str:
    """The question of a chapter: its first sentences, up to the question mark; "" if the first paragraph has none."""
    after = "\n".join(chapter.lines[chapter.headings[0][0] :] if chapter.headings else [])
    found = re.match(r"[^?]*\?", re.split(r"\n\s*\n", after.strip("\n"))[0])
    words = " ".join(found[0].split()).removeprefix("**The question:**").strip("* ") if found else ""
    return words[:1].upper() + words[1:]


def slug(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*$]", "", heading).lower()).replace(" ", "-")


def faults_of_excerpts(chapter: Chapter) -> list[Fault]:
    """Excerpts that do not stand in the file that they name."""
    faults = []
    for fence in chapter.fences:
        if fence.language in EXCERPTS:
            message = _excerpt(fence.code)
            if message:
                faults.append(Fault(chapter.path, fence.line, message))
    return faults


def _excerpt(code: str) -> str | None:
    """Why this is no excerpt, or None. Lines ``...`` skip; indentation may differ by one amount for a stretch."""
    first, *rest = code.splitlines() or [""]
    named = re.match(r"(?:#|//)\s*([\w./-]+)", first)
    if named is None or not (ROOT / named[1].rstrip(".")).is_file():
        return f"an excerpt begins with a comment that names a file of the repository, got {first!r}"
    lines = (ROOT / named[1].rstrip(".")).read_text(encoding="utf-8").splitlines()
    stretches: list[list[str]] = [[]]
    for line in rest:
        if line.strip().lstrip("#/ ") == "...":
            stretches.append([])
        else:
            stretches[-1].append(line)
    if not any(line.strip() for stretch in stretches for line in stretch):
        return f"an excerpt of {named[1]} that shows nothing of it"
    place = 0
    for stretch in stretches:
        while stretch and not stretch[0].strip():
            stretch.pop(0)
        while stretch and not stretch[-1].strip():
            stretch.pop()
        if stretch:
            starts = range(place, len(lines) - len(stretch) + 1)
            start = next((k for k in starts if _same(stretch, lines[k : k + len(stretch)])), None)
            if start is None:
                return f"these lines do not stand in {named[1]} (or not in this order):\n" + "\n".join(stretch)
            place = start + len(stretch)
    return None


def _same(excerpt: list[str], lines: list[str]) -> bool:
    """Are these lines equal, but for one amount of indentation?"""
    if [line.strip() for line in excerpt] != [line.strip() for line in lines]:
        return False
    shifts = {_indent(b) - _indent(a) for a, b in zip(excerpt, lines) if a.strip()}
    return len(shifts) == 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
