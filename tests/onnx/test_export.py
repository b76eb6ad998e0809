"""What an exported file holds, what is refused with which words, and that nothing is left of what goes wrong.

Read next: ``minigen/onnx/export.py``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_cases import onnx
from wrong_arguments.test_wrong_arguments import WRONG, complaint
from wrong_arguments.wrong_argument_row import Row

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.inventory.layers import batch_norm_in_evaluation
from minigen.onnx import ExportError, needed
from minigen.onnx.verify import in_onnxruntime


def network() -> nn.Sequential:
    rng = mg.Generator(0)
    norm = batch_norm_in_evaluation(rng)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1, rng=rng),
        norm,
        ops.relu,
        nn.Flatten(),
        nn.Dense(48, 5, rng=rng),
        ops.tanh,
    )


IMAGES = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)


def written(path: Path) -> Any:
    return onnx.load(path)


def test_it_takes_any_batch_and_has_names_and_facts(tmp_path: Path) -> None:
    net, path = network(), tmp_path / "net.onnx"
    made = mg.onnx.export(net, IMAGES, path, metadata={"model": "a network", "value range": (0, 1)})
    model = written(path)
    assert [node.op_type for node in model.graph.node] == [
        "Conv",
        "BatchNormalization",
        "Relu",
        "Reshape",
        "Gemm",
        "Tanh",
    ]
    assert {x.name for x in model.graph.initializer} >= set(net.state_dict())
    assert (made.inputs, made.outputs, made.nodes) == (("x",), ("output",), 6)
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 1, 8, 8]
    assert [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == ["N", 5]
    assert {p.key: p.value for p in model.metadata_props} == {"model": "a network", "value range": "(0, 1)"}
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (20, 9, "minigen")
    for n in (1, 7):
        x = np.random.default_rng(n).normal(size=(n, 1, 8, 8)).astype(np.float32)
        with net.evaluation():
            wanted = net(Tensor(x)).numpy()
        np.testing.assert_allclose(in_onnxruntime(path.read_bytes())([x])[0], wanted, atol=1e-6)
        np.testing.assert_allclose(onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0], wanted, atol=1e-6)


def test_batch_norm_is_folded_on_request(tmp_path: Path) -> None:
    rng = mg.Generator(0)
    for before in (
        nn.Conv2d(2, 3, 3, rng=rng), nn.Conv2d(2, 3, 3, bias=False, rng=rng), nn.ConvTranspose2d(2, 3, 3, rng=rng),
    ):  # fmt: skip
        net = nn.Sequential(before, batch_norm_in_evaluation(rng), ops.tanh)
        x = np.random.default_rng(0).normal(size=(2, 2, 5, 5)).astype(np.float32)
        mg.onnx.export(net, x, tmp_path / "net.onnx", fold=True)
        assert [node.op_type for node in written(tmp_path / "net.onnx").graph.node] == [
            type(before).__name__[:-2],
            "Tanh",
        ]
    grouped = nn.Sequential(nn.ConvTranspose2d(2, 4, 3, groups=2, rng=rng), nn.BatchNorm(4), ops.tanh)
    grouped[1].running_var.data = np.arange(1, 5, dtype=np.float32)
    mg.onnx.export(grouped, x, tmp_path / "net.onnx", fold=True)
    dense = nn.Sequential(nn.Dense(4, 3, rng=rng), batch_norm_in_evaluation(rng))
    mg.onnx.export(dense, np.ones((2, 4), np.float32), tmp_path / "net.onnx", fold=True)
    assert [node.op_type for node in written(tmp_path / "net.onnx").graph.node] == ["Gemm"]
    first = nn.Sequential(nn.BatchNorm(2), nn.Conv2d(2, 2, 1, rng=rng))  # nothing before it
    mg.onnx.export(first, x, tmp_path / "net.onnx", fold=True)
    assert [node.op_type for node in written(tmp_path / "net.onnx").graph.node] == ["BatchNormalization", "Conv"]


def test_the_network_is_as_it_was(tmp_path: Path) -> None:
    net = network().train()
    before = {name: t.data for name, t in net._named_tensors()}
    mg.onnx.export(net, IMAGES, tmp_path / "net.onnx", dtype="float64")
    assert all(before[name] is t.data for name, t in net._named_tensors()) and net.training and net[1].training
    assert {x.data_type for x in written(tmp_path / "net.onnx").graph.initializer} == {onnx.TensorProto.DOUBLE, 7}
    with pytest.raises(ExportError):
        mg.onnx.export(
            lambda x: ops.tanh(net(x)) if float(x.sum()) > 0 else x, IMAGES, tmp_path / "a", modules={"": net}
        )
    assert all(before[name] is t.data for name, t in net._named_tensors())


def test_a_function_of_networks_has_their_names(tmp_path: Path) -> None:
    a, b = network(), nn.Dense(5, 2)
    mg.onnx.export(
        lambda x, z: (b(a(x)), z + 1), (IMAGES, np.ones((2, 3), np.float32)), tmp_path / "two.onnx",
        modules={"first": a, "second": b}, input_names=["image", "code"], output_names=["score", "more"],
    )  # fmt: skip
    graph = written(tmp_path / "two.onnx").graph
    assert {"first.0.weight", "second.bias"} <= {x.name for x in graph.initializer}
    assert [x.name for x in (*graph.input, *graph.output)] == ["image", "code", "score", "more"]


def test_one_weight_under_two_names_is_one_initializer(tmp_path: Path) -> None:
    layer = nn.Dense(4, 4)
    net = nn.Sequential(layer, ops.relu, layer)
    mg.onnx.export(net, np.ones((2, 4), np.float32), tmp_path / "net.onnx")
    assert [x.name for x in written(tmp_path / "net.onnx").graph.initializer] == ["0.weight", "0.bias"]


def test_masks_and_places_depend_on_the_input(tmp_path: Path) -> None:
    """They are no Functions, and a trace of Functions alone would take those of the example for all inputs."""
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    mg.onnx.export(lambda x: ops.where((x > 0.5) & ~(x == 2) | (x * 2 <= -1), x, 0.0), x, tmp_path / "where.onnx")
    mg.onnx.export(lambda x: (ops.argmax(x, axis=1), ops.argsort(x, descending=True)), x, tmp_path / "places.onnx")
    mg.onnx.export(lambda x: x * (ops.max(x, axis=1, keepdims=True) == x), x, tmp_path / "max.onnx")


def test_an_exact_output_that_is_the_input_or_constant(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    mg.onnx.export(lambda x: (x, x, Tensor(np.arange(3.0)), x * 1), x, tmp_path / "plain.onnx")
    assert len(written(tmp_path / "plain.onnx").graph.output) == 4


class Doubled(Function):
    """A user's Function, of NumPy."""

    def forward(self, x: Any) -> Any:
        return np.tanh(x) * 2

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


