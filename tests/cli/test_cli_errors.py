"""Bad input: one line on stderr, the right exit code, no traceback, and nothing half-written."""

import gzip
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minigen import device, nn, serialization
from minigen.algorithms.catalog import MODELS
from minigen.cli.app import describe


def is_one_line(result):
    lines = result.err.splitlines()
    return len(lines) == 1 and lines[0].startswith("minigen: error: ") and "Traceback" not in result.out


TRAIN = ("train", "ae", "--dataset", "DATA", "--batch-size", 16, "--epochs", 1)

USAGE = {
    ("trian",): "unknown command 'trian'. Did you mean 'train'?",
    ("train",): "which model? minigen train MODEL, with one of ae, ",
    ("train", "convae"): "unknown model 'convae'. Did you mean 'conv-ae'?",
    ("train", "ae", "more"): "Got unexpected extra argument (more)",
    ("train", "ae", "--epocs", 3): "unknown option '--epocs'. Did you mean '--epochs'?",
    ("train", "ae", "--epochs"): "Option '--epochs' requires an argument",
    ("train", "ae", "--epochs", "many"): "'many' is not a valid integer",
    ("train", "ae", "--epochs", 0): "--epochs must be at least 1, got 0",
    ("train", "ae", "--batch-size", -3): "--batch-size must be at least 1, got -3",
    ("train", "ae", "--max-steps", 0): "--max-steps must be at least 1, got 0",
    ("train", "ae", "--seed", -1): "--seed must be at least 0, got -1",
    ("train", "ae", "--threads", 0): "--threads must be at least 1, got 0",
    ("train", "ae", "--lr", 0): "--lr must be greater than 0, got 0.0",
    ("train", "ae", "--lr", "nan"): "--lr must be",
    ("train", "ae", "--loss", "mea"): "--loss must be mse or bce, got 'mea'. Did you mean 'mse'?",
    ("train", "ae", "--validation", 0.7): "--validation must be at most 0.5, got 0.7",
    ("train", "ae", "--dataset", "fashion-mnits"): "unknown data set 'fashion-mnits'. Did you mean 'fashion-mnist'?",
    ("train", "ae", "--corruption", "masking"): "has no option --corruption; these have it: denoising-ae",
    ("train", "linear-ae", "--loss", "bce", "--dataset", "DATA", "--batch-size", 9): "use --loss mse",
    ("train", "ae", "--dataset", ""): "--dataset must not be empty",
    ("train", "ae", "--dataset", "mnist", "--letters"): "--letters is an option of the data set 'glyphs'",
    ("train", "ae", "--image-size", 32): "--image-size is an option of folders of pictures, not of 'glyphs'",
    ("train", "ae", "--out", ""): "--out must not be empty",
    ("train", "--resume", ""): "--resume must not be empty",
    (*TRAIN, "--batch-size", 100): "--batch-size 100 is larger than the 77 images",
    ("train", "--resume", "RUN", "--config", "x.toml"): "leave --config and --out out",
    ("reconstruct",): "Missing argument 'RUN'",
    ("reconstruct", "RUN"): "Missing option '-o'",
    ("reconstruct", "RUN", "-o", ""): "-o must not be empty",
    ("reconstruct", "RUN", "-o", "x.jpg"): "pictures are written as PNG; take a name that ends in .png",
    ("reconstruct", "RUN", "-o", "x.png", "-n", 0): "0 is not in the range x>=1",
    ("reconstruct", "RUN", "-o", "x.png", "-n", 99): "-n 99: the split 'test' has 9 images",
    ("reconstruct", "RUN", "-o", "x.png", "--checkpoint", "first"): "'first' is not one of 'best', 'last'",
    ("evaluate", "RUN", "--jsn"): "unknown option '--jsn'. Did you mean '--json'?",
}


