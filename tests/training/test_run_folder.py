"""Run folders: there in one step or not at all, never over anything, and locked while in use."""

import os

import pytest

from minigen.training.run_folder import RunFolder, RunFolderError, choose_path, new_run_folder


def fill(folder):
    folder.write_config({"model": "ae", "limit": None, "lr": 1e-3})


def test_a_new_folder_appears_whole(tmp_path):
    path = tmp_path / "a" / "b"
    with new_run_folder(path) as folder:
        fill(folder)
        assert not path.exists()
    assert folder.path == path and folder.read_config() == {"model": "ae", "lr": 1e-3}
    assert folder.samples.is_dir() and os.listdir(path.parent) == ["b"]


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_run_folder(tmp_path / "runs" / "b") as folder:
        fill(folder)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with (
        pytest.raises(RunFolderError, match="cannot make the output folder .*: No space"),
        new_run_folder(tmp_path / "runs" / "b"),
    ):
        raise OSError(28, "No space left")
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_used_even_when_one_stands_in_it(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with new_run_folder(choose_path(".", "ae", "glyphs")) as folder:
        fill(folder)
    assert sorted(os.listdir()) == ["checkpoints", "config.toml", "samples"]
    assert RunFolder(".").read_config()["model"] == "ae"
    assert os.listdir(tmp_path) == ["here"]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(RunFolderError, match=r"full exists and is not empty; .*Choose another --out$"):
        choose_path(tmp_path / "full", "ae", "glyphs")
    fill(RunFolder(tmp_path / "full"))  # now it is a run
    with pytest.raises(RunFolderError, match=r"--out, or go on with that run: --resume .*full$"):
        choose_path(tmp_path / "full", "ae", "glyphs")
    with pytest.raises(RunFolderError, match="exists and is a file"):
        choose_path(tmp_path / "full" / "x", "ae", "glyphs")
    path = tmp_path / "late"
    with pytest.raises(RunFolderError, match="appeared while"), new_run_folder(path) as folder:
        fill(folder)
        path.write_text("somebody was faster")
    assert path.read_text() == "somebody was faster"
    assert sorted(os.listdir(tmp_path)) == ["full", "late"]


def test_names_of_their_own_get_a_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = choose_path(None, "ae", "/data/faces.npz")
    assert path.parent.name == "runs" and path.name.startswith("ae-faces-20")
    names = []
    for _ in range(3):
        with new_run_folder(path, rename=True) as folder:
            fill(folder)
        names.append(folder.path)
    assert names == [path, path.with_name(path.name + "-2"), path.with_name(path.name + "-3")]
    assert all(RunFolder(name).read_config() for name in names)


def test_what_is_no_run(tmp_path):
    with pytest.raises(RunFolderError, match="nope does not exist"):
        RunFolder(tmp_path / "nope").read_config()
    with pytest.raises(RunFolderError, match=r"has no config\.toml, so it is no run"):
        RunFolder(tmp_path).read_config()
    for damage in (b"model = ", b"\xff\xff"):
        (tmp_path / "config.toml").write_bytes(damage)
        with pytest.raises(RunFolderError, match=r"cannot read .*config\.toml"):
            RunFolder(tmp_path).read_config()
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunFolderError, match="cannot make the output folder .*Not a directory"),
        new_run_folder(tmp_path / "file" / "run"),
    ):
        pass


def test_one_process_at_a_time(tmp_path):
    pytest.importorskip("fcntl", reason="this system has no flock")
    folder = RunFolder(tmp_path)
    with folder.lock(), pytest.raises(RunFolderError, match="another process is training in"), folder.lock():
        pass
    with folder.lock():
        pass


def test_leftovers_are_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.last.parent.mkdir()
    for path in (tmp_path / ".config.toml.77.tmp", folder.last.parent / ".minigen-0123456789abcdef.tmp"):
        path.write_text("half")
    folder.last.write_text("whole")
    folder.write_config({"seed": 0})
    folder.tidy({"seed": 0, "limit": None})
    assert not list(tmp_path.glob("**/*.tmp")) and folder.last.exists() and folder.samples.is_dir()
    assert folder.read_config() == {"seed": 0}
