"""Write what the guide collects from its chapters: the table of chapters in its README, the terms in its glossary.

    python docs/make/glossary.py

A chapter's title is its heading, its question the first sentences up to the question mark. Its terms stand below
``## Terms``; each leads to the section where the word stands in bold, or else for the first time.

Imports: markdown-it-py. Read next: ``chapter.py``, ``../guide/README.md``.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, which has files with the names of packages
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from docs.make.chapter import GUIDE, Chapter, chapters, question_of, read, slug, terms_of


def table(guide: Path = GUIDE) -> str:
    """The chapters with their questions."""
    rows = ["| chapter | its question |", "| --- | --- |"]
    for chapter in map(read, chapters(guide)):
        rows.append(f"| [{chapter.headings[0][2]}]({chapter.path.name}) | {question_of(chapter)} |")
    return "\n".join(rows)


def terms(guide: Path = GUIDE) -> str:
    """All terms of all chapters in the order of the alphabet, each with the places that explain it."""
    found: dict[str, list[str]] = defaultdict(list)
    meanings: dict[str, tuple[str, str]] = {}
    for chapter in map(read, chapters(guide)):
        for word, meaning in terms_of(chapter):
            key = word.lower()
            meanings.setdefault(key, (word, meaning))
            found[key].append(f"[{chapter.number}]({chapter.path.name}#{place(chapter, word)})")
    lines = [f"**{word}** - {meaning} {', '.join(found[key])}" for key, (word, meaning) in sorted(meanings.items())]
    return "\n\n".join(lines)


def place(chapter: Chapter, word: str) -> str:
    """The anchor of the section of a chapter that explains a word."""
    end = next(line for line, _, text in chapter.headings if text == "Terms")
    plain = re.sub(r"[^\w\s-].*|\(.*", "", word).strip()
    for pattern in (rf"[*]+{re.escape(plain)}", rf"\b{re.escape(plain)}"):
        for number, line in enumerate(chapter.lines[: end - 1], start=1):
            if re.search(pattern, line, re.I) and not line.startswith("#"):
                headings = [text for at, _, text in chapter.headings if at <= number]
                return slug(headings[-1])
    return "terms"


def page(text: str, guide: Path = GUIDE) -> str:
    """A page with its collected parts as they have to be."""
    for name, part in (("chapters", table(guide)), ("terms", terms(guide))):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if begin in text:
            text = text.split(begin)[0] + begin + f"\n{part}\n\n" + end + text.split(end)[1]
    return text


def main() -> None:
    """The command."""
    for path in (GUIDE / "README.md", GUIDE / "glossary.md"):
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
