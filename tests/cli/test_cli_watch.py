"""``minigen watch``, as a user calls it: what it writes, what it says of a wrong argument, and that it ends cleanly."""

import http.client
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from dashboard.folders import contents, folder
from training.runs import spawn


@pytest.fixture
def runs(minigen):
    for name in ("a", "b"):
        folder(Path("runs") / name)
    return Path("runs")


@pytest.mark.parametrize(("target", "written"), [("page.html", "page.html"), ("page", "page/index.html")])
def test_the_page_as_a_file(minigen, runs, target, written):
    before = contents(runs)
    result = minigen("watch", "-o", target)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(rf"{written}: 0\.\d MB, 2 runs as of now; open it in a browser\n", result.out)
    html = Path(written).read_text()
    assert html.startswith("<!doctype html>") and html.count("runs/a") and contents(runs) == before
    assert minigen("watch", "runs/b", "-o", target).out.startswith(f"{written}: 0.")  # an old page is replaced
    assert "runs/a" not in Path(written).read_text()


def test_wrong_arguments_are_one_line(minigen, runs):
    Path("mine.html").write_text("my notes")
    for words, code, why in [
        (["nowhere"], 1, "nowhere does not exist. `minigen train` makes a run folder"),
        (["runs/a/samples"], 1, "runs/a/samples holds no run."),
        (["runs/a/config.toml"], 1, "is a file."),
        (["-o", "x.png"], 2, "take a name that ends in .html"),
        (["-o", ""], 2, "-o must not be empty"),
        (["-o", "mine.html"], 1, "it exists and is no HTML page; take another name, or --force"),
        (["-o", "runs/a/samples/x.html"], 1, "it is a file of the run in runs/a"),
        (["-o", "no/such/x.html"], 1, "there is no folder"),
        (["--port", "99999999"], 2, "99999999 is not in the range 1<=x<=65535"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1, port any: "),
        (["--hosts", "x"], 2, "unknown option '--hosts'"),
    ]:
        result = minigen("watch", *words)
        assert result.code == code and result.out == "" and why in result.err.replace(str(Path.cwd()) + "/", ""), words
        assert result.err.startswith("minigen: ") and result.err.count("\n") == 1
    assert Path("mine.html").read_text() == "my notes"
    os.chdir("runs/a")
    assert minigen("watch").err.startswith("minigen: error: runs does not exist. ")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent another way there")
def test_it_serves_until_ctrl_c(minigen, runs, tmp_path):
    process = spawn("watch", "runs", "--no-browser", cwd=tmp_path, LC_ALL="C.UTF-8")
    line = process.stdout.readline()
    port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends it\)\n", line)[1])
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    stream.request("GET", "/events")
    answer = stream.getresponse()
    event = json.loads(answer.readline().removeprefix(b"data: "))
    assert event["names"] == ["runs/a", "runs/b"]
    process.send_signal(signal.SIGINT)  # while a page is open
    out, err = process.communicate(timeout=60)
    stream.close()
    assert (process.returncode, out, err) == (0, "\n", "")


def test_another_host_is_warned_of(minigen, runs, monkeypatch):
    monkeypatch.setattr("minigen.serving.Server.wait", lambda self: None)
    result = minigen("watch", "--host", "0.0.0.0", "--no-browser")
    assert result.code == 0 and "everybody who can reach this machine can use the page" in result.err
    assert re.match(r"http://127\.0\.0\.1:\d+/", result.out)
    assert minigen("watch", "--no-browser").err == ""


@pytest.mark.parametrize(("screen", "opened"), [({"DISPLAY": ":0"}, 1), ({}, 0)])
def test_the_browser_is_opened_where_there_is_a_screen(minigen, runs, monkeypatch, screen, opened):
    asked = []
    monkeypatch.setattr("minigen.serving.Server.wait", lambda self: None)
    monkeypatch.setattr("webbrowser.open", asked.append)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in screen.items():
        monkeypatch.setenv(name, value)
    address = minigen("watch").out.split()[0]
    assert asked == [address] * opened
    minigen("watch", "--no-browser")
    assert len(asked) == opened


def test_it_is_listed(minigen):
    assert re.search(r"^  watch +Watch runs in the browser", minigen("--help").out, re.M)
