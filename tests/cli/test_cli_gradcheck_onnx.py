"""`minigen gradcheck model.onnx`: a network that another library has written.

Read next: ``minigen/cli/target.py``.
"""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")

from onnx_files import model, node, saved  # noqa: E402 - it imports onnx


@pytest.fixture
def decoder():
    """A file in the current folder: codes (N, 3) to pictures (N, 1, "H", "W")."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(8, 3)).astype(np.float32), "b": np.zeros(8, np.float32),
               "k": rng.normal(size=(1, 2, 3, 3)).astype(np.float32), "to": np.array([-1, 2, 2, 2])}  # fmt: skip
    nodes = [
        node("Gemm", "z w b", "h", transB=1), node("Tanh", "h", "t"), node("Reshape", "t to", "m"),
        node("Conv", "m k", "c", pads=[1, 1, 1, 1]), node("Sigmoid", "c"),
    ]  # fmt: skip
    return saved(model(nodes, {"z": ["N", 3]}, weights), Path())


def test_a_network_is_checked_at_shapes_of_its_file(minigen, decoder):
    result = minigen("gradcheck", decoder, "--order", 2)
    assert result.code == 0 and result.err == ""
    assert result.out.startswith("OK: model.onnx, 9 gradients to order 2")
    assert "parameter 'k'" in result.out and "batches" in result.out
    assert minigen("gradcheck", decoder, "--input", "4,3").code == 0


def test_what_cannot_be_checked_is_said(minigen, decoder):
    result = minigen("gradcheck", decoder, "--input", "4,5")
    assert result.code == 2 and "'z' (N, 3), got (4, 5)" in result.err
    result = minigen("gradcheck", decoder, "--kwargs", '{"a": 1}')
    assert result.code == 2 and "leave --kwargs out" in result.err
    result = minigen("gradcheck", "nothing.onnx")
    assert result.code == 2 and "onnx.load: nothing.onnx: there is no such file" in result.err
    decoder.write_bytes(decoder.read_bytes()[:-30])
    result = minigen("gradcheck", decoder)
    assert result.code == 2 and "minigen: error: onnx.load: model.onnx" in result.err
