"""What a function may do with its inputs: choose places by them; and how it names them, and the networks that it calls.

The reference is NumPy, and onnxruntime on other numbers than those of the example.

Read next: ``minigen/onnx/indexing.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_cases import onnx

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.onnx import ExportError
from minigen.onnx.verify import in_onnxruntime

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(5, 6))
ROWS = np.arange(3)


class Table(nn.Module):
    """Rows of a table, which is a parameter."""

    def __init__(self) -> None:
        self.table = nn.Parameter(TABLE)

    def forward(self, places: Tensor) -> Tensor:
        return self.table[places]


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize(("function", "expected"), [
    (Table(), lambda i: TABLE[i]),
    (lambda i: Tensor(TABLE)[i], lambda i: TABLE[i]),
    (lambda i: Tensor(TABLE)[:, i], lambda i: TABLE[:, i]),
    (lambda i: Tensor(TABLE)[i, 1:3], lambda i: TABLE[i, 1:3]),
    (lambda i: Tensor(TABLE)[i, i], lambda i: TABLE[i, i]),
])  # fmt: skip
def test_places_are_an_input(
    function: Callable[..., Any], expected: Callable[..., Any], kind: Any, dynamic: bool, tmp_path: Path
) -> None:
    """Not those of the example, which onnxruntime would then give for every input."""
    path = tmp_path / "x.onnx"
    mg.onnx.export(function, np.array([1, 2, 3], kind), path, dynamic_batch=dynamic)
    run = in_onnxruntime(path.read_bytes())
    for other in ([0, 4, 1], [4, 4, 0]):
        places = np.array(other, kind)
        np.testing.assert_array_equal(run([places])[0], expected(places))


def test_places_are_computed_from_an_input(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    mg.onnx.export(lambda x: x[ROWS, ops.argmax(x, axis=1)], RNG.normal(size=(3, 4)), path, dynamic_batch=False)
    other = RNG.normal(size=(3, 4))
    np.testing.assert_array_equal(in_onnxruntime(path.read_bytes())([other])[0], other.max(1))


class Peeking(Function):
    """Its form reads the numbers of its input."""

    def forward(self, x: Any) -> Any:
        self.largest = x.max()
        return x / self.largest

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Div", x, np.asarray(float(self.largest), np.float32))


def test_a_form_that_reads_numbers_of_an_input_is_refused(tmp_path: Path) -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ExportError, match="a number that Python reads"):
        mg.onnx.export(lambda x: Peeking.apply(x), x, tmp_path / "x.onnx", dynamic_batch=False)
    assert not any(tmp_path.iterdir())


class Named(nn.Module):
    """Parameters whose names an input, an output and a node would have."""

    def __init__(self) -> None:
        self.x, self.output, self.Mul = (nn.Parameter(np.full(4, n, np.float32)) for n in (2, 3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.x + self.output) * self.Mul * 0.5 + 7.0


def test_a_name_is_that_of_one_thing(tmp_path: Path) -> None:
    path, net, x = tmp_path / "x.onnx", Named(), RNG.normal(size=(2, 4)).astype(np.float32)
    made = mg.onnx.export(net, x, path)
    assert (made.inputs, made.outputs) == (("x_",), ("output_",))
    assert {"x", "output", "Mul"} <= {i.name for i in onnx.load(path).graph.initializer}
    np.testing.assert_allclose(in_onnxruntime(path.read_bytes())([x])[0], (x * 2 + 3) * 2.5 + 7, rtol=1e-6)
    made = mg.onnx.export(net, x, path, input_names=["Add"], output_names=["constant"])
    assert (made.inputs, made.outputs) == (("Add",), ("constant",))
    for names in ({"input_names": ["x"]}, {"output_names": ["Mul"]}, {"input_names": ["a"], "output_names": ["a"]}):
        with pytest.raises(ValueError, match="is the name of an input, a parameter or a buffer already"):
            mg.onnx.export(net, x, path, **names)
    assert mg.onnx.export(lambda output: output * 2.0, x, path).outputs == ("output_",)


def test_a_network_has_one_name_for_all_its_layers(tmp_path: Path) -> None:
    """Given as the function and among `modules`: the former names it, batch norm's numbers, too."""
    net = nn.Sequential(nn.Dense(3, 4), ops.tanh, nn.BatchNorm(4))
    mg.onnx.export(net, np.ones((2, 3), np.float32), tmp_path / "x.onnx", modules={"other": net})
    assert {i.name for i in onnx.load(tmp_path / "x.onnx").graph.initializer} == {
        "0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var",
    }  # fmt: skip


def test_a_network_that_was_not_given_stays_as_it_was(tmp_path: Path) -> None:
    """A function may call a network that trains: its statistics would move, and other numbers would be in the file."""
    net, x = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4)), RNG.normal(size=(5, 3)).astype(np.float32)
    before = net.state_dict()
    with pytest.raises(ExportError, match=r"BatchNorm that is in training mode.*modules=\{'': network\}"):
        mg.onnx.export(lambda x: net(x), x, tmp_path / "x.onnx")
    assert not any(tmp_path.iterdir())
    after = net.state_dict()
    assert all(type(after[name]) is np.ndarray and (after[name] == before[name]).all() for name in before)
    for given in ({"modules": {"": net}}, {}):
        net.train(bool(given))
        mg.onnx.export(lambda x: net(x), x, tmp_path / "x.onnx", **given)
        with net.evaluation():
            expected = net(Tensor(x)).numpy()
        np.testing.assert_allclose(in_onnxruntime((tmp_path / "x.onnx").read_bytes())([x])[0], expected, atol=1e-6)


def test_a_batch_that_the_function_does_not_take(tmp_path: Path) -> None:
    """The file is written with batches of other sizes than the example's: who sees their number is told why."""
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    with pytest.raises(ValueError, match=r"\(11, 6\)") as raised:
        mg.onnx.export(lambda x: ops.reshape(x, (x.shape[0] // 2, 12)), x, tmp_path / "x.onnx")
    assert raised.value.__notes__ == ["export runs it with batches of 11 and 13; with dynamic_batch=False by yours"]
