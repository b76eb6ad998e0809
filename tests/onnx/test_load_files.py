"""`load`: external data, and what becomes of files that are damaged or ask for what is not there.

Read next: ``minigen/onnx/load_file.py``.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.autograd import Tensor
from minigen.onnx.load_file import whole_file

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")

from onnx_files import dense, draw, loaded, model, node, saved  # noqa: E402 - it imports onnx


def weights_as_nodes(made: Any) -> list[Any]:
    """Write every initializer once more, as a node; these initializers."""
    tensors = list(made.graph.initializer)
    for tensor in reversed(tensors):
        made.graph.node.insert(0, onnx.helper.make_node("Constant", [], [tensor.name], value=tensor))
    return tensors


class TestExternalData:
    def write(self, folder: Path) -> tuple[Path, Any]:
        made, _ = dense()
        onnx.save(
            copy.deepcopy(made),
            folder / "model.onnx",
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=0,
        )
        return folder / "model.onnx", made

    def test_weights_beside_the_file(self, tmp_path: Path) -> None:
        path, made = self.write(tmp_path)
        alone = tmp_path / "alone"
        alone.mkdir()
        x = Tensor(draw(3, 3))
        np.testing.assert_array_equal(mg.onnx.load(path)(x).numpy(), loaded(made, alone)(x).numpy())

    @pytest.mark.parametrize("stated", [False, True])
    def test_a_copy_that_needs_no_other_file(self, stated: bool, tmp_path: Path) -> None:
        """What a run keeps of a generator: weights that a node of the file states (Constant) are taken in, too."""
        made, _ = dense()
        path = tmp_path / "model.onnx"
        if stated:
            for tensor in weights_as_nodes(made):
                made.graph.initializer.remove(tensor)
        onnx.save(
            copy.deepcopy(made), path, save_as_external_data=True, location="weights.bin", size_threshold=0,
            convert_attribute=True,
        )  # fmt: skip
        (tmp_path / "alone").mkdir()
        (tmp_path / "alone" / "copy.onnx").write_bytes(whole_file(path))
        x = Tensor(draw(3, 3))
        expected = mg.onnx.load(path)(x).numpy()
        (tmp_path / "weights.bin").unlink()
        np.testing.assert_array_equal(mg.onnx.load(tmp_path / "alone" / "copy.onnx")(x).numpy(), expected)

    def test_missing_cut_off_and_outside(self, tmp_path: Path) -> None:
        path, _ = self.write(tmp_path)
        whole = (tmp_path / "weights.bin").read_bytes()
        (tmp_path / "weights.bin").write_bytes(whole[:-50])
        with pytest.raises(mg.onnx.LoadError, match="initializer '.*'.*(damaged|cannot be read)"):
            mg.onnx.load(path)
        (tmp_path / "weights.bin").unlink()
        with pytest.raises(mg.onnx.LoadError, match="keep the two files together"):
            mg.onnx.load(path)
        inner = tmp_path / "inner"
        inner.mkdir()
        (tmp_path / "weights.bin").write_bytes(whole)
        for place in ("../weights.bin", str(tmp_path / "weights.bin"), ""):
            made = onnx.load(path, load_external_data=False)
            for tensor in made.graph.initializer:
                tensor.external_data[0].value = place
            with pytest.raises(mg.onnx.LoadError, match="not in the folder of the model; not read"):
                mg.onnx.load(saved(made, inner))
        made = onnx.load(path, load_external_data=False)
        (inner / "weights.bin").symlink_to(tmp_path / "weights.bin")
        with pytest.raises(mg.onnx.LoadError, match="not in the folder"):
            mg.onnx.load(saved(made, inner))


DAMAGED: dict[str, tuple[Any, str]] = {
    "circle": (lambda: model([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Neg", "b")], {"x": ["N"]}),
               r"part of a circle"),
    "missing": (lambda: model([node("Add", "x nothing")], {"x": ["N"]}),
                r"node that makes 'y' \(Add\) takes 'nothing', which is neither"),
    "no output": (lambda: model([node("Relu", "x", "z")], {"x": ["N"]}), r"the output of the graph takes 'y'"),
    "made twice": (lambda: model([node("Relu", "x"), node("Neg", "x")], {"x": ["N"]}), r"'y' is made twice"),
    "shapes": (lambda: model([node("MatMul", "x w", name="product")], {"x": ["N", 3]}, {"w": draw(4, 2)}),
               r"node 'product' \(MatMul\): matmul: shapes \(2, 3\) @ \(4, 2\) do not fit"),
    "channels": (lambda: model([node("Conv", "x w", name="c")], {"x": ["N", 3, 5, 5]}, {"w": draw(4, 2, 3, 3)}),
                 r"node 'c' \(Conv\): x of shape \(2, 3, 5, 5\) and w of shape \(4, 2, 3, 3\) do not fit"),
    "attribute": (lambda: model([node("Concat", "x x")], {"x": ["N"]}), r"is not valid: Required attribute 'axis'"),
    "operator": (lambda: model([node("LSTM", "x a b", name="memory"), node("Det", "x", "z")], {"x": [1, 2, 2]},
                               {"a": draw(1, 8, 2), "b": draw(1, 8, 2)}),
                 r"no operation for node 'memory' \(LSTM\), node that makes 'z' \(Det\)"),
    "domain": (lambda: model([onnx.helper.make_node("Gelu", ["x"], ["y"], "g", domain="com.microsoft")], {"x": ["N"]}),
               r"node 'g' \(com.microsoft.Gelu\)"),
    "dilation": (lambda: model([node("MaxPool", "x", name="p", kernel_shape=[2, 2], dilations=[2, 2])],
                               {"x": ["N", 1, "H", "W"]}),
                 r"node 'p' \(MaxPool\): dilations=\[2, 2\]: .*export without"),
    "mode": (lambda: model([node("Resize", "x _ s", name="r", coordinate_transformation_mode="tf_crop_and_resize")],
                           {"x": ["N", 1, 4, 4]}, {"s": np.ones(4, np.float32)}),
             r"node 'r' \(Resize\): coordinate_transformation_mode='tf_crop_and_resize' is not among"),
    "volume": (lambda: model([node("Conv", "x w")], {"x": ["N", 1, 4, 4, 4]}, {"w": draw(1, 1, 2, 2, 2)}),
               r"neither images"),
    "quantised": (lambda: model([node("Mul", "x w")], {"x": ["N"]}, {"w": np.array([1], "c8")}),
                  r"'w' is of COMPLEX64"),
    "old": (lambda: model([node("Relu", "x")], {"x": ["N"]}, opset=6), r"opset 6; opsets from 7 to"),
    "new": (lambda: model([node("Relu", "x")], {"x": ["N"]}, opset=999), r"opset 999.*pip install -U onnx"),
    "text": (lambda: model([node("Identity", "x")], {"x": ["N"]}, kinds={"x": 8}), r"'x' is of STRING"),
    "axis": (lambda: model([node("Transpose", "x", perm=[0, 2])], {"x": ["N", 3]}), r"transpose: axes \(?\[?0, 2"),
    "huge": (lambda: model([node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"x": ["N"]},
                           {"s": np.array([2**60, 2**60])}), r"\(ConstantOfShape\): iterator is too large"),
    "range": (lambda: model([node("Range", "a b c", "r"), node("Add", "x r")], {"x": ["N"]},
                            {"a": np.array(0), "b": np.array(3), "c": np.array(0)}), r"\(Range\): its step is 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_damaged_or_not_there_is_one_clear_error(case: str, tmp_path: Path) -> None:
    make, text = DAMAGED[case]
    path = saved(make(), tmp_path)
    with pytest.raises(mg.onnx.LoadError, match=text) as caught:
        mg.onnx.load(path)
    assert str(path) in str(caught.value) and str(caught.value).count(str(path)) == 1


def test_what_is_no_onnx_file(tmp_path: Path) -> None:
    path = saved(dense()[0], tmp_path)
    whole = path.read_bytes()
    for name, content in {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"hello, world",
        "noise": b"\xff" * 99,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(mg.onnx.LoadError, match="ONNX"):
            mg.onnx.load(tmp_path / name)
    with pytest.raises(mg.onnx.LoadError, match="there is no such file"):
        mg.onnx.load(tmp_path / "nothing.onnx")
    with pytest.raises(mg.onnx.LoadError, match="cannot be read"):
        mg.onnx.load(tmp_path)
    with pytest.raises(TypeError, match=r"onnx\.load: expected the path of a file, got int"):
        mg.onnx.load(3)  # type: ignore[arg-type]


def test_a_file_cut_at_any_place_is_an_error_or_the_network(tmp_path: Path) -> None:
    path = saved(dense()[0], tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            mg.onnx.load(path)
        except mg.onnx.LoadError as error:
            assert str(path) in str(error)


def test_weights_whose_names_a_module_has_itself(tmp_path: Path) -> None:
    """Each keeps its own numbers, also where the name that it gets in place of its own is that of another weight."""
    rng = np.random.default_rng(0)
    names = ("forward", "forward_", "training", "__dict__", "a/b c", "forward__")
    weights = {name: rng.normal(size=3).astype(np.float32) for name in names}
    nodes = [node("Mul", "x x", "v0")]
    nodes += [onnx.helper.make_node("Add", [f"v{i}", name], [f"v{i + 1}"]) for i, name in enumerate(names)]
    network = loaded(model(nodes, {"x": ("N", 3)}, weights, outputs=[f"v{len(names)}"]), tmp_path)
    x = rng.normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_allclose(network(Tensor(x)).numpy(), x * x + sum(weights.values()), rtol=1e-5)
    assert len(network.state_dict()) == len(names) and {"forward_", "forward__", "a/b c"} <= set(network.state_dict())


def test_dropout_that_was_written_in_training_mode(tmp_path: Path) -> None:
    """As PyTorch has it with `TrainingMode.TRAINING`: the network begins in that mode, also without batch norm."""
    for trains in (True, False):
        given = {"ratio": np.float32(0.5), "trains": np.array(trains)}
        network = loaded(model([node("Dropout", "x ratio trains")], {"x": ("N", 100)}, given), tmp_path)
        ones = np.ones((1, 100), np.float32)
        assert network.training is trains
        assert set(np.unique(network(Tensor(ones)).numpy())) == ({0.0, 2.0} if trains else {1.0})
        np.testing.assert_array_equal(network.eval()(Tensor(ones)).numpy(), ones)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(mg.onnx.LoadError, match="cannot be read"):
        mg.onnx.load(tmp_path / "pipe.onnx")


def test_a_length_below_zero(tmp_path: Path) -> None:
    made = model([node("MatMul", "x w")], {"x": ("N", 4)}, {"w": np.ones((4, 3), np.float32)})
    made.graph.initializer[0].dims[1] = -3
    with pytest.raises(mg.onnx.LoadError, match="initializer 'w'.*damaged: a length is below 0"):
        loaded(made, tmp_path)
