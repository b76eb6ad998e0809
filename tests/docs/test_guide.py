"""The guide: what its chapters show is what their code does; and the runner finds a page that is wrong.

The blocks of all chapters run in the slow tests, and when the site is built (``docs/make/site.py``).

Read next: ``docs/make/guide.py``.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from docs.make import guide
from docs.make.chapter import (
    GUIDE,
    chapters,
    faults_of_excerpts,
    faults_of_form,
    faults_of_lines,
    find,
    read,
    terms_of,
)
from docs.make.formulas import faults_of_formulas
from docs.make.names import Source, UnknownNameError, source_of, unknown_command
from docs.site import check
from minigen_kernels.host.build import compiler

HERE = Path(__file__).parent / "chapters"
RIGHT = HERE / "01_right.md"
SECONDS = 60  # of processor time for a chapter: it takes 15, but on other processors, and beside other tests

each_chapter = pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)


@each_chapter
def test_a_chapter_has_what_every_chapter_has(path: Path) -> None:
    chapter = read(path)
    faults = faults_of_form(chapter) + faults_of_excerpts(chapter) + guide.faults_of_names(chapter)
    faults += faults_of_formulas(chapter) + faults_of_lines(chapter)
    kept = {address for _, address, _ in chapter.pictures}
    assert not faults, "\n".join(map(str, faults))
    assert all((path.parent / address).is_file() for address in kept)


def needs_a_compiler() -> None:
    """`minigen kernel` runs CUDA source on the host: without g++ a skip, and where CI is set a failure."""
    if compiler() is None and os.environ.get("CI"):
        pytest.fail("no g++, and CI is set: this chapter is not proven here")
    if compiler() is None:
        pytest.skip("no g++, with which `minigen kernel` compiles")


@pytest.mark.slow
@each_chapter
def test_what_a_chapter_shows_is_what_its_blocks_do(path: Path) -> None:
    if "minigen kernel" in path.read_text(encoding="utf-8"):
        needs_a_compiler()
    faults, seconds = guide.check(path)
    assert not faults, "\n".join(map(str, faults))
    assert seconds < SECONDS, (
        f"{seconds:.0f} s of processor time; a chapter takes less than 15 when kernels are compiled"
    )


def test_the_pictures_are_those_of_the_chapters() -> None:
    shown = {address for path in chapters() for _, address, _ in read(path).pictures}
    kept = {f"images/{path.name}" for path in (GUIDE / "images").glob("*")}
    assert kept == shown, "a picture that no chapter shows, or one that is missing: docs/guide/images"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A copy of the right chapter, with its picture, to be spoilt."""
    shutil.copytree(HERE, tmp_path / "guide")
    return tmp_path / "guide" / RIGHT.name


def spoil(page: Path, *changes: tuple[str, str]) -> list[str]:
    """The faults of a page after changes in its text, without its path."""
    text = page.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    page.write_text(text, encoding="utf-8")
    faults, _ = guide.check(page)
    return [str(fault).removeprefix(f"{page}:") for fault in faults]


def test_a_right_chapter_has_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert guide.main([str(RIGHT)]) == 0
    assert re.fullmatch(r"01_right.md: no faults, \d+\.\d s\n", capsys.readouterr().out)
    assert terms_of(read(RIGHT))[1] == ("sum", "what addition gives, which may be long.")


def test_every_block_that_is_wrong_is_found_at_its_line(page: Path) -> None:
    """One run, several faults: an output, a picture, an exit code, a stretch of the library, names."""
    faults = spoil(
        page,
        ("[2. 4.]", "[2. 5.]"),
        ("** 2 * x.data[0])", "** 2 * 1.2)"),
        ("import os\n", "import os, sys\n"),
        ("`mg.gradcheck`", "`mg.gradchek`"),
        ("`minigen/ops/arithmetic.py` is", "`minigen/ops/nowhere.py` is"),
    )
    wanted = [
        "9: `mg.gradchek`: minigen has no 'gradchek'",
        "9: there is no minigen/ops/nowhere.py in the repository",
        "25: the page shows\n[2. 5.]\ntook ... s\nbut the block prints\n[2. 4.]\ntook 0.25 s",
        "40: images/01_square.png is not what the code makes: ",
        "45: these lines do not stand in minigen/atomic.py (or not in this order):\nimport os, sys",
    ]
    assert len(faults) == len(wanted) and all(fault.startswith(w) for fault, w in zip(faults, wanted)), faults


def outputs(page: Path, text: str) -> list[str]:
    """The faults of the outputs of a page that has only this text."""
    page.write_text(text, encoding="utf-8")
    chapter = read(page)
    faults = guide.faults_of_outputs(chapter, guide.run(chapter, page.parent))
    return [str(fault).removeprefix(f"{page}:") for fault in faults]


