"""`load`: names, roles, modes, the forms of older versions, conversions.

Read next: ``test_load_files.py``, ``test_load_windows.py``, ``test_load_exported.py``.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen import nn, ops, optim
from minigen.autograd import Tensor, grad
from minigen.nn.module import ShapeError

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")

from onnx_files import dense, draw, loaded, model, node  # noqa: E402 - it imports onnx


class TestNetwork:
    def test_weights_keep_their_names_and_constants_are_none(self, tmp_path: Path) -> None:
        made, weights = dense()
        network = loaded(made, tmp_path)
        assert [name for name, _ in network.named_parameters()] == ["net.0.weight", "net.0.bias"]
        assert network.state_dict().keys() == {"net.0.weight", "net.0.bias"} and not network.training
        x = draw(5, 3)
        right = np.maximum(x @ weights["net.0.weight"].T + weights["net.0.bias"], 0) * 0.5
        np.testing.assert_allclose(network(Tensor(x)).numpy(), right, rtol=1e-6, atol=1e-7)
        assert "2 nodes" not in repr(network) and "16 parameters" in repr(network)

    def test_it_is_trained_like_any_module(self, tmp_path: Path) -> None:
        network = loaded(dense()[0], tmp_path)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        x, losses = Tensor(draw(8, 3)), []
        for _ in range(5):
            network.zero_grad()
            loss = ((network(x) - 0.3) ** 2).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]

    def test_copies_averages_and_files_of_it(self, tmp_path: Path) -> None:
        network = loaded(dense()[0], tmp_path)
        x = Tensor(draw(2, 3))
        twin = copy.deepcopy(network)
        average = nn.MovingAverage(network, 0.9)
        mg.save(network, tmp_path / "weights.safetensors")
        for p in network.parameters():
            p.data = p.data * 2
        assert (twin(x).numpy() == average.network(x).numpy()).all() and (twin(x).numpy() != network(x).numpy()).any()
        network.load_state_dict(mg.load(tmp_path / "weights.safetensors"))
        assert (twin(x).numpy() == network(x).numpy()).all()
        zeros = {name: Tensor(np.zeros(p.shape, np.float32)) for name, p in network.named_parameters()}
        assert not nn.functional_copy(network, zeros)(x).numpy().any()

    def test_derivatives_of_both_orders(self, tmp_path: Path) -> None:
        weights = {"w": draw(3, 2, 3, 3), "b": draw(3), "s": draw(3), "t": draw(3), "m": draw(3), "v": draw(3) ** 2 + 1}
        nodes = [
            node("Conv", "x w b", "h", pads=[1, 0, 0, 1], strides=[2, 1]),
            node("BatchNormalization", "h s t m v", "n"),
            node("Tanh", "n", "a"),
            node("Resize", "a _ scales", "y", mode="linear"),
        ]
        weights["scales"] = np.array([1, 1, 2, 1.5], np.float32)
        network = loaded(model(nodes, {"x": [2, 2, 5, 4]}, weights), tmp_path)
        assert [name for name, _ in network.named_parameters()] == ["w", "b", "s", "t"]
        assert network.state_dict().keys() == {"w", "b", "s", "t", "m", "v"}
        for mode in (False, True):
            mg.gradcheck(network.to(dtype=np.float64).train(mode), draw(2, 2, 5, 4, dtype=np.float64), order=2)

    def test_batch_norm_trains_as_that_of_nn_does(self, tmp_path: Path) -> None:
        layer = nn.BatchNorm(3, eps=1e-3, momentum=0.2)
        layer.weight.data[:] = draw(3)
        state = layer.state_dict()
        order = ["weight", "bias", "running_mean", "running_var"]
        made = node("BatchNormalization", " ".join(["x", *order]), "y", epsilon=1e-3, momentum=0.8)
        network = loaded(model([made], {"x": ["N", 3, 4, 4]}, {name: state[name] for name in order}), tmp_path)
        x = Tensor(draw(6, 3, 4, 4))
        network.train()
        np.testing.assert_array_equal(network(x).numpy(), layer(x).numpy())
        for name, array in layer.state_dict().items():
            np.testing.assert_allclose(network.state_dict()[name], array, rtol=1e-6, err_msg=name)
        np.testing.assert_array_equal(network.eval()(x).numpy(), layer.eval()(x).numpy())

    def test_dropout_and_random_nodes_follow_mode_and_seed(self, tmp_path: Path) -> None:
        nodes = [
            node("Dropout", "x ratio", "d"),
            node("RandomNormalLike", "x", "n", scale=2.0, mean=1.0),
            node("RandomUniform", "", "u", shape=[40, 50], low=-1.0, high=1.0),
            node("RandomNormal", "", "v", shape=[40, 50]),
            node("RandomUniformLike", "x", "w"),
        ]
        weights = {"ratio": np.array(0.25, np.float32)}
        nn.manual_seed(3)
        before = nn.init.default_rng().state
        network = loaded(model(nodes, {"x": [40, 50]}, weights, outputs=list("dnuvw")), tmp_path)
        assert nn.init.default_rng().state == before  # to load it draws nothing
        x = Tensor(np.ones((40, 50), np.float32))
        d, n, u, v, w = (y.numpy() for y in network(x))
        assert (d == 1).all() and abs(n.mean() - 1) < 0.2 and abs(n.std() - 2) < 0.1
        assert -1 <= u.min() < -0.9 and abs(v.std() - 1) < 0.1 and 0 <= w.min() < 0.1
        network.train()
        d = network(x)[0].numpy()
        assert set(np.unique(d)) == {0, np.float32(1 / 0.75)} and 0.2 < (d == 0).mean() < 0.3
        assert (network(x)[1].numpy() != n).any()

    def test_several_inputs_and_whole_numbers(self, tmp_path: Path) -> None:
        nodes = [node("Gather", "table labels", "e"), node("Concat", "z e", "y", axis=1)]
        made = model(nodes, {"z": ["N", 2], "labels": ["N"]}, {"table": draw(10, 3)},
                     kinds={"labels": onnx.TensorProto.INT64})  # fmt: skip
        network = loaded(made, tmp_path)
        z, labels = draw(4, 2), np.array([1, 9, 1, 0])
        y = network(Tensor(z), labels)
        np.testing.assert_array_equal(y.numpy(), np.concatenate([z, network.state_dict()["table"][labels]], 1))
        (g,) = grad(y.sum(), [dict(network.named_parameters())["table"]])
        np.testing.assert_array_equal(g.numpy()[:, 0], np.bincount(labels, minlength=10))
        with pytest.raises(TypeError, match="takes 2 inputs"):
            network(Tensor(z))
        with pytest.raises(TypeError, match="'labels' is of int64, got float32"):
            network(Tensor(z), Tensor(z[:, 0]))

    def test_inputs_have_to_fit_the_file(self, tmp_path: Path) -> None:
        network = loaded(dense()[0], tmp_path)
        assert network.inputs[0].shape == ("N", 3) and network(Tensor(draw(7, 3))).shape == (7, 4)
        with pytest.raises(ShapeError, match=r"'x' \(N, 3\), got \(7, 2\).*dynamic axes"):
            network(Tensor(draw(7, 2)))
        (x,) = network.example_inputs(mg.Generator(0))
        assert x.shape == (2, 3) and x.any()

    def test_the_arithmetic_of_shapes_follows_the_batch(self, tmp_path: Path) -> None:
        nodes = [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n", axis=0),
            node("Mul", "n two", "m"),
            node("Unsqueeze", "m axis", "u"),
            node("Concat", "u rest", "to", axis=0),
            node("Cast", "to", "same", to=onnx.TensorProto.INT64),
            node("Reshape", "x same", "y"),
        ]
        whole = {"zero": np.array(0), "two": np.array(2), "axis": np.array([0]), "rest": np.array([-1])}
        network = loaded(model(nodes, {"x": ["N", 4, 3]}, whole), tmp_path)
        assert [network(Tensor(draw(n, 4, 3))).shape for n in (1, 5)] == [(2, 6), (10, 6)]

    def test_what_depends_on_constants_alone_is_computed_once(self, tmp_path: Path) -> None:
        nodes = [
            node("Add", "a a", "b"),
            node("Constant", "", "c", value_float=2.0),
            node("Mul", "b c", "d"),
            node("Mul", "x d", "y"),
        ]
        network = loaded(model(nodes, {"x": ["N"]}, {"a": np.array([1.5], np.float32)}), tmp_path)
        assert repr(network).count("1 nodes") == 1
        np.testing.assert_array_equal(network(Tensor(np.array([1.0, 2.0], np.float32))).numpy(), [6, 12])


class TestDtypes:
    @pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16"])
    def test_half_precision_becomes_float32(self, kind: str, tmp_path: Path) -> None:
        made, weights = dense()
        number = getattr(onnx.TensorProto, kind)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
        for tensor in made.graph.initializer:
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name].astype(dtype), tensor.name))
        for value in (*made.graph.input, *made.graph.output):
            value.type.tensor_type.elem_type = number
        network = loaded(made, tmp_path)
        assert network.inputs[0].dtype == np.float32
        for name, array in network.state_dict().items():
            np.testing.assert_array_equal(array, weights[name].astype(dtype).astype(np.float32))
        assert network(Tensor(draw(2, 3))).dtype == np.float32

    def test_double_stays_double_and_can_be_made_float32(self, tmp_path: Path) -> None:
        network = loaded(dense(np.float64)[0], tmp_path)
        x = draw(2, 3, dtype=np.float64)
        y = network(Tensor(x))
        assert y.dtype == np.float64
        small = network.to(dtype=np.float32)(Tensor(x.astype(np.float32)))
        assert small.dtype == np.float32 and np.abs(small.numpy() - y.numpy()).max() < 1e-6


VERSIONS: dict[str, tuple[list[Any], int, dict[str, Any], Any]] = {
    "Clip by attributes": ([node("Clip", "x", min=-0.5, max=0.5)], 7, {}, lambda x: np.clip(x, -0.5, 0.5)),
    "Clip by inputs": ([node("Clip", "x _ b")], 13, {"b": np.array(0.5, np.float32)}, lambda x: np.minimum(x, 0.5)),
    "Pad by attributes": (
        [node("Pad", "x", pads=[0, 1, 0, 0, 0, 2], value=3.0)], 7, {},
        lambda x: np.pad(x, [(0, 0), (1, 0), (0, 2)], constant_values=3.0),
    ),
    "Pad by inputs": (
        [node("Pad", "x p", mode="reflect")], 13, {"p": np.array([0, 1, 0, 0, 0, 2])},
        lambda x: np.pad(x, [(0, 0), (1, 0), (0, 2)], mode="reflect"),
    ),
    "Squeeze by attributes": ([node("Unsqueeze", "x", "u", axes=[0, 3]), node("Squeeze", "u", axes=[3])], 11, {},
                              lambda x: x[None]),
    "Squeeze by inputs": (
        [node("Unsqueeze", "x a", "u"), node("Squeeze", "u a")], 13, {"a": np.array([-1])}, lambda x: x),
    "ReduceSum by attributes": ([node("ReduceSum", "x", axes=[-1], keepdims=0)], 11, {}, lambda x: x.sum(-1)),
    "ReduceSum by inputs": ([node("ReduceSum", "x a")], 13, {"a": np.array([1])}, lambda x: x.sum(1, keepdims=True)),
    "Split by attributes": ([node("Split", "x", "a b", axis=1, split=[1, 2]), node("Neg", "b")], 11, {},
                            lambda x: -x[:, 1:]),
    "Split in equal parts": ([node("Split", "x", "a b", axis=2, num_outputs=2), node("Neg", "b")], 18, {},
                             lambda x: -x[:, :, 3:]),
    "Slice by attributes": ([node("Slice", "x", starts=[1], ends=[9], axes=[2])], 9, {}, lambda x: x[:, :, 1:]),
    "Slice by inputs": (
        [node("Slice", "x s e a t")], 10,
        {"s": np.array([-1]), "e": np.array([-99]), "a": np.array([1]), "t": np.array([-2])}, lambda x: x[:, ::-2],
    ),
    "Slice backwards from before the first": (  # the specification brings a start to 0, NumPy's slices to -1
        [node("Slice", "x s e a t")], 13,
        {"s": np.array([-10]), "e": np.array([-99]), "a": np.array([1]), "t": np.array([-1])}, lambda x: x[:, :1],
    ),
    "Softmax of rows": ([node("Softmax", "x", axis=1)], 11, {},
                        lambda x: np.exp(x) / np.exp(x).sum((1, 2), keepdims=True)),
    "Softmax of an axis": ([node("Softmax", "x", axis=1)], 13, {},
                           lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    "Upsample by attributes": ([node("Upsample", "x", scales=[1.0, 1.0, 2.0])], 7, {}, lambda x: x.repeat(2, 2)),
    "Upsample by inputs": (
        [node("Upsample", "x s")], 9, {"s": np.array([1, 2, 1], np.float32)}, lambda x: x.repeat(2, 1)),
    "Resize 10": ([node("Resize", "x s")], 10, {"s": np.array([1, 1, 3], np.float32)}, lambda x: x.repeat(3, 2)),
    "Resize by sizes": ([node("Resize", "x _ _ n")], 13, {"n": np.array([2, 6, 5])}, lambda x: x.repeat(2, 1)),
    "Dropout with a ratio": ([node("Dropout", "x", ratio=0.3)], 7, {}, lambda x: x),
    "TopK by attributes": ([node("TopK", "x", "y i", k=2)], 9, {}, lambda x: -np.sort(-x)[..., :2]),
    "Reshape that copies": ([node("Reshape", "x s")], 7, {"s": np.array([0, -1])}, lambda x: x.reshape(2, -1)),
    "Gemm that scales": (
        [node("Reshape", "x s", "a"), node("Gemm", "a w c", alpha=0.5, beta=2.0, transA=1)], 11,
        {"s": np.array([2, 15]), "w": np.eye(2, dtype=np.float32), "c": np.ones((1, 2), np.float32)},
        lambda x: 0.5 * x.reshape(2, 15).T + 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VERSIONS)
def test_the_forms_of_all_versions(case: str, tmp_path: Path) -> None:
    nodes, opset, weights, right = VERSIONS[case]
    x = draw(2, 3, 5)
    network = loaded(model(nodes, {"x": ["N", 3, 5]}, weights, opset=opset), tmp_path)
    y = network(Tensor(x))
    np.testing.assert_allclose((y[0] if isinstance(y, tuple) else y).numpy(), right(x), rtol=1e-6, atol=1e-7)


def test_an_error_at_run_time_names_the_node(tmp_path: Path) -> None:
    made = model([node("Add", "a b", name="sum")], {"a": ["N", "K"], "b": ["N", "L"]})
    network = loaded(made, tmp_path)
    with pytest.raises(ValueError, match=r"node 'sum' \(Add\)"):
        network(Tensor(draw(2, 3)), Tensor(draw(2, 4)))


def test_local_functions_are_opened_up(tmp_path: Path) -> None:
    made = model([onnx.helper.make_node("Twice", ["x"], ["y"], domain="own")], {"x": ["N"]})
    made.opset_import.append(onnx.helper.make_opsetid("own", 1))
    body = [node("Add", "a a", "b")]
    made.functions.append(
        onnx.helper.make_function("own", "Twice", ["a"], ["b"], body, [onnx.helper.make_opsetid("", 20)])
    )
    x = draw(3)
    np.testing.assert_array_equal(loaded(made, tmp_path)(Tensor(x)).numpy(), x * 2)


def test_a_weight_of_several_uses_is_one_parameter(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "h"), node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "h t")]
    network = loaded(model(nodes, {"x": ["N", 3]}, {"w": draw(3, 2)}), tmp_path)
    assert len(network.parameters()) == 1
    x = draw(4, 3)
    w = network.state_dict()["w"]
    np.testing.assert_allclose(network(Tensor(x)).numpy(), ops.matmul(x, w @ w.T).numpy(), rtol=1e-5, atol=1e-6)
