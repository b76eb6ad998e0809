"""The law of the initial weights and biases of each layer, found from large layers.

Imports: tables. Read next: ``table_quantisation.py``.
"""

from __future__ import annotations

from tables import Part, Row, Table, run

ROWS = (
    Row("dense", "dense, 300 to 900",
        "PyTorch's `kaiming_uniform(a=sqrt(5))` is 1/sqrt(fan_in), 2.4 times less than He's width for a relu; and its "
        "bias is not 0.",
        "Keras and Paddle: `weight_init=nn.init.glorot_uniform` (with it the bias is 0)."),
    Row("convolution", "convolution 3x3, 32 to 96 channels",
        "Paddle's convolutions are He normal, its dense layers Glorot uniform.",
        "`nn.init.glorot_uniform`, `nn.init.he_normal`, `nn.init.normal(std=...)`."),
    Row("transposed convolution", "transposed convolution 3x3, 32 to 96 channels",
        "PyTorch's weight has the input's channels first and its fan is counted on the second axis: that is the fan "
        "out, so that the width depends on the wrong side. Chainer and minigen do the same.",
        "`weight_init=`: what you pass sees the weight (in, out, kh, kw)."),
    Row("embedding", "embedding, 300 of size 900", "", "`weight_init=`."),
)  # fmt: skip

TABLE = Table(
    name="initial_weights",
    title="Initial weights",
    text="fan_in and fan_out are the input's and the output's channels times the size of the kernel; for the embedding "
    '300 and 900. "+-" is the bound of a uniform law.',
    port="the first epochs depend on it more than on the optimizer: state the initialisation instead of a default.",
    parts=(Part("", ROWS),),
)

if __name__ == "__main__":
    run(TABLE)
