"""``minigen anatomy``: the step of a model as a table and as JSON; what it refuses.

Read next: ``tests/anatomy/test_explain.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minigen.anatomy import machine
from minigen.cli.app import main

SMALL = ["--limit", "40", "--batch-size", "8", "--steps", "1"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "SIDE", 128)
    monkeypatch.setattr(machine, "SIZES", (1 << 12, 1 << 16))
    monkeypatch.setattr(machine, "FILE", "anatomy-of-tests.json")


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["anatomy", *words])
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_table_and_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "vae", *SMALL, "--latent", "3", "--top", "4", "--json", "step.json", "--measure")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("vae: ") and "glyphs, Batch(x (8, 1, 28, 28)" in lines[0]
    assert lines[4].startswith("phase     where ") and lines[9].partition(" more ")[0].isdigit()
    told = json.loads(Path("step.json").read_text(encoding="utf-8"))
    assert (told["model"], told["settings"]["latent"], told["steps"], told["device"]) == ("vae", 3, 1, "cpu")
    assert sum(row["ms"] for row in told["rows"]) == pytest.approx(told["rows_ms"])
    assert any(3 in shape for row in told["rows"] for shape in row["shapes"])
    assert not Path("runs").exists()


def test_a_file_of_its_own_kind_is_replaced_and_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    Path("step.json").write_text('{"flops_rate": 1}', encoding="utf-8")
    Path("notes.json").write_text('{"mine": 1}', encoding="utf-8")
    assert run(capfd, "ae", *SMALL, "--json", "step.json")[0] == 0
    code, _, err = run(capfd, "ae", *SMALL, "--json", "notes.json")
    assert code == 1 and "it exists and is no anatomy of a step" in err and err.count("\n") == 1
    assert Path("notes.json").read_text(encoding="utf-8") == '{"mine": 1}'


def test_a_network_of_one_s_own(capfd: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(
        "from minigen import nn, ops\n\n\nclass Mine(nn.Module):\n    objective = 'mse'\n\n"
        "    def __init__(self, image_shape, rng, width=5):\n"
        "        self.net = nn.Sequential(nn.Flatten(), nn.Dense(784, width, rng=rng), ops.relu,\n"
        "                                 nn.Dense(width, 784, rng=rng), nn.Reshape(image_shape))\n\n"
        "    def forward(self, x):\n        return self.net(x)\n",
        encoding="utf-8",
    )
    code, out, _ = run(capfd, "mine.py:Mine", *SMALL, "--width", "6")
    assert code == 0 and "net.1" in out and "784x6" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Missing argument 'MODEL'"),
        (["vea"], "unknown model 'vea'. Did you mean 'vae'"),
        (["ae", "--compile"], "--compile makes steps that cannot be taken apart: leave it out"),
        (["ae", "--replicas", "2"], "--replicas: taken apart is the step of one replica: leave it out"),
        (["ae", "--latnt", "3"], "unknown option '--latnt'"),
        (["ae", "--top", "0"], "--top"),
        (["ae", "--n-critic", "3"], "model 'ae' has no option --n-critic"),
        (["ae", "--json", ""], "--json must not be empty"),
        (["ae", "--json", "no/such/step.json"], "there is no folder"),
        (["ae", "--dataset", "nothing"], "nothing"),
        (["ae", "--device", "cuda"], "cuda"),
    ],
)
def test_bad_words(capfd: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    code, out, err = run(capfd, *words)
    assert code in (1, 2) and says in err and err.startswith("minigen: error: ") and err.count("\n") == 1
    assert not out
