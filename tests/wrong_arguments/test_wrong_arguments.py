"""Every public name, with one argument after another wrong: it has a result, or an error that names what was called.

Read next: ``wrong_argument_rows.py``.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wrong_arguments.wrong_argument_rows as wrong_argument_rows
from wrong_arguments.wrong_argument_rows import ROWS, Row
from wrong_arguments.wrong_argument_weights import write_files

import minigen
from minigen import data, losses, nn, ops, optim, weights
from minigen.autograd import Tensor
from minigen.gradcheck import GradientMismatch

WRONG: dict[str, Any] = {
    "None": None,
    "text": "a",
    "bytes": b"a",
    "1.5": 1.5,
    "-1": -1,
    "0": 0,
    "-5": -5,
    "True": True,
    "NaN": float("nan"),
    "inf": float("inf"),
    "1j": 1j,
    "[]": [],
    "()": (),
    "{}": {},
    "[1, 2]": [1, 2],
    "(1, 'a')": (1, "a"),
    "[[1], [1, 2]]": [[1], [1, 2]],
    "[None]": [None],
    "array": np.ones((2, 3), np.float32),
    "array of one": np.array(1),
    "array of text": np.array(["a", "b"]),
    "array of objects": np.array([None, 1], object),
    "masked array": np.ma.masked_less([1.0, 2.0], 1.5),
    "Tensor of another shape": Tensor(np.ones((7, 5), np.float32)),
    "Tensor of another dtype": Tensor(np.ones((2, 3))),
    "Tensor of whole numbers": Tensor(np.ones((2, 3), np.int32)),
    "Tensor of one": Tensor(1.0),
    "empty Tensor": Tensor(np.ones((0,), np.float32)),
    "empty images": Tensor(np.ones((0, 0, 0, 0), np.float32)),
    "object": object(),
    "class": int,
    "set": {1},
}

#: Arguments that are called: what they raise is theirs.
FUNCTIONS = ("activation", "weight_init", "fn", "first", "derivative_of")

#: Names without a row: what is no function, has no arguments, or is the user's to fill. The errors of `train`,
#: `open_run` and `Run` have the words of the command, and are in ``tests/runs``.
WITHOUT_ROW = {
    "nn.ShapeError", "losses.Reduction", "optim.Group", "optim.Optimizer", "optim.Schedule",
    "weights.CONVENTIONS", "weights.Convention", "weights.Plan", "weights.SUFFIXES",
    "data.NAMES", "data.Batch", "data.DownloadError", "data.cache_folder", "mg.Function", "mg.FusedFunction",
    "mg.autograd", "mg.CheckpointError", "mg.ConfigError", "mg.cuda_status", "mg.distributed", "mg.explore",
    "mg.GradientError", "mg.GradientMismatch", "mg.Logger", "mg.losses", "mg.manual_seed", "mg.nn", "mg.no_grad",
    "mg.NonFiniteLoss", "mg.onnx", "mg.open_run", "mg.ops", "mg.optim", "mg.Run", "mg.RunFolderError", "mg.train",
    "mg.weights",
}  # fmt: skip

#: Words of Python, NumPy and Numba about what stands inside of the project.
INNER = re.compile(
    "'NoneType'|not subscriptable|truth value|index out of range|unpack|only 0-dimensional|only length-1|"
    "not supported between|unexpected keyword|has no attribute|not iterable|has no len|not callable|unhashable|"
    "bad operand|unsupported operand|must be real number|must be str|could not convert|inhomogeneous|"
    "object cannot be|required argument|no matching function|TypingError|strides|converting|"
    "positional argument|reduce\\(\\)|ufunc|is not a valid value|data type"
)


def complaint(row: Row, error: BaseException) -> str:
    """What is wrong with an error; "" if nothing is."""
    text = str(error)
    if isinstance(error, FileNotFoundError) and row.name.startswith("data."):
        return ""  # a path that leads nowhere
    if not isinstance(error, (ValueError, TypeError, IndexError)) or isinstance(error, UnicodeError):
        return "its kind"
    if not any(plain(name) in plain(text) for name in row.names):
        return "no name"
    if INNER.search(text):
        return "words from inside"
    return ""


def plain(name: str) -> str:
    """An operation and the Function behind it have one name, written in two ways: log_softmax, LogSoftmax."""
    return name.lower().replace("_", "")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a name that happens to be legal must not leave a file in the project
    (tmp_path / "idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 6]))
    monkeypatch.setattr(wrong_argument_rows, "IDX", str(tmp_path / "idx"))
    monkeypatch.setattr(wrong_argument_rows, "SAVED", str(tmp_path / "saved"))
    wrong_argument_rows.mg.save({"a": np.ones(3)}, tmp_path / "saved")
    write_files()
    if find_spec("onnx.helper"):  # the folder of its tests is called onnx, too
        files = import_module("onnx_files")
        made = files.model([files.node("Relu", "x")], {"x": ["N"]})
        monkeypatch.setattr(wrong_argument_rows, "ONNX", str(files.saved(made, tmp_path)))


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_one_wrong_argument_has_a_result_or_a_clear_error(row: Row) -> None:
    if row.name in ("weights.write (Keras)", "weights.read_keras") and not find_spec("h5py"):
        pytest.skip("h5py is not installed: it reads and writes Keras' files")
    faults = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        row.call(**row.make())
        for argument in row.make():
            for called, value in WRONG.items():
                if called == "class" and argument in FUNCTIONS:
                    continue
                try:
                    row.call(**{**row.make(), argument: value})
                except GradientMismatch:
                    assert row.name == "mg.gradcheck"  # its answer
                except Exception as error:
                    if what := complaint(row, error):
                        faults.append(f"{argument} = {called}: {what}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)


def test_every_public_name_has_a_row() -> None:
    rooms = {"ops": ops, "nn": nn, "losses": losses, "optim": optim, "data": data, "mg": minigen, "weights": weights}
    names = {f"{room}.{name}" for room, module in rooms.items() for name in module.__all__}
    with_row = {".".join(row.name.partition(" ")[0].split(".")[:2]) for row in ROWS}
    assert names - with_row == WITHOUT_ROW
