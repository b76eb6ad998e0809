"""Build the site: the guide, the pages of docs/, the public names, the source. It lands in build/site.

    pip install -e '.[docs]'
    python docs/make/site.py                  # runs every block of the guide first: minutes
    python docs/make/site.py --skip-blocks    # a minute
    python -m webbrowser build/site/index.html

The site needs no network and no server: open ``index.html`` from the folder. Every warning is an error: a link that
leads nowhere, a name in inline code that is not there, a formula that does not parse.

Imports: Sphinx, in a process of its own, minigen. Read next: ``../conf.py``, ``../site/links.py``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, which has files with the names of packages
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from docs.make import guide
from docs.make.chapter import chapters
from docs.site import api, check, sources
from minigen.atomic import temporary_path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
#: The pages by subject, in the order of the menu. Each page of docs/ is in one of them.
MENU = {
    "The guide": ["docs/guide/README", "docs/guide/[0-9]*", "docs/guide/glossary"],
    "Train and look": ["docs/library", "docs/models", "docs/gallery", "docs/data", "docs/explore", "docs/watching",
                       "docs/notebooks", "docs/doctor", "docs/results"],
    "Check": ["docs/gradcheck", "docs/testing", "docs/kernel_view", "docs/kernels", "docs/drawing",
              "docs/anatomy", "docs/gpu"],
    "Exchange": ["docs/weights", "docs/onnx", "docs/onnx_load", "docs/conventions", "docs/distributed"],
    "Inside": ["docs/architecture", "docs/performance", "docs/limits", "CONTRIBUTING", "CHANGELOG", "findings/README"],
}  # fmt: skip


def assemble(source: Path) -> None:
    """Put the pages and their pictures into a folder, those of the public names, and the menu."""
    files = {f"{name}.md": (ROOT / f"{name}.md").read_bytes() for name in ("CONTRIBUTING", "CHANGELOG")}
    pages = [path for folder in ("docs", "findings") for path in (ROOT / folder).rglob("*.md")]
    pictures = [path for path in (ROOT / "docs").rglob("images/**/*") if path.is_file()]
    files |= {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in pages + pictures}
    rooms = api.pages()
    files |= {f"api/{name}.rst": text.encode() for name, text in rooms.items()}
    menu = "".join(_toctree(title, _pages(patterns)) for title, patterns in MENU.items())
    menu += _toctree("Names", [f"api/{name}" for name in rooms])
    files["index.md"] = (ROOT / "README.md").read_bytes() + menu.encode()
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)


def _pages(patterns: list[str]) -> list[str]:
    found = [sorted(ROOT.glob(f"{pattern}.md")) for pattern in patterns]
    return [path.relative_to(ROOT).with_suffix("").as_posix() for paths in found for path in paths]


def _toctree(title: str, pages: list[str]) -> str:
    return "\n```{toctree}\n:hidden:\n:caption: " + title + "\n\n" + "\n".join(pages) + "\n```\n" if pages else ""


def run_blocks() -> None:
    """Run the chapters, as many at once as there are processors. SystemExit with the faults, if there are any."""
    workers = max(1, min(4, os.cpu_count() or 1))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        found = [guide.report(path, *checked) for path, checked in zip(chapters(), pool.map(guide.check, chapters()))]
    if any(found):
        raise SystemExit("site.py: the guide does not show what its code does; the site is not built")


def build(site: Path) -> None:
    """Build the site in a folder, afresh. SystemExit if that holds something else, or if there is a warning."""
    if site.exists() and any(site.iterdir()) and not (site / ".buildinfo").is_file():
        raise SystemExit(f"site.py: {site} holds something else than a site; name an empty folder, or a new one")
    site = site.absolute()
    site.parent.mkdir(parents=True, exist_ok=True)
    new = temporary_path(site.parent)  # what is interrupted leaves the site as it was
    try:
        with tempfile.TemporaryDirectory() as folder:
            pages = Path(folder) / "pages"
            assemble(pages)
            options = ["-W", "--keep-going", "-q", "-c", str(ROOT / "docs"), "-d", f"{folder}/doctrees"]
            command = [sys.executable, "-m", "sphinx", *options, str(pages), str(new)]
            environment = {**os.environ, "MPLBACKEND": "Agg"}
            code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        sources.write(new, check.missing_sources(new))
        shutil.rmtree(site, ignore_errors=True)
        new.rename(site)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if code:
        raise SystemExit("site.py: the pages are built, and what is wrong with them stands above")


def main(words: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="site.py", description=str(__doc__).split("\n")[0])
    parser.add_argument("--skip-blocks", action="store_true", help="do not run the blocks of the guide")
    parser.add_argument("--out", type=Path, default=SITE, help="the folder of the site [build/site]")
    given = parser.parse_args(words)
    missing = [name for name in ("sphinx", "furo", "myst_parser", "sphinx_copybutton") if not find_spec(name)]
    if missing:
        raise SystemExit(f"site.py: {', '.join(missing)} not installed; pip install 'minigen-engine[docs]'")
    began = time.perf_counter()
    if not given.skip_blocks:
        run_blocks()
        print(f"{len(chapters())} chapters, {time.perf_counter() - began:.0f} s", flush=True)
    build(given.out)
    print(f"{given.out / 'index.html'}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        raise SystemExit("site.py: interrupted; the site is as it was before") from None
