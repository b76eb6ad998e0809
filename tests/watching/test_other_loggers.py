"""The examples for mlflow and Weights & Biases: what these packages have on the disk afterwards, read by themselves.

Read next: ``examples/17_mlflow.py``.
"""

from __future__ import annotations

import csv
from typing import Any

import pytest
from test_examples import PACKAGES, load
from training.runs import make_data

import minigen as mg

pytestmark = pytest.mark.filterwarnings("default")  # those of the packages are not ours


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, and a data set in another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    make_data(tmp_path / "images.npz", n=1500)
    return tmp_path / "here"


def curves(data) -> dict[str, list[tuple[int, float]]]:
    """The same training in a run folder: every curve of its table."""
    mg.train("ae", str(data), epochs=2, log_every=10, out=data.parent / "run", progress=False, batch_size=128)
    found: dict[str, list[tuple[int, float]]] = {}
    with open(data.parent / "run" / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name in list(row)[4:]:
                if row[name]:
                    found.setdefault(f"{row['split']}/{name}", []).append((int(row["step"]), float(row[name])))
    return found


def test_mlflow(folder, monkeypatch):
    for package in PACKAGES["17_mlflow"]:
        pytest.importorskip(package, reason=f"the example with mlflow needs {package}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    module = load("17_mlflow")
    loss = module.main(epochs=2, dataset=str(folder.parent / "images.npz"))
    import mlflow

    client: Any = mlflow.MlflowClient(module.STORE)
    (run,) = client.search_runs(["0"])
    wanted = curves(folder.parent / "images.npz")
    assert {
        name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in wanted
    } == wanted
    assert run.data.metrics["train/loss"] == loss and run.data.params["batch_size"] == "128"
    assert run.info.status == "FINISHED" and len(list(folder.glob("mlruns/**/samples_*.png"))) == 2


def test_wandb(folder, monkeypatch):
    wandb: Any = pytest.importorskip("wandb", reason="the example with Weights & Biases needs wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    loss = load("18_wandb").main(epochs=2, dataset=str(folder.parent / "images.npz"))
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert len(list(folder.glob("wandb/offline-run-*/files/media/images/samples_*.png"))) == 2
    data = path.read_bytes()
    for name in ("validation/loss", "batch/reconstruction", "gradients/decoder", "batch_size", f"{loss:.6g}"[:6]):
        assert name.encode() in data
    assert wandb.run is None  # the run has ended
