"""Where commands may write: never over a run or what they read, and only over files of their own kind."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigen.cli.output import PNG, Output
from minigen.pictures import save_png

WRITERS = {
    "encode": ("encode", "RUN", "-o", "OUT"),
    "reconstruct": ("reconstruct", "RUN", "-n", 2, "-o", "OUT"),
    "sample": ("sample", "RUN", "--density", "gaussian", "-n", 2, "-o", "OUT"),
    "compare": ("compare", "RUN", "RUN", "--samples", 0, "-o", "OUT"),
    "gradcheck": ("gradcheck", "doubling.py:twice", "--plot", "OUT"),
    "gradcheck a module": ("gradcheck", "doubling:twice", "--plot", "OUT"),
}
VICTIMS = (
    "run/config.toml", "run/env.json", "run/metrics.csv", "run/checkpoints/last.safetensors",
    "run/checkpoints/best.safetensors", "run/samples/epoch_001.png", "other/config.toml", "other/samples/epoch_001.png",
    "images.npz", "doubling.py",
)  # fmt: skip


@pytest.fixture
def place(minigen, data, tmp_path):
    """The current folder: two runs of one data set, and a layer."""
    shutil.copy(data, "images.npz")
    words = "train denoising-ae --epochs 1 --batch-size 16 --latent 4 --dataset images.npz".split()
    assert minigen(*words, "--out", "run").code == 0
    shutil.copytree("run", "other")
    Path("doubling.py").write_text("def twice(x):\n    return x * 2\n")
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()}


def words_of(command, out):
    return [{"RUN": "run", "OUT": out}.get(word, word) for word in WRITERS[command]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    command=st.sampled_from(sorted(WRITERS)),
    victim=st.sampled_from(VICTIMS),
    way=st.sampled_from(["itself", "absolute", "dotted", "symbolic link", "link to a link", "hard link"]),
    force=st.booleans(),
)
def test_runs_and_inputs_stay_as_they_are(minigen, place, command, victim, way, force):
    reads = ("doubling.py",) if command.startswith("gradcheck") else ("images.npz", "run/")
    if victim in ("images.npz", "doubling.py") and victim not in reads:
        return  # a layer reads no images, and the other way round
    links = [place / "one.png", place / "two.png"]
    out = {"itself": victim, "absolute": str(place / victim), "dotted": f"run/../{victim}"}.get(way, "one.png")
    if "link" in way:
        os.link(place / victim, links[0]) if way == "hard link" else links[0].symlink_to(place / victim)
    if way == "link to a link":
        links[1].symlink_to(links[0])
        out = "two.png"
    if way == "hard link" and not victim.startswith(reads):
        force = False  # whose file it is cannot be known; it is of another kind, or a picture
        if victim.endswith(".png"):
            links[0].unlink()
            return
    before = contents(place)
    result = minigen(*words_of(command, out), *(["--force"] if force else []))
    assert result.code in (1, 2) and len(result.err.splitlines()) == 1, result
    assert ("cannot write" in result.err) or "take a name that ends in" in result.err, result
    assert contents(place) == before
    for link in links:
        link.unlink(missing_ok=True)


def test_files_of_their_own_kind_are_replaced_others_only_by_force(minigen, place):
    for command in WRITERS:
        out = "x.npz" if command == "encode" else "x.png"
        for content, replaced in ((b"my notes", False), (b"", True)):
            Path(out).write_bytes(content)
            result = minigen(*words_of(command, out))
            assert (result.code == 0) == replaced, (command, result)
            if not replaced:
                assert "exists and is no " in result.err and "--force" in result.err
                assert Path(out).read_bytes() == content
        assert minigen(*words_of(command, out)).code == 0  # what it wrote itself
        Path(out).write_bytes(b"my notes")
        assert minigen(*words_of(command, out), "--force").code == 0 and Path(out).stat().st_size > 50
    assert minigen(*words_of("sample", "y.npz")).code == 0
    np.savez("z.npz", images=np.zeros((3, 4, 4), np.uint8))  # arrays, but somebody's data
    for command in ("sample", "encode"):
        result = minigen(*words_of(command, "z.npz"))
        assert result.code == 1 and "z.npz: it exists and is no file of " in result.err
    assert minigen(*words_of("sample", "y.npz")).code == 0


def test_names_that_a_run_may_yet_write(minigen, place):
    Path("run/checkpoints/best.safetensors").unlink()
    Path("link.npz").symlink_to("run/checkpoints/best.safetensors")
    for out in ("run/checkpoints/best.safetensors", "link.npz"):
        result = minigen(*words_of("encode", out))
        assert result.code == 1 and "it is a file of the run in" in result.err
    assert minigen(*words_of("encode", "run/codes.npz")).code == 0  # beside them there is room


def test_pictures_that_a_run_was_trained_on(minigen, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Path("photos", name).mkdir(parents=True)
        for i in range(12):
            save_png(rng.integers(0, 256, (4, 4), dtype=np.uint8), Path("photos", name, f"{i}.png"), scale=1)
    words = ("train", "linear-ae", "--latent", 2, "--dataset", "./photos", "--epochs", 1, "--batch-size", 4)
    result = minigen(*words, "--out", "photos/run")
    assert result.code == 1 and "would lie in the data set" in result.err and not Path("photos/run").exists()
    assert minigen(*words, "--out", "run").code == 0
    os.link("photos/b/3.png", "linked.png")
    before = contents(tmp_path)
    for out in ("photos/a/0.png", "photos/b/new.png", "linked.png"):
        result = minigen(*words_of("reconstruct", out), "--force")
        assert result.code == 1 and "which this command reads" in result.err, result
    assert contents(tmp_path) == before


def test_a_file_that_appears_while_a_command_works(tmp_path):
    output = Output(str(tmp_path / "x.png"), {".png": PNG}, force=False)
    (tmp_path / "x.png").write_text("somebody's notes")
    with pytest.raises(OSError, match="exists and is no PNG picture"):
        output.write(b"\x89PNG")
    assert (tmp_path / "x.png").read_text() == "somebody's notes"