def test_a_block_that_raises_ends_the_chapter_with_its_traceback(page: Path) -> None:
    raising = "```python\ndef f():\n    raise ValueError('no')\n```\n\nWords.\n\n```python\nf()\n```\n\n"
    (fault,) = outputs(page, raising + "```python\nprint('not run')\n```\n")
    assert re.search(r'^9: the block failed:\n.*md>", line 9, in.*md>", line 3, in f.*ValueError: no$', fault, re.S), (
        fault
    )
    (fault,) = outputs(page, "```python\nprint(1)\nx = = 2\n```\n")
    assert "line 3" in fault and "SyntaxError" in fault
    (fault,) = outputs(page, "```python\nimport os\nos._exit(3)\n```\n")
    assert fault.startswith("2: the block failed:\nthe process ended with code 3")


def test_what_a_block_warns_of_is_its_output_and_no_path_of_a_machine_is_shown(page: Path) -> None:
    (fault,) = outputs(page, "```python\nimport warnings\nwarnings.warn('careful')\n```\n")
    assert "no text fence follows it" in fault and "UserWarning: careful" in fault
    (fault,) = outputs(page, "```python\nprint('/home/me/x.py')\n```\n\n```text\n/home/me/x.py\n```\n")
    assert "names a folder of one machine: /home/me/x.py" in fault


def test_a_command_that_ends_otherwise_is_found(page: Path) -> None:
    (fault,) = outputs(page, "```sh\nminigen nonsense\n```\n\n```text\n...\n```\n")
    assert fault.startswith("2: the block failed:\nminigen nonsense\nended with exit code 2, wanted 0")
    (fault,) = outputs(page, "```sh\nls\n```\n")
    assert "only commands that begin with minigen are run" in fault


def test_that_kernels_are_compiled_is_no_output(page: Path) -> None:
    said = "minigen: compiling kernels, once"
    assert outputs(page, f"```python\nprint('{said}\\na')\n```\n\n```text\na\n```\n") == []
    (fault,) = outputs(page, f"```python\nprint('{said}\\nb')\n```\n\n```text\na\n```\n")
    assert fault.endswith("but the block prints\nb")


def test_an_output_without_a_fence_is_found_and_written(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    (fault,) = spoil(page, ("```text\n[2. 4.]\ntook ... s\n```\n", ""))
    assert fault.startswith("12: the block prints this, and no text fence follows it:\n[2. 4.]")
    (page.parent / "images" / "01_square.png").unlink()
    assert guide.main([str(page), "--write"]) == 0  # which compares what it has written
    written = re.sub("\n{3,}", "\n\n", page.read_text(encoding="utf-8"))
    assert written == text.replace("took ... s", "took 0.25 s")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# 1. A right", "# 2. A right", 'wanted "# 1. Title"'),
        ("### 1.2 Two\n", "### 1.4 Two\n", "wanted three headings, ### 1.1 to ### 1.3"),
        ("## Terms\n", "## Words\n", 'no heading "## Terms"'),
        ("[2. Next](02_next.md)", "[3. Next](03_next.md)", "wanted one to chapter 2"),
        ("How does a sum of squares fall?", "This is about sums.", "asks no question in its first paragraph"),
        ("**sum** - ", "**sum**: ", "has 2 terms"),
        (
            "- **sum** - what addition gives, which\n",
            "**one** - a.\n**sum** - what addition gives\n",
            "run into one paragraph",
        ),
        ("![A parabola from 0 to 81 over x from 0 to 9](images/01_square.png)", "", "has no picture"),
        ("A command, and", "many words " * 1300, "words of prose; wanted at most 2500"),
        ("```py\n", "```{literalinclude}\n", "a fence of '{literalinclude}'"),
        ("\n```text\n[2.", "\nthis:\n\n```text\n[2.", "a text fence that stands right after no python or sh fence"),
    ],
)
def test_what_a_chapter_lacks_is_said(page: Path, old: str, new: str, message: str) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count(old) == 1
    page.write_text(text.replace(old, new), encoding="utf-8")
    assert message in "\n".join(map(str, faults_of_form(read(page))))


def test_an_excerpt_that_shows_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "01_a.md"
    page.write_text("# A\n\n```py\n# minigen/atomic.py\n# ...\n```\n", encoding="utf-8")
    (fault,) = faults_of_excerpts(read(page))
    assert fault.message == "an excerpt of minigen/atomic.py that shows nothing of it"


def test_a_command_in_inline_code_exists(tmp_path: Path) -> None:
    page = tmp_path / "01_a.md"
    page.write_text(
        "# A\n\n`minigen`, `minigen train vae --epochs 3`, `minigen kernel --help`, `minigen MODEL`\n"
        "`minigen trains`\n`minigen train vae --epoch 3`\n",
        encoding="utf-8",
    )
    assert [(fault.line, fault.message) for fault in guide.faults_of_names(read(page))] == [
        (4, "`minigen trains`: there is no command minigen trains"),
        (5, "`minigen train vae --epoch 3`: minigen train has no --epoch"),
    ]


