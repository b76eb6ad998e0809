"""Batch norm's momentum and stored variance; the epsilon of every normalisation.

Imports: tables. Read next: ``table_spectral_norm.py``.
"""

from __future__ import annotations

from tables import FRAMEWORKS, ONNX, Part, Row, Table, run

BATCH = (
    Row("weight of the new batch", "weight of the new batch in the running mean, by default",
        "`momentum` is the share that is renewed in PyTorch, MLX, tinygrad and minigen, and the share that is kept in "
        "Keras, Flax, Chainer (there `decay`), Paddle and ONNX. Paddle's, Chainer's and ONNX's 0.9 is PyTorch's 0.1; "
        "Keras' and Flax' 0.99 is 0.01.",
        "1 - momentum; `minigen import` does it."),
    Row("stored variance", "stored variance of (0, 2, 4, 6), all of it renewed",
        "PyTorch, Chainer, MLX, tinygrad and minigen store the variance over n - 1, Keras, Flax, Paddle and ONNX that "
        "over n. It is n/(n-1), a third more, for 4 values; for 128 images of 7x7 it is 1.00016.",
        "take it as it is: both estimate the same number, and n is not known any more."),
    Row("result in training", "result in training, epsilon 1e-5",
        "All normalise by the variance over n, whatever they store."),
    Row("epsilon in evaluation", "result in evaluation of 0.01, mean 0, variance 0.0001, defaults",
        "Keras' epsilon is 1e-3: where a variance is small, the result is a third.",
        "state epsilon; `minigen import` takes Keras' along."),
    Row("one value", "one value for each channel, in training",
        "PyTorch, MLX and minigen refuse it, tinygrad divides by 0, Paddle returns the input, the others 0.",
        "use a larger batch, or `eval()`."),
    Row("default: batch norm eps", "batch norm's epsilon", "", "`nn.BatchNorm(eps=...)`."),
    Row("variance function", "var of (0, 2, 4, 6), default",
        "PyTorch, Paddle and tinygrad divide by n - 1 here, NumPy, JAX, Keras, MLX and minigen by n. Paddle's batch "
        "norm stores the other one.",
        "`ops.var(x, correction=1)`."),
)  # fmt: skip

OTHERS = (
    Row("layer norm", "layer norm of (0, 2, 4, 6) thousandths",
        "The default epsilon is 1e-5, 1e-6 (Flax, Chainer) or 1e-3 (Keras): for small activations another result.",
        "`nn.LayerNorm(eps=...)`."),
    Row("group norm", "group norm, one group, the same", "", "`nn.GroupNorm(eps=...)`."),
    Row("default: layer norm eps", "layer norm's epsilon", "", "`nn.LayerNorm(eps=...)`."),
    Row("default: group norm eps", "group norm's epsilon", "", "`nn.GroupNorm(eps=...)`."),
    Row("default: instance norm eps", "instance norm's epsilon", "", "`nn.InstanceNorm(eps=...)`."),
)  # fmt: skip

TABLE = Table(
    name="normalization",
    title="Normalisation",
    text="A batch of one channel with the values 0, 2, 4, 6: mean 3, variance 5 over n, 6.667 over n - 1. ONNX Runtime "
    "and the reference evaluator of the onnx package run BatchNormalization with `training_mode`.",
    port="write 1 - momentum where it is the share that is kept, and copy epsilon with the weights: no shape tells.",
    parts=(Part("Batch norm:", BATCH), Part("The others:", OTHERS)),
    peers=(*FRAMEWORKS, *ONNX),
)

if __name__ == "__main__":
    run(TABLE)
