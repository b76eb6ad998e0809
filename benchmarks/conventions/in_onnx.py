"""The conventions of ONNX operators, by ONNX Runtime or by the reference evaluator of the onnx package.

Each cell is a model of one node, opset 20. There are no gradients and no losses to train with; what training the
operators know (BatchNormalization, Dropout with training_mode) is there.

Imports: onnx, onnxruntime. Read next: ``tables.py``.
"""

from __future__ import annotations

import sys

import inputs
import numpy as np
import onnx
import onnxruntime
from adapter import main
from onnx import helper
from onnx.reference import ReferenceEvaluator

REFERENCE = "reference" in sys.argv


def run(op, *arrays, outputs=1, **attributes):
    """The results of one node; None stands for an input that is left out."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    given = {n: a for n, a in zip(names, arrays) if n}
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in given.items()}
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)],
        "one",
        [helper.make_tensor_value_info(n, kinds[n], given[n].shape) for n in given],
        [helper.make_empty_tensor_value_info(y) for y in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    if REFERENCE:
        return ReferenceEvaluator(model).run(None, given)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, given)


def array(*values):
    return np.array(values, np.float32)


def normalization():
    batch, one, zero = array(inputs.BATCH).T, array(1.0), array(0.0)
    small = array(inputs.SMALL)

    def trained(x=batch, **options):
        return run("BatchNormalization", x, one, zero, zero, one, outputs=3, training_mode=1, **options)

    return {
        "weight of the new batch": lambda: trained()[1] / 3,
        "stored variance": lambda: trained(momentum=0.0)[2],
        "result in training": lambda: trained()[0],
        "epsilon in evaluation": lambda: run("BatchNormalization", array([0.01]), one, zero, zero, array(1e-4))[0],
        "one value": lambda: trained(array([2.0]))[0],
        "layer norm": lambda: run("LayerNormalization", small, np.ones(4, np.float32), np.zeros(4, np.float32))[0],
        "default: batch norm eps": lambda: attribute("BatchNormalization", "epsilon"),
        "default: layer norm eps": lambda: attribute("LayerNormalization", "epsilon"),
        "default: group norm eps": lambda: attribute("GroupNormalization", "epsilon"),
        "default: instance norm eps": lambda: attribute("InstanceNormalization", "epsilon"),
    }


def attribute(op, name):
    """The default of an attribute, from the schema of the operator."""
    value = onnx.defs.get_schema(op, 20).attributes[name].default_value.f
    return float(f"{value:.6g}")


def activations():
    def at(op, *x, **attributes):
        return lambda: run(op, array(*x), **attributes)[0]

    def dropout():
        y = run("Dropout", np.ones(1000, np.float32), np.array(0.2, np.float32), np.array(True))[0]
        return sorted(set(y.tolist()))

    return {
        "gelu": at("Gelu", 1.0),
        "leaky relu": lambda: -run("LeakyRelu", array(-1.0))[0],
        "elu": at("Elu", -1.0),
        "celu": at("Celu", -1.0, alpha=2.0),
        "hard sigmoid": at("HardSigmoid", 1.0),
        "hard swish": at("HardSwish", 1.0),
        "softplus(100)": at("Softplus", 100.0),
        "softplus(21) - 21": lambda: run("Softplus", np.array([21.0]))[0] - 21,
        "softmax axis": lambda: run("Softmax", np.zeros((2, 3, 4), np.float32))[0][0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: run("Dropout", array(1.0), np.array(0.2, np.float32))[0],
        "default: dropout": lambda: 0.5 if "0.5" in onnx.defs.get_schema("Dropout", 20).inputs[1].description else None,
        "argmax of a tie": at("ArgMax", 1.0, 1.0, keepdims=0),
        "sign of 0": at("Sign", 0.0),
        "round half": at("Round", 0.5, 1.5, 2.5),
    }


def resizing():
    row, five = (np.arange(n, dtype=np.float32).reshape(1, 1, 1, -1) for n in (4, 5))

    def to(x, n, mode, **options):
        return lambda: run("Resize", x, None, None, np.array([1, 1, 1, n]), mode=mode, **options)[0]

    def by(x, factor, mode):
        return lambda: run("Resize", x, None, array(1, 1, 1, factor), mode=mode)[0]

    ones = np.ones((1, 1, 3, 3), np.float32)
    pool = dict(kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1])
    return {
        "bilinear 4 to 8": to(row, 8, "linear"),
        "bilinear 4 to 8, aligned": to(row, 8, "linear", coordinate_transformation_mode="align_corners"),
        "bilinear 4 to 2": to(row, 2, "linear"),
        "bilinear 5 to 2": to(five, 2, "linear"),
        "bilinear 4 by 1.6": by(row, 1.6, "linear"),
        "nearest 4 to 6": to(row, 6, "nearest"),
        "nearest 5 to 3": to(five, 3, "nearest"),
        "nearest 5 to 2": to(five, 2, "nearest"),
        "average pooling at the edge": lambda: run("AveragePool", ones, **pool)[0][..., 0, 0],
    }


TABLES = {"normalization": normalization, "activations": activations, "resizing": resizing}

if __name__ == "__main__":
    main({"onnx": onnx.__version__, **({} if REFERENCE else {"onnxruntime": onnxruntime.__version__})}, TABLES)