def test_a_line_that_a_wrapper_made_a_list_is_found(tmp_path: Path) -> None:
    page = tmp_path / "01_a.md"
    text = (
        "# A\n\nA sum is\n- 3, or\n0. The end,\n  indented\n1 and\n# 5.\n\n- an item\n  goes on\n- two\n\n  of it\n\n"
    )
    text += "These:\n- a\n- b\n\n$$\na\n  - b\n$$\n"
    page.write_text(text + "\n```python\na = 1\n    # x\n```\n\n| a | b |\n| - | - |\n", encoding="utf-8")
    assert [fault.line for fault in faults_of_lines(read(page))] == [4, 5, 6, 8]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a  \nb", True),
        ("took ... s, ...\nend", "took 3 s, or 4\nend", True),
        ("...", "anything\nat all", True),
        ("a...", "ba", False),
        ("a.b", "a-b", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_when_outputs_agree(shown: str, printed: str, same: bool) -> None:
    assert guide.agree(shown, printed) is same


def draw(path: Path, shift: int = 0, slope: float = 0.5, blue: int = 180, height: int = 300) -> Path:
    """A line of 2 pixels with a label: what moves in a picture that is stale, or only drawn by another version."""
    image = Image.new("RGB", (400, height), "white")
    pen = ImageDraw.Draw(image)
    pen.line([(0, 20 + shift), (399, 20 + shift + 399 * slope)], fill=(31, 119, blue), width=2)
    pen.text((50 + shift, 270), "a label of the axis", fill="black")
    image.save(path)
    return path


def test_a_picture_of_another_version_passes_and_a_stale_one_does_not(tmp_path: Path) -> None:
    kept = draw(tmp_path / "kept.png")
    for name, other in (("shift", {"shift": 3}), ("shade", {"blue": 150}), ("size", {"height": 302})):
        assert guide.difference(kept, draw(tmp_path / f"{name}.png", **other)) is None
    for name, other in (("slope", {"slope": 0.54}), ("colour", {"blue": 20}), ("far", {"shift": 9})):
        assert "% of its pixels" in str(guide.difference(kept, draw(tmp_path / f"{name}.png", **other)))
        assert "% of its pixels" in str(guide.difference(tmp_path / f"{name}.png", kept))
    Image.new("RGB", (400, 300), "white").save(tmp_path / "empty.png")
    assert "% of its pixels" in str(guide.difference(kept, tmp_path / "empty.png"))
    assert "wanted (400, 320)" in str(guide.difference(kept, draw(tmp_path / "tall.png", height=320)))
    (tmp_path / "a.svg").write_text("<svg/>\n"), (tmp_path / "b.svg").write_text("<svg> </svg>\n")
    assert guide.difference(tmp_path / "a.svg", tmp_path / "a.svg") is None
    assert guide.difference(tmp_path / "a.svg", tmp_path / "b.svg") == "another text"


def test_a_chapter_is_found_by_its_number(page: Path) -> None:
    assert find("1", page.parent) == find("01", page.parent) == page
    with pytest.raises(SystemExit, match="got '9'; there are: 01_right.md"):
        find("9", page.parent)


def test_what_inline_code_names() -> None:
    for code in ("ops.conv2d", "ops.conv2d(x, w)", "mg.ops.conv2d", "minigen.ops.conv2d"):
        found = source_of(code)
        assert found is not None and found.file == "minigen/ops/conv.py" and found.line
        assert (
            (guide.ROOT / found.file).read_text(encoding="utf-8").splitlines()[found.line - 1].startswith("def conv2d(")
        )
    for code in (
        "minigen_kernels.reference.conv2d",
        "minigen_kernels.cpu.conv2d",
        "nn.Conv2d.weight",
        "Tensor.backward",
    ):
        found = source_of(code)
        assert found is not None and found.line
    assert source_of("minigen/ops/") == Source("minigen/ops/")
    assert source_of("minigen/ops/conv.py") == Source("minigen/ops/conv.py")
    assert [source_of(code) for code in ("x", "x.grad", "--order 2", "loss.backward()", "3.5", "conv2d")] == [None] * 6
    for code in ("mg.nothing", "ops.conv2d.nothing", "nn.Conv2d.nothing", "minigen.ops.nowhere", "minigen/ops/no.py"):
        with pytest.raises(UnknownNameError):
            source_of(code)


def test_the_commands_and_files_that_pages_name_exist() -> None:
    """Of names in other pages than the guide the build of the site knows more: some are PyTorch's."""
    found = []
    for path in check.markdown_files():
        for line, code in read(path).codes if path.name != "CHANGELOG.md" else []:  # which tells of what there was
            message = unknown_command(code)
            try:
                source_of(code if "/" in code else "")
            except UnknownNameError as error:
                message = str(error)
            found += [f"{path}:{line}: {message}"] if message else []
    assert not found, "\n".join(found)


def test_the_pages_beside_the_chapters_have_right_formulas_and_names() -> None:
    for name in ("README.md", "glossary.md"):
        page = read(GUIDE / name)
        faults = faults_of_formulas(page) + guide.faults_of_names(page)
        assert not faults, "\n".join(map(str, faults))
