"""What the README promises is so: its commands parse, its example runs, its links lead somewhere, its tables are true.

Read next: nothing, this is a leaf.
"""

from __future__ import annotations

import csv
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from algorithms.autoencoders.autoencoder_runs import glyphs

import minigen
from minigen import data
from minigen.algorithms.catalog import MODELS
from minigen.cli.app import commands, main
from minigen.runs.settings import new_config
from minigen.training import prepare

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MARKDOWN = sorted(ROOT.glob("*.md"))


def block(language: str, n: int) -> subprocess.CompletedProcess[str]:
    """The n-th fenced block below "Quick start", as the checks of the project cut it out."""
    script = [sys.executable, ".ci/readme_block.py", "README.md", language, str(n)]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)


def shell_lines(text: str) -> list[str]:
    return [line for part in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in part.splitlines()]


def minigen_commands() -> list[str]:
    """Every ``minigen ...`` of the README, from the blocks and from the running text, without comments."""
    found = []
    for line in shell_lines(README):
        found += [part.strip() for part in line.partition("#")[0].split("&&") if part.strip().startswith("minigen ")]
    return found + re.findall(r"`(minigen [a-z][^`]*)`", re.sub(r"```.*?```", "", README, flags=re.S))


def test_the_two_commands_of_the_quick_start() -> None:
    first, second = block("sh", 1), block("sh", 2)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "&& pip install -q -e . && minigen train conv-ae" in first.stdout
    assert second.stdout.rstrip().endswith("pip install -q -e '.[test]' && pytest -q -n auto")
    for one in (first, second):
        assert len(one.stdout.splitlines()) == 1  # one command each
        assert one.stdout.startswith("python3 -m venv .venv && . .venv/bin/activate && ")
    missing = block("sh", 99)
    assert missing.returncode != 0 and "wanted sh block 99" in missing.stderr


@pytest.mark.parametrize("line", minigen_commands())
def test_a_command_parses_and_its_settings_fit_the_model(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_vae.py").write_text(own_network(), encoding="utf-8")
    name, *words = shlex.split(line)[1:]
    group = commands.make_context("minigen", [name])
    command = commands.get_command(group, name)
    assert command is not None, f"no command {name!r}"
    context = command.make_context(name, words, group)  # refuses unknown options, bad values and missing arguments
    given = {key: value for key, value in context.params.items() if value is not None}
    if name == "train" and "resume" not in given:
        paths = ("init_generator_from", "init_discriminator_from")  # are made absolute
        own = {k: v for k, v in given.items() if k not in ("model", "config", "out", "as_json", *paths)}
        recipe, config = new_config(given["model"], None, own)
        assert config.items() >= own.items() and recipe.name == given["model"].rpartition(":")[2]


def own_network() -> str:
    """The README's network of one's own."""
    (text,) = [text for text in python_blocks() if "class MyVAE" in text]
    return text


@pytest.mark.slow
def test_ones_own_network_trains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As its command has it, on few images: its loss falls, and samples can be drawn."""
    monkeypatch.chdir(tmp_path)
    text = own_network()
    assert len([line for line in text.splitlines() if line]) <= 15
    Path("my_vae.py").write_text(text, encoding="utf-8")
    (line,) = {line for line in minigen_commands() if "my_vae.py:MyVAE" in line}
    words = [*shlex.split(line)[1:], "--limit", "600", "--max-steps", "20", "--out", "run"]
    for command in (words, ["sample", "run", "-o", "samples.png"]):
        with pytest.raises(SystemExit) as info:
            main(command)
        assert info.value.code == 0
    with open("run/metrics.csv", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row["split"] == "train"]
    assert losses[-1] < 0.7 * losses[0] and Path("samples.png").exists()


def test_every_command_is_shown() -> None:
    assert {line.split()[1] for line in minigen_commands()} == set(commands.commands)


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(data, "load", lambda name: glyphs("train", 800))
    text = block("python", 1).stdout
    assert len([line for line in text.splitlines() if line and "import" not in line]) <= 10  # ten lines
    values: dict[str, object] = {}
    minigen.manual_seed(0)
    exec(compile(text, "README.md", "exec"), values)
    loss = values["loss"]
    assert isinstance(loss, minigen.Tensor) and loss.item() < 0.22  # six updates; the untrained network has 0.23
    assert capsys.readouterr().out.startswith("Tensor(shape=(), float32, cpu")


def test_the_example_of_a_run_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "load", lambda name, split, **_: glyphs(split, 400 if split == "train" else 100))
    text = block("python", 2).stdout
    assert len([line for line in text.splitlines() if line and "import" not in line]) <= 10
    values: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), values)
    assert values["images"].shape == (64, 1, 28, 28) and values["codes"].shape == (100, 8)
    assert values["rows"].shape == (4, 10, 1, 28, 28) and values["run"].config["epochs"] == 4
    script = (ROOT / ".ci/run").read_text()
    assert "for n in 1 2; do\n  readme python" in script


def test_every_other_python_block_compiles() -> None:
    assert len(python_blocks()) == 4
    for text in python_blocks():
        compile(text, "README.md", "exec")


@pytest.mark.parametrize("path", MARKDOWN, ids=[path.name for path in MARKDOWN])
def test_links_and_images_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?:|#", target)]
    missing = [target for target in targets if not (path.parent / target.partition("#")[0]).exists()]
    assert missing == []


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_model_is_named_once() -> None:
    names = [name for row in table("The models") for name in re.findall(r"`([\w-]+)`", row[1])]
    assert names == list(MODELS)


def test_the_page_of_models_is_the_catalog() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make" / "models.py"))["page"]()
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == page


def test_the_rooms_exist() -> None:
    rows = table("The rooms, in reading order")
    paths = [path for row in rows for path in re.findall(r"`([\w./]+/[\w./]*)`", row[0])]
    assert len(paths) >= len(rows) >= 10
    for path in paths:
        assert (ROOT / path).exists(), path
    rooms = {f"minigen/{folder.name}/" for folder in (ROOT / "minigen").iterdir() if (folder / "__init__.py").exists()}
    assert rooms <= set(paths)


def test_files_named_in_the_text_exist() -> None:
    for path in set(re.findall(r"`((?:examples|minigen|kernels|tests|docs|benchmarks)/[\w./]*)`", README)):
        assert (ROOT / path).exists(), path
    said = re.search(r"`examples/` has (\d+) scripts", README)
    assert said is not None and int(said[1]) == len(list((ROOT / "examples").glob("*.py")))