@pytest.mark.parametrize("words", USAGE, ids=lambda words: " ".join(map(str, words)))
def test_wrong_usage(minigen, data, trained, tmp_path, words):
    result = minigen(*({"DATA": data, "RUN": trained}.get(word, word) for word in words))
    assert result.code == 2 and is_one_line(result), result
    assert USAGE[words] in result.err
    assert not list(tmp_path.iterdir())


OTHER = {
    (*TRAIN, "--out", "/proc/minigen"): "cannot make the output folder /proc/minigen",
    (*TRAIN, "--out", "DATA"): "exists and is a file; nothing is ever overwritten",
    (*TRAIN, "--out", "RUN"): "exists and is not empty; nothing is ever overwritten. Choose another --out",
    ("train", "ae", "--dataset", "missing/file.npz"): "there is no file or folder missing/file.npz",
    ("train", "ae", "--dataset", "./missing"): "there is no file or folder missing",
    ("train", "ae", "--config", "missing.toml"): "cannot read the settings in missing.toml: No such file or directory",
    ("train", "ae", "--dataset", "mnist", "--data-dir", "missing"): "missing, which is no folder",
    (*TRAIN, "--data-dir", "missing"): "missing, which is no folder",
    ("train", "--resume", "missing"): "run folder missing does not exist",
    ("train", "--resume", "."): "has no config.toml, so it is no run",
    ("evaluate", "missing"): "run folder missing does not exist",
    ("encode", "RUN", "-o", "missing/codes.npz"): "cannot write missing/codes.npz: there is no folder",
    ("encode", "RUN", "-o", "."): "cannot write .: it is a folder",
    ("reconstruct", "RUN", "-o", "/dev/null"): "cannot write /dev/null: it is no ordinary file",
}