class Wrong(Doubled):
    """One that states something else."""

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.node("Mul", graph.node("Tanh", x), 2.001)


class Hidden(Doubled):
    """One whose `forward` no graph can say."""

    def forward(self, x: Any) -> Any:
        return np.cumprod(x, 1)


class Layer(nn.Module):
    """A layer of a Function."""

    def __init__(self, function: type[Function]) -> None:
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function.apply(x)


SQUARE = np.eye(3, dtype=np.float32)


def test_a_function_of_a_users_is_written_by_what_it_does_with_numpy(tmp_path: Path) -> None:
    mg.onnx.export(Layer(Doubled), SQUARE, tmp_path / "user.onnx")
    assert [node.op_type for node in written(tmp_path / "user.onnx").graph.node] == ["Tanh", "Mul"]


@pytest.mark.parametrize(("function", "words"), [
    (nn.Sequential(nn.Dense(3, 3), Layer(Wrong)), "output 0 differs by .* in onnxruntime on"),
    (nn.Sequential(nn.Dense(3, 3), Layer(Hidden)),
     "in the layer '1' the Function Hidden has no ONNX form: it calls `cumprod`. Give it a method `onnx"),
    (lambda x: x * float(x.sum()), "no graph says the same for all inputs: a number that Python reads"),
    (lambda x: x * 2 if x.data.max() > 0 else x, "it decides by numbers of its input"),
    (lambda x: x + Tensor(mg.Generator(0).normal(x.shape)), "it draws random numbers .* give them as an input"),
    (lambda x: x * (1 / len(x)), "a constant of shape .* that Mul takes: it depends on the batch size"),
    (lambda x: x + Tensor(np.arange(x.size, dtype=np.float32).reshape(x.shape)), "it depends on the batch size"),
    (lambda x: x[x > 0], "shape depends on numbers"),
    (lambda x: (), "returns no Tensor"),
])  # fmt: skip
def test_what_is_no_graph_is_refused_and_nothing_is_written(function: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(b"old")
    with pytest.raises(ExportError, match=words):
        mg.onnx.export(function, SQUARE, tmp_path / "old.onnx")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(("change", "words"), [
    (dict(opset=16), "opset is a number from 17 to 22, got 16"),
    (dict(opset=True), "opset is a number"),
    (dict(dtype="float16"), "dtype is 'float32' or 'float64'"),
    (dict(example_inputs=()), "example_inputs is empty"),
    (dict(example_inputs="x"), "example_inputs: expected a Tensor or array"),
    (dict(example_inputs=(np.ones((2, 3)), np.ones((3, 3)))), "with dynamic_batch the first axis of each is the batch"),
    (dict(input_names=["a", "b"]), "input_names: expected 1 different names"),
    (dict(output_names=["x"]), "output_names: 'x' is the name of an input"),
    (dict(modules={"a": 1}), "modules: expected a Module under 'a'"),
    (dict(function=3), "expected a Module or a function"),
    (dict(function=lambda x: 3), "returns 3; Tensors are wanted"),
    (dict(dynamic_batch=2), "dynamic_batch"),
])  # fmt: skip
def test_wrong_arguments(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    given = {"function": ops.tanh, "example_inputs": SQUARE, "path": tmp_path / "a.onnx"} | change
    with pytest.raises((ValueError, TypeError), match=words):
        mg.onnx.export(**given)
    assert not list(tmp_path.iterdir())


def test_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needed, "has", lambda package: False)
    with pytest.raises(RuntimeError, match=r"onnx is not installed: pip install 'minigen-engine\[onnx\]'"):
        mg.onnx.export(ops.tanh, SQUARE, tmp_path / "a.onnx")
    monkeypatch.undo()
    monkeypatch.setattr("minigen.onnx.verify.has", lambda package: False)
    assert mg.onnx.export(ops.tanh, SQUARE, tmp_path / "a.onnx").difference is None


def test_a_deep_network_does_not_reach_the_end_of_the_stack(tmp_path: Path) -> None:
    def deep(x: Tensor) -> Tensor:
        for _ in range(1200):
            x = x * 0.999
        return x

    assert mg.onnx.export(deep, SQUARE, tmp_path / "deep.onnx").nodes == 1200


def test_activations_that_kernels_fuse(tmp_path: Path) -> None:
    rng = mg.Generator(0)
    for activation in (ops.sigmoid, ops.leaky_relu, partial(ops.leaky_relu, slope=0.2), ops.gelu):
        net = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1, rng=rng), activation, nn.MaxPool2d(2), nn.Conv2d(2, 2, 3, rng=rng),
            activation, nn.Upsample(2), nn.Flatten(), nn.Dense(32, 3, rng=rng), activation,
        )  # fmt: skip
        for dtype in ("float32", "float64"):
            mg.onnx.export(net, IMAGES.astype(dtype), tmp_path / "net.onnx", dtype=dtype)
    ops_of_it = [node.op_type for node in written(tmp_path / "net.onnx").graph.node]
    assert "Conv" not in ops_of_it  # onnxruntime has none in float64


@pytest.mark.slow
def test_one_wrong_argument_has_a_result_or_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {
        "function": ops.tanh, "example_inputs": SQUARE, "path": "a.onnx", "dynamic_batch": True, "opset": 20,
        "dtype": "float32", "fold": False, "input_names": ["a"], "output_names": ["b"], "metadata": {}, "modules": {},
    }  # fmt: skip
    row = Row("mg.onnx.export", mg.onnx.export, lambda: dict(given), "export")
    faults = []
    for argument in given:
        for called, value in WRONG.items():
            if argument == "path" and called not in ("None", "1.5", "object", "masked array"):
                continue  # a path of any text is one
            if (argument, called) == ("function", "class"):
                continue  # what it raises is its own
            try:
                mg.onnx.export(**given | {argument: value})
            except OSError:
                assert argument == "path"
            except Exception as error:
                if what := complaint(row, error):
                    faults.append(f"{argument} = {called}: {what}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)
