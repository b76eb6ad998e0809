"""What the server of `minigen watch` answers, and the page as one file.

Read next: ``../pages/test_watch_page.py``.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard.folders import HEADER, batch, contents, finding, folder

from minigen.dashboard import Watched, find_runs, page, routes, snapshot
from minigen.serving import Refused, Request
from minigen.serving.messages import encode


def unpacked(x: dict[str, Any]) -> Any:
    return np.frombuffer(base64.b64decode(x["data"]), x["dtype"]).reshape(x["shape"])


def payload(html: str) -> Any:
    (found,) = re.findall(r'<script type="application/json" id="payload">(.*?)</script>', html, re.S)
    return json.loads(found)


def ask(asked: Any, path: str, **query: str) -> Any:
    return asked[f"GET {path}"](Request(path, query))


def test_curves_are_the_numbers_of_the_table(tmp_path: Path) -> None:
    rows = [batch(1, 3, 2, 1), batch(2, 5, "nan", ""), batch(2, 4, 2, 2, split="train"), batch(3, 1e300, 2, "-inf")]
    run = Watched(folder(tmp_path / "run", rows), "run")
    found = page.curves(run)
    assert (found["rows"], found["damaged"]) == (4, 0)
    assert {term: list(splits) for term, splits in found["terms"].items()} == {
        "loss": ["batch", "train"], "reconstruction": ["batch", "train"], "kl": ["batch", "train"]
    }  # fmt: skip
    loss = {name: unpacked(x) for name, x in found["terms"]["loss"]["batch"].items()}
    assert loss["first"].tolist() == loss["last"].tolist() == [1, 2, 3] and loss["seconds"].tolist() == [
        0.25,
        0.5,
        0.75,
    ]
    assert loss["mean"][:2].tolist() == [3, 5] and loss["mean"][2] == np.finfo(np.float32).max
    reconstruction = {name: unpacked(x) for name, x in found["terms"]["reconstruction"]["batch"].items()}
    assert reconstruction["nan"].tolist() == [0, 1, 0] and np.isnan(reconstruction["mean"][1])
    kl = {name: unpacked(x) for name, x in found["terms"]["kl"]["batch"].items()}
    assert kl["last"].tolist() == [1, 3] and kl["below"].tolist() == [0, 1]  # a row without the term has no place
    few = page.curves(run, 1)["terms"]["loss"]["batch"]
    assert unpacked(few["count"]).tolist() == [3] and unpacked(few["low"]).tolist() == [3]
    encode(found)


def test_what_a_page_may_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "runs" / "a", [batch(k, k, 2, 1) for k in range(1, 3001)], pictures=2)
    asked = routes(lambda: find_runs(["runs"]))
    assert ask(asked, "/").startswith("<!doctype html>")
    curves = ask(asked, "/curves", run="runs/a")
    assert len(unpacked(curves["terms"]["loss"]["batch"]["mean"])) == 1000
    curves = ask(asked, "/curves", **{"run": "runs/a", "from": "100", "to": "200.5", "most": "7"})
    loss = curves["terms"]["loss"]["batch"]
    assert unpacked(loss["first"])[0] == 99 and unpacked(loss["last"])[-1] == 201 and len(unpacked(loss["last"])) == 7
    assert ask(asked, "/picture", run="runs/a", name="epoch_002").content_type == "image/png"
    assert ask(asked, "/about", run="runs/a")["units"]["loss"]
    for path, query, why in [
        ("/curves", {"run": "runs/b"}, "there is no run runs/b"),
        ("/curves", {"run": ".."}, "there is no run .."),
        ("/curves", {}, "/curves needs run=..."),
        ("/curves", {"run": "runs/a", "most": "many"}, "most is 'many', no number"),
        ("/curves", {"run": "runs/a", "from": "nan"}, "from is 'nan', no number"),
        ("/picture", {"run": "runs/a", "name": "../config"}, "runs/a has no picture '../config'"),
    ]:
        with pytest.raises(Refused, match=re.escape(why)):
            ask(asked, path, **query)


def test_events_tell_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "runs" / "a")
    events = ask(routes(lambda: find_runs(["runs"])), "/events").items
    first = next(events)
    assert first["names"] == ["runs/a"] and first["changed"][0]["model"] == "vae"
    encode(first)
    assert [next(events), next(events)] == [None, None]
    folder(tmp_path / "runs" / "b")
    assert next(events)["names"] == ["runs/a", "runs/b"] and next(events) is None
    with open("runs/a/metrics.csv", "a") as file:
        file.write(batch(9, 1, 1, 1) + "\n")
    told = next(events)
    assert [run["name"] for run in told["changed"]] == ["runs/a"] and told["changed"][0]["step"] == 9
    assert next(events) is None
    shutil.rmtree("runs/b")
    assert next(events)["names"] == ["runs/a"] and next(events) is None
    shutil.rmtree("runs")  # nothing is left to look at: it waits
    assert [next(events), next(events)] == [None, None]


def test_a_snapshot_holds_everything_and_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = folder(
        tmp_path / "runs" / "<!--<script>&",
        [batch(1, 3, 2, 1)],
        [{"step": 1, "epoch": 1, "doctor": finding()}],
        pictures=3,
    )
    before = contents(path)
    html = snapshot(find_runs(["runs"]))
    assert contents(path) == before
    held = payload(html)
    (run,) = held["runs"]
    assert run["summary"]["name"] == "runs/<!--<script>&" and "<!--<script>&" not in html
    assert unpacked(run["curves"]["terms"]["loss"]["batch"]["mean"]).tolist() == [3]
    assert run["summary"]["journal"][0]["doctor"]["findings"][0]["disease"] == "posterior collapse"
    assert list(run["pictures"]) == run["summary"]["samples"] == ["epoch_001", "epoch_002", "epoch_003"]
    png = base64.b64decode(run["pictures"]["epoch_002"].partition(",")[2])
    assert png == (path / "samples" / "epoch_002.png").read_bytes()
    assert not re.search(r"""(?:src|href)=["']?(?!data:)\w+:""", html)


def test_pictures_beyond_the_room_are_left_out_evenly_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path / "run", pictures=20)
    size = (path / "samples" / "epoch_001.png").stat().st_size
    monkeypatch.setattr(page, "PICTURES", 8 * size)
    run = payload(snapshot([Watched(path, "run")]))["runs"][0]
    kept = run["summary"]["samples"]
    assert 3 <= len(kept) <= 6 and kept[0] == "epoch_001" and kept[-1] == "epoch_020"
    assert run["summary"]["notes"] == [f"{20 - len(kept)} of 20 pictures are left out of this file"]


def test_a_snapshot_of_a_long_run_is_small(tmp_path: Path) -> None:
    path = folder(tmp_path / "run", [])
    lines = "\n".join(f"{k},1,batch,{k}.5,{k % 97}.25,2.5,0.125" for k in range(1, 300_001))
    (path / "metrics.csv").write_text(f"{HEADER}\n{lines}\n")
    assert len(snapshot([Watched(path, "run")])) < 1_500_000


def test_a_file_names_no_folder_above_the_runs(tmp_path: Path) -> None:
    paths = [folder(tmp_path / "secret" / "runs" / name) for name in ("a", "b")]
    found = payload(snapshot(find_runs([str(path) for path in paths])))
    assert [run["summary"]["name"] for run in found["runs"]] == ["a", "b"]
    assert payload(snapshot(find_runs([str(paths[0])])))["runs"][0]["summary"]["name"] == "a"
    assert "secret" not in snapshot(find_runs([str(tmp_path / "secret" / "runs")]))
