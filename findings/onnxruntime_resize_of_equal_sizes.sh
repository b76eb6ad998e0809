#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU): a linear or cubic Resize whose result has the size of its argument is a copy, whatever the
# scales say. By 1.25, [0, 10] has floor(2.5) = 2 results; their centres lie at -0.1 and 0.7, so the second is 7, which
# the reference evaluator of onnx gives; onnxruntime gives 10. With 3 numbers the sizes differ, and both agree.
#
# Likely why: shapes are compared before the scales are looked at.
#
# Who meets it: a network with factors such as 1.25 on small images, and tests that compare runtimes at random.
#
# Run: bash findings/onnxruntime_resize_of_equal_sizes.sh. It makes a virtual environment in a temporary folder and
# installs onnx and onnxruntime there. Exit code 0: as seen; 1: onnxruntime behaves otherwise.
#
# Seen:
#   linear, 2 numbers by 1.25   onnxruntime [0.0, 10.0]   reference [0.0, 7.0]
#   cubic, 2 numbers by 1.25    onnxruntime [0.0, 10.0]   reference [-0.61, 7.21]
#   linear, 4 numbers by 1.25   onnxruntime [0.0, 7.0, 15.0, 23.0, 30.0]   reference [0.0, 7.0, 15.0, 23.0, 30.0]
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


def both(mode, count):
    x = 10 * np.arange(count, dtype=np.float32).reshape(1, 1, 1, -1)
    scales = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 1, 1.25])
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode=mode)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [scales])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = session.run(None, {"x": x})[0], ReferenceEvaluator(model).run(None, {"x": x})[0]
    return [[round(float(v), 2) for v in run.ravel()] for run in runs]


seen = {(mode, count): both(mode, count) for mode, count in (("linear", 2), ("cubic", 2), ("linear", 4))}
for (mode, count), (runtime, reference) in seen.items():
    name = f"{mode}, {count} numbers by 1.25"
    print(f"{name:27} onnxruntime {runtime}   reference {reference}")
assert seen["linear", 2] == [[0, 10], [0, 7]]
assert seen["cubic", 2][0] == [0, 10] and 7 < seen["cubic", 2][1][1] < 8
assert seen["linear", 4][0] == seen["linear", 4][1]
print("as seen before")
PYTHON
