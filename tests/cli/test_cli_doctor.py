"""`minigen train`: the doctor's line, the switch that silences it, the table of the losses, and both in the JSON."""

from __future__ import annotations

import json

import pytest

from minigen.doctor import schedule

QUICK = ("--batch-size", 16, "--epochs", 2)


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """A doctor who looks after every epoch; a real one waits until there is something to see."""
    monkeypatch.setattr(schedule, "EARLY", 0)
    monkeypatch.setattr(schedule, "SEEN", 1)


def test_a_line_after_each_epoch(minigen, data):
    result = minigen("train", "sparse-ae", "--dataset", data, *QUICK)
    lines = [line.split(": ")[0] for line in result.out.splitlines() if line.startswith(("epoch", "doctor"))]
    assert result.code == 0 and [line.split()[0] for line in lines] == ["epoch", "doctor", "epoch", "doctor"]
    result = minigen("train", "sparse-ae", "--dataset", data, "--no-doctor", *QUICK)
    assert result.code == 0 and "doctor" not in result.out


def test_a_disease_has_a_name_in_the_json(minigen, data):
    explosive = ("--optimizer", "sgd", "--lr", 1e5)
    result = minigen("train", "linear-ae", "--dataset", data, "--json", "--max-steps", 1, *explosive, *QUICK)
    facts = json.loads(result.out)
    assert facts["doctor"]["checks"] == 1  # there are too few images for the others
    (found,) = facts["doctor"]["findings"]
    assert found["disease"] == "exploding weights" and "model." in found["evidence"] and found["remedy"]
    assert f"doctor: {found['disease']}: {found['evidence']}. {found['remedy']}" in result.err
    result = minigen("train", "ae", "--dataset", data, "--json", "--no-doctor", *QUICK)
    assert json.loads(result.out)["doctor"] is None


def test_the_switch_may_change_when_a_run_goes_on(minigen, data):
    assert minigen("train", "ae", "--dataset", data, "--out", "run", "--no-doctor", *QUICK).code == 0
    result = minigen("train", "--resume", "run", "--doctor", "--epochs", 3)
    assert result.code == 0 and "doctor: all is well" in result.out


def test_a_loss_of_several_terms_is_shown_once(minigen, data):
    result = minigen("train", "sparse-ae", "--dataset", data, "--json", *QUICK)
    table = [line.split() for line in result.err.splitlines()]
    rows = {row[0]: row for row in table if row and row[0] in ("term", "loss", "reconstruction", "sparsity")}
    assert rows["term"] == ["term", "value", "weight", "share", "unit"]
    assert [len([row for row in table if row and row[0] == name]) for name in rows] == [1, 1, 1, 1]
    ledger = json.loads(result.out)["ledger"]
    assert ledger["reconstruction"]["share"] + ledger["sparsity"]["share"] == pytest.approx(1)
    assert (ledger["sparsity"]["weight"], ledger["sparsity"]["of"], ledger["loss"]["of"]) == (1, "loss", None)
    plain = minigen("train", "ae", "--dataset", data, *QUICK)
    assert "share" not in plain.out  # one term has nothing to be weighed against
