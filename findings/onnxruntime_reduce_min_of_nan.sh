#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU) leaves NaN out of ReduceMin, ReduceMax and ArgMax, and what is left depends on where it stood:
# ReduceMin of [1, NaN, 3, -Inf, Inf, -2] is -2 in float32 and 1 in float64, though -Inf is there. NumPy, PyTorch and the
# reference evaluator of onnx give NaN, and ArgMax the place of the NaN. LogSoftmax beside an infinite element is NaN in
# float32, as in NumPy and PyTorch, and -Inf in float64.
#
# Likely why: a comparison with NaN is false, so a minimum that is kept by `<` begins anew, or goes on, behind it.
#
# Who meets it: a network that has become NaN looks healthy in another runtime; exporters that compare with NaN inputs.
#
# Run: bash findings/onnxruntime_reduce_min_of_nan.sh. It makes a virtual environment in a temporary folder and installs
# onnx and onnxruntime there. Exit code 0: as seen; 1: onnxruntime behaves otherwise.
#
# Seen:
#   ReduceMin float32    onnxruntime [-2.0]   reference [nan]
#   ReduceMin float64    onnxruntime [1.0]   reference [nan]
#   ReduceMax float32    onnxruntime [inf]   reference [nan]
#   ArgMax float32       onnxruntime [4]   reference [1]
#   LogSoftmax float32   onnxruntime [nan, nan, nan]   reference [nan, nan, nan]
#   LogSoftmax float64   onnxruntime [nan, -inf, -inf]   reference [nan, nan, nan]
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

onnxruntime.set_default_logger_severity(4)


def both(op, x, **attributes):
    kind = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[str(x.dtype)]
    out = TensorProto.INT64 if op == "ArgMax" else kind
    node = helper.make_node(op, ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", kind, x.shape)],
                              [helper.make_tensor_value_info("y", out, [None] * x.ndim)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].ravel().tolist(), ReferenceEvaluator(model).run(None, {"x": x})[0].ravel().tolist()


row = np.array([[1, np.nan, 3, -np.inf, np.inf, -2]], np.float32)
seen = {
    "ReduceMin float32": both("ReduceMin", row),
    "ReduceMin float64": both("ReduceMin", row.astype(np.float64)),
    "ReduceMax float32": both("ReduceMax", row),
    "ArgMax float32": both("ArgMax", row, axis=1),
    "LogSoftmax float32": both("LogSoftmax", np.array([[np.inf, 0, 1]], np.float32), axis=1),
    "LogSoftmax float64": both("LogSoftmax", np.array([[np.inf, 0, 1]]), axis=1),
}
for name, (runtime, reference) in seen.items():
    print(f"{name:20} onnxruntime {runtime}   reference {reference}")
assert seen["ReduceMin float32"][0] == [-2.0] and np.isnan(seen["ReduceMin float32"][1][0])
assert seen["ReduceMin float64"][0] == [1.0] and seen["ReduceMax float32"][0] == [np.inf]
assert seen["ArgMax float32"] == ([4], [1])
assert np.isnan(seen["LogSoftmax float32"][0]).all() and seen["LogSoftmax float64"][0][1:] == [-np.inf, -np.inf]
print("as seen before")
PYTHON
