"""The notebooks of examples/notebooks run from the first cell to the last, and show what their texts say.

Each runs in a process of its own, which has the kernel as its child: what Jupyter's libraries warn of is not ours.

Read next: ``test_examples.py``, ``run_notebook.py``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from display.checked_html import Checked

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = ["01_train_and_look", "02_gradcheck_your_layer", "03_anatomy_of_a_step"]


def cells(path: Path) -> list[Any]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_the_notebooks_are_written_for_readers_and_hold_no_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == NAMES
    for path in NOTEBOOKS:
        first, *_ = found = cells(path)
        assert first["cell_type"] == "markdown" and first["source"][0].startswith("# ")
        for before, cell in zip(found, found[1:]):
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [] and cell["execution_count"] is None
                assert before["cell_type"] == "markdown", f"{path.name}: code that nothing leads to"
        text = "".join("".join(cell["source"]) for cell in found)
        for link in re.findall(r"\]\(([\w./-]+)\)", text):
            assert (FOLDER / link).exists(), link
        for named in re.findall(r"`((?:docs|minigen|examples)/[\w./]*)`", text):
            assert (ROOT / named).exists(), named


def run_program(name: str, *arguments: str | Path) -> str:
    """What a program beside this file prints, whose kernel is this Python in the folder that is the last argument."""
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"to run notebooks: pip install 'minigen-engine[notebook]' ({package})")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    folder = str(arguments[-1])
    environment = {**os.environ, "PYTHONPATH": paths, "IPYTHONDIR": folder, "JUPYTER_CONFIG_DIR": folder}
    program = [sys.executable, str(ROOT / "tests" / name), *map(str, arguments)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def execute(name: str, folder: Path) -> list[Any]:
    """The cells with their outputs, no cell of which failed."""
    ran = run_program("run_notebook.py", FOLDER / f"{name}.ipynb", folder)
    found = [cell for cell in json.loads(ran)["cells"] if cell["cell_type"] == "code"]
    for cell in found:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", "\n".join(output.get("traceback", []))
            assert output.get("name") != "stderr", output
    return found


def printed(cell: Any) -> str:
    return "".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream")


def pages(cell: Any) -> list[Checked]:
    """What the cell shows as HTML; an iframe, which holds a whole page, is another matter."""
    found = ["".join(o["data"]["text/html"]) for o in cell["outputs"] if "text/html" in o.get("data", {})]
    return [Checked(html) for html in found if "<iframe" not in html]


def figures(cell: Any) -> list[str]:
    return [o["data"]["image/png"] for o in cell["outputs"] if "image/png" in o.get("data", {})]


def one(found: list[Any], words: str) -> Any:
    """The cell whose source has these words."""
    (cell,) = (cell for cell in found if words in "".join(cell["source"]))
    return cell


def test_train_and_look(tmp_path: Path) -> None:
    found = execute(NAMES[0], tmp_path)
    (images,) = pages(one(found, 'data.load("glyphs"'))
    assert "10,000 of 1x28x28" in images.text and images.pictures[0][1].startswith("20 of 10,000 images")
    (training,) = pages(one(found, "mg.train("))
    rows = [row for row in training.rows if re.fullmatch(r"\d/6", row[0])]
    losses = [float(row[3]) for row in rows]
    assert len(rows) == 6 and losses[-1] < 0.75 * losses[0]  # seen: 181 and 121 nats
    (run,) = pages(next(cell for cell in found if cell["source"] == ["run"] or cell["source"] == "run"))
    assert "vae" in run.text and run.pictures[0][1] == "the picture of epoch 006"
    (model,) = pages(one(found, "run.model"))
    assert "Dense(in_features=784, out_features=400)" in model.text
    assert len(figures(one(found, "plt.plot("))) == 1
    (made,) = pages(one(found, "run.draw("))
    (again,) = pages(one(found, "run.reconstruct("))
    (way,) = pages(one(found, "run.interpolate("))
    for page, count in ((made, 32), (again, 32), (way, 20)):
        picture, text = page.pictures[0]
        assert text.startswith(f"{count} images") and picture.std() > 20  # there is something on it
    (measured,) = pages(one(found, "run.evaluate("))
    values = {row[0]: float(row[2]) for row in measured.rows if len(row) == 4 and row[0] != "measured"}
    (page,) = (o["data"]["text/html"] for o in one(found, "run.explore()")["outputs"])
    assert "".join(page).startswith("<iframe srcdoc=") and len("".join(page)) < 12e6  # seen: 6 MB
    assert values["mse"] < 0.03 and values["linear_probe_accuracy"] > 0.75  # seen: 0.016 and 0.886


def test_gradcheck_your_layer(tmp_path: Path) -> None:
    found = execute(NAMES[1], tmp_path)
    errors = [float(x) for x in re.findall(r"error (\S+)", printed(one(found, "for h in")))]
    assert errors.index(min(errors)) == 2  # neither the largest step nor the smallest
    reports = [page for cell in found if "mg.gradcheck(" in "".join(cell["source"]) for page in pages(cell)]
    verdicts = [page.text.split()[0] for page in reports]
    assert verdicts == ["WRONG", "OK", "WRONG", "OK"]
    assert "'slope'" in reports[0].text and "numeric / 4 everywhere" in reports[0].text
    assert [row[-1] for row in reports[0].rows if row[-1] in ("OK", "WRONG")].count("OK") == 3
    assert "a constant to the engine" in reports[2].text and "every one rejected" in reports[3].text
    assert len(figures(one(found, "wrong.plot()"))) == 1


def test_anatomy_of_a_step(tmp_path: Path) -> None:
    found = execute(NAMES[2], tmp_path)
    graph = printed(one(found, "def show_graph")).splitlines()
    assert graph[0].startswith("MseSum") and sum("Linear" in line for line in graph) == 4
    assert sum("Parameter" in line for line in graph) == 8
    (leaf,) = pages(one(found, "network.parameters()[0]"))
    assert "its gradient: from" in leaf.text
    before, after = map(float, re.findall(r"0\.\d+", printed(one(found, "after ="))))
    assert after < before
    shares = dict(re.findall(r"(\w+) +[\d.]+ ms +([\d.]+) %", printed(one(found, "def timed_steps"))))
    assert [*shares] == ["images", "forward", "backward", "update"] and abs(
        sum(map(float, shares.values())) - 100
    ) < 0.3
    assert "minigen_kernels" in printed(one(found, "cProfile.Profile()"))
    assert "steps are replayed" in printed(one(found, "@mg.compile"))
    assert "matmul(" in printed(one(found, "step.program"))
    assert len(figures(one(found, "plt.loglog("))) == 1


def test_interrupting_the_kernel_ends_training_after_its_step(tmp_path: Path) -> None:
    first, second = (json.loads(line) for line in run_program("interrupt_kernel.py", tmp_path).splitlines())
    steps = []
    for cell in (first, second):
        assert cell["reply"]["status"] == "ok", cell["reply"]
        (result,) = (m["content"] for m in cell["said"] if m["type"] == "execute_result")
        steps.append(int(result["data"]["text/plain"]))
    assert 0 < steps[0] < 8_000_000 and steps[1] == steps[0] + 5
    warned = "".join(m["content"]["text"] for m in first["said"] if m["content"].get("name") == "stderr")
    assert f"RuntimeWarning: interrupted after step {steps[0]}; saved. To go on: run.resume()" in warned
    updates = [m["content"]["data"]["text/html"] for m in second["said"] if m["type"] == "update_display_data"]
    assert updates and "<progress" not in updates[-1]
