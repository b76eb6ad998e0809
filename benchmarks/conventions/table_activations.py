"""Forms and defaults of activations, dropout, and of a few functions that every network uses.

Imports: tables. Read next: ``table_resizing.py``.
"""

from __future__ import annotations

from tables import FRAMEWORKS, ONNX, Part, Row, Table, run

ROWS = (
    Row("gelu", "gelu(1)",
        "JAX, Flax and tinygrad take the tanh form by default (0.8412), the others the exact one (0.8413).",
        "`ops.gelu(x, approximate=\"tanh\")`."),
    Row("leaky relu", "slope of leaky relu, default",
        "0.01, but 0.2 in Chainer and 0.3 in Keras' layer (its function has 0.2). DCGANs state 0.2.",
        "`ops.leaky_relu(x, slope)`; `minigen import` cannot see a slope in weights."),
    Row("elu", "elu(-1)"),
    Row("celu", "celu(-1), alpha 2"),
    Row("hard sigmoid", "hard sigmoid of 1",
        "x / 6 + 1/2 in most, 0.2 x + 1/2 in Chainer and ONNX (its attribute alpha).",
        "minigen has none: `ops.clip(x * slope + 0.5, 0, 1)`."),
    Row("hard swish", "hard swish of 1"),
    Row("softplus(100)", "softplus(100)"),
    Row("softplus(21) - 21", "softplus(21) - 21 in float64",
        "PyTorch and Paddle return x itself above 20: in float64 it is 7.6e-10 off, and its second derivative is 0.",
        "exact here."),
    Row("softmax axis", "softmax of zeros (2, 3, 4) without an axis",
        "The last axis, of 4; in Chainer axis 1, and in PyTorch, which warns, the first of 3 axes.",
        "`ops.softmax(x, axis)`."),
    Row("dropout", "dropout 0.2 in training: the values of ones",
        "All scale what is kept in training, and take the probability to drop."),
    Row("dropout in evaluation", "the same in evaluation"),
    Row("default: dropout", "dropout's default"),
    Row("standard deviation", "standard deviation of (1, 2, 3)",
        "PyTorch, Paddle and tinygrad divide by n - 1, the others by n.", "`ops.sqrt(ops.var(x, correction=1))`."),
    Row("argmax of a tie", "argmax of (1, 1)"),
    Row("sign of 0", "sign of 0", "", "minigen has no sign."),
    Row("round half", "round of 0.5, 1.5, 2.5", "Halves go to the even number, nowhere up.", "minigen has no round."),
)  # fmt: skip

TABLE = Table(
    name="activations",
    title="Activations, dropout and small functions",
    text="Of ONNX the operators of opset 20. A cell that says refused: ONNX Runtime has no kernel of that type.",
    port="write every slope and every axis down; defaults differ by a factor of 30.",
    parts=(Part("", ROWS),),
    peers=(*FRAMEWORKS, *ONNX),
)

if __name__ == "__main__":
    run(TABLE)