@pytest.mark.parametrize("words", OTHER, ids=lambda words: " ".join(map(str, words)))
def test_what_else_can_fail(minigen, data, trained, tmp_path, words):
    result = minigen(*({"DATA": data, "RUN": trained}.get(word, word) for word in words))
    assert result.code == 1 and is_one_line(result), result
    assert OTHER[words] in result.err
    assert not list(tmp_path.iterdir())


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES, LABELS = np.zeros((40, 6, 6), np.uint8), np.zeros(40, np.uint8)
BAD_DATA = {
    "a truncated IDX file": (idx(IMAGES)[:-5], idx(LABELS)),
    "a wrong magic": (b"\x12\x34" + idx(IMAGES)[2:], idx(LABELS)),
    "another number of labels": (idx(IMAGES), idx(LABELS[:-1])),
    "no images": (idx(IMAGES[:0]), idx(LABELS[:0])),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("zipped", [False, True])
def test_bad_idx_files(minigen, name, zipped):
    for file, content in zip(("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), BAD_DATA[name]):
        Path("folder").mkdir(exist_ok=True)
        data = gzip.compress(content) if zipped else content
        (Path("folder") / (file + (".gz" if zipped else ""))).write_bytes(data)
    result = minigen("train", "ae", "--dataset", "./folder", "--out", "run")
    assert result.code == 1 and is_one_line(result) and "folder" in result.err, result
    assert not Path("run").exists()


def test_nan_in_the_data(minigen):
    images = np.zeros((40, 6, 6), np.float32)
    images[7, 1, 2] = np.nan
    np.save("images.npy", images)
    result = minigen("train", "ae", "--dataset", "images.npy", "--out", "run")
    assert result.code == 1 and is_one_line(result) and "nan at index (7, 0, 1, 2)" in result.err
    assert not Path("run").exists()


@pytest.mark.parametrize("name", ["integers", "labels"])
def test_a_wrong_type_in_a_file_is_not_called_a_bug(minigen, name):
    arrays = {
        "integers": {"images": np.zeros((40, 6, 6), np.int32)},
        "labels": {"images": np.zeros((40, 6, 6), np.float32), "labels": np.full(40, 0.5)},
    }[name]
    np.savez("images.npz", **arrays)
    result = minigen("train", "ae", "--dataset", "images.npz")
    assert result.code == 1 and is_one_line(result), result
    assert result.err.startswith("minigen: error: /") and "; save " in result.err


def test_test_images_that_do_not_fit_the_model(minigen):
    x = np.random.default_rng(0).random((40, 6, 6))
    data = Path("both.npz").absolute()
    for run, test, message in [
        ("one", x[:9, :5, :5], f"the test images of {data} have the image shape [1, 5, 5], but one/checkpoints/best"),
        ("two", x[:9] * 2 - 1, f"{data}: x_train) in [0, 1]; save both in one range"),
    ]:
        np.savez(data, x_train=x, x_test=test)
        words = ("--batch-size", 16, "--max-steps", 1, "--out", run)
        assert minigen("train", "ae", "--dataset", data, *words).code == 0
        result = minigen("evaluate", run)
        assert result.code == 1 and is_one_line(result) and message in result.err, result


def test_a_run_that_may_not_be_read(minigen, trained, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(serialization, "open", refuse, raising=False)
    result = minigen("evaluate", trained)
    assert result.code == 1 and is_one_line(result) and "best.safetensors: Permission denied" in result.err


def test_an_output_stream_that_is_closed(minigen, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert minigen("list").code == 0


def test_config_files(minigen):
    for text, message in {
        "epochss = 3": "c.toml: unknown setting 'epochss'. Did you mean 'epochs'?",
        "epochs = 0": "c.toml: epochs must be at least 1, got 0",
        "epochs = 1.5": "c.toml: epochs must be a whole number, got 1.5",
        "[train]\nepochs = 3": "c.toml: [train]: settings stand in no section; leave such headings out",
        "batch_size = 3\nbatch-size = 4": "c.toml: batch_size stands there twice",
        "dataset = ''": "c.toml: dataset must not be empty",
        "contraction = 1": "model 'ae' has no option --contraction; these have it: contractive-ae",
        "epochs =": "c.toml is no TOML file",
    }.items():
        Path("c.toml").write_text(text)
        result = minigen("train", "ae", "--config", "c.toml")
        assert result.code == 2 and is_one_line(result) and message in result.err, result
    Path("c.toml").write_text('model = "aee"')
    assert "unknown model 'aee'" in minigen("train", "--config", "c.toml").err


def test_a_model_is_named_once(minigen, data):
    result = minigen("train", "linear-ae", "--dataset", data, "--batch-size", 9, "--loss", "bce")
    assert result.code == 2 and result.err.count("linear-ae") == 1, result
    np.savez("nameless.npz", images=np.load(data)["images"])
    result = minigen("train", "cvae", "--dataset", "nameless.npz", "--batch-size", 9)
    assert result.code == 2 and result.err.startswith("minigen: error: cvae needs labels"), result


def test_damaged_runs(minigen, trained):
    def damaged(name, change):
        for path in trained.rglob("*"):
            if path.is_file():
                target = Path("run") / path.relative_to(trained)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        path = Path("run") / name
        path.write_bytes(change(path.read_bytes()))

    last, best = "checkpoints/last.safetensors", "checkpoints/best.safetensors"
    for name, change, message in [
        (last, lambda b: b[:-1], "last.safetensors is damaged"),
        (last, lambda b: b"", "last.safetensors is damaged"),
        (last, lambda b: struct.pack("<Q", 2**60) + b[8:], "last.safetensors is damaged"),
        ("config.toml", lambda b: b"model = ", "cannot read run/config.toml"),
        ("config.toml", lambda b: b"", "config.toml was damaged"),
        ("config.toml", lambda b: b.replace(b"latent = 4", b"latent = 5"), "latent is 5 there, not 4"),
        ("config.toml", lambda b: b.replace(b"denoising-ae", b"deep-ae"), "config.toml was damaged"),
        ("config.toml", lambda b: b + b"joint_batch = false\n", "has no option 'joint_batch'. To open the run all the"),
        ("config.toml", lambda b: b"\n".join(b.split(b"\n")[1:]), "it names no model"),
    ]:
        damaged(name, change)
        result = minigen("train", "--resume", "run", "--epochs", 2)
        assert result.code == 1 and is_one_line(result) and message in result.err, result
        damaged(name, change)
        damaged(best if name == last else name, change)
        for words in (("evaluate", "run"), ("encode", "run", "-o", "x"), ("reconstruct", "run", "-o", "x")):
            result = minigen(*words)
            assert result.code == 1 and is_one_line(result) and not Path("x").exists(), result
    damaged(best, lambda b: (trained / last).read_bytes())
    assert minigen("evaluate", "run").code == 0  # undamaged files still do


def test_nan_while_training(minigen, data):
    result = minigen("train", "linear-ae", "--dataset", data, "--batch-size", 16, "--lr", 1e25, "--optimizer", "sgd")
    assert result.code == 1 and is_one_line(result), result
    assert "step 2: loss is " in result.err and "the first operation that gave NaN or infinity is " in result.err
    assert "holds step 0" in result.err


def test_wrong_shapes_between_layers_leave_no_folder(minigen, data, monkeypatch):
    original = MODELS["ae"]

    def build(setup):
        experiment = original.build(setup)
        experiment.modules["model"].decoder = nn.Sequential(nn.Dense(9, 36))
        return experiment

    monkeypatch.setitem(MODELS, "ae", replace(original, build=build))
    result = minigen("train", "ae", "--dataset", data, "--batch-size", 16, "--out", "run")
    assert result.code == 1 and is_one_line(result) and not Path("run").exists()
    assert "Dense 'decoder.0': expected input (N, 9), got (16, 64)" in result.err


def test_a_gpu_that_is_not_there(minigen, data, monkeypatch):
    monkeypatch.setattr(device, "cuda_status", lambda: (False, "the driver is asleep"))
    result = minigen("train", "ae", "--dataset", data, "--device", "cuda")
    assert result.code == 1 and is_one_line(result) and "the driver is asleep" in result.err


def test_what_nobody_foresaw_is_one_line_too(minigen, monkeypatch):
    def build(setup):
        raise KeyError("oops")

    monkeypatch.setitem(MODELS, "ae", replace(MODELS["ae"], build=build))
    np.save("images.npy", np.zeros((40, 6, 6), np.float32))
    result = minigen("train", "ae", "--dataset", "images.npy", "--batch-size", 4)
    assert result.code == 1 and is_one_line(result) and "please report it" in result.err
    monkeypatch.setenv("MINIGEN_DEBUG", "1")
    result = minigen("train", "ae", "--dataset", "images.npy", "--batch-size", 4)
    assert result.code == 1 and "Traceback" in result.err and "KeyError: 'oops'" in result.err


def test_errors_of_the_system_name_the_file():
    assert describe(PermissionError(13, "Permission denied", "/x/y")) == "/x/y: Permission denied"
    assert describe(OSError(28, "No space left on device")) == "No space left on device"
    assert describe(MemoryError()).startswith("not enough memory: take")
    with pytest.raises(MemoryError) as info:
        np.empty(2**60, np.uint8)
    assert describe(info.value).startswith("not enough memory (Unable to allocate 1.00 EiB")
    assert describe(ValueError("two\nlines")) == "two lines"
    assert "please report it" in describe(RecursionError("too deep"))


@pytest.mark.parametrize(("missing", "words", "extra"), [
    ("pyarrow.parquet", ("data", "inspect", "a.parquet"), "parquet"),
    ("pyarrow.parquet", ("train", "ae", "--dataset", "a.parquet"), "parquet"),
    ("onnx", ("gradcheck", "a.onnx"), "onnx"),
])  # fmt: skip
def test_a_package_that_is_missing_is_one_line_that_says_how_to_get_it(minigen, monkeypatch, missing, words, extra):
    Path(words[-1]).write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, missing, None)
    result = minigen(*words)
    assert is_one_line(result) and f"pip install 'minigen-engine[{extra}]'" in result.err
    assert "should not happen" not in result.err and result.code in (1, 2)
