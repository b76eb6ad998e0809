"""The scale of each reconstruction loss: what is summed, what averaged, what clipped, which constants are left out.

Imports: tables. Read next: ``table_activations.py``.
"""

from __future__ import annotations

import math

from tables import Cell, Cells, Part, Row, Table, run, text_of

SAMPLES = 2


def show(key: str, cell: Cell, ours: Cells) -> str:
    """A scale in words: which sum of the losses of the elements (minigen's) the cell is."""
    each = ours.get(f"{key}, each")
    if each is None or not isinstance(cell, list):
        return text_of(cell)
    rows = [each[i * len(each) // SAMPLES : (i + 1) * len(each) // SAMPLES] for i in range(SAMPLES)]
    constant = math.log(2 * math.pi) / 2
    known = {
        "mean": [sum(each) / len(each)],
        "sum": [sum(each)],
        "sum / N": [sum(each) / SAMPLES],
        "each element": each,
        "sum of each sample": [sum(row) for row in rows],
        "mean of each sample": [sum(row) / len(row) for row in rows],
        "mean, less the constant": [sum(each) / len(each) - constant],
    }
    for factor, word in ((1.0, ""), (0.5, "half of: "), (2.0, "twice the ")):
        for name, values in known.items():
            scaled = [factor * value for value in values]
            if len(scaled) == len(cell) and all(math.isclose(x, y, rel_tol=1e-4) for x, y in zip(scaled, cell)):
                return word + name
    return text_of(cell)


SCALES = (
    Row("mse", "squared error",
        "Optax returns the elements.", "`reduction=\"none\"`, or take the mean there."),
    Row("l1", "absolute error"),
    Row("huber", "Huber, delta 0.5",
        "MLX returns the elements, Chainer the sum of each sample.", "`reduction=`."),
    Row("bce", "binary cross-entropy of probabilities"),
    Row("bce with logits", "the same, of logits",
        "Chainer's `bernoulli_nll` is a sum over the batch too.", "`reduction=\"sum\"`."),
    Row("gaussian nll", "Gaussian likelihood, variance 0.25",
        "PyTorch, Paddle and MLX leave log(2 pi) / 2 = 0.919 nats per element out unless `full=True`: 720 nats for an "
        "image of 784 pixels.",
        "add 0.9189 for each element; the gradient is the same."),
    Row("kl to the standard normal", "divergence of N(mean, exp(logvar)) from N(0, 1)",
        "minigen's divergences are a sum over the code and a mean over the batch, since a mean over the code weighs it "
        "down by its size.",
        "`reduction=\"sum\"` or `\"none\"`."),
    Row("kl of two distributions", "divergence of two distributions over 3 classes",
        "PyTorch's and Paddle's `kl_div` divide by the number of elements by default, not of distributions, and take "
        "the logarithms first. MLX and Optax return one number for each distribution.",
        "`losses.categorical_kl` is what PyTorch calls `batchmean`."),
    Row("cross entropy", "cross-entropy of labels", "MLX and Optax return one number for each sample.",
        "`reduction=\"none\"`."),
    Row("l2 loss", "the loss that is called `l2_loss`", "Optax' `l2_loss` is half of the squared error.",
        "`losses.mse(reduction=\"none\") * 0.5`."),
)  # fmt: skip

ENDS = (
    Row("bce at 0", "binary cross-entropy of p = 0 where the target is 1",
        "100 where the logarithm is clamped (PyTorch, Paddle, MLX, minigen), 16.12 where p is kept 1e-7 away from 0 "
        "(Keras), infinite in tinygrad. One certain error weighs six times more here than in Keras.",
        "train on logits: there all agree."),
    Row("bce with logits at -200", "of the logit -200"),
    Row("gaussian nll of variance 1e-9", "Gaussian likelihood of an exact prediction, variance 1e-9",
        "PyTorch, Paddle and MLX raise a variance below 1e-6 to that; the constant of above is missing, too.",
        "give `logvar`, and bound it in the network."),
    Row("smooth l1", "`smooth_l1_loss`, beta 0.5",
        "It is Huber's loss divided by beta: for beta 0.5 twice as much (mean 1.352 against 0.6758). Paddle's "
        "function of that name is Huber's loss.",
        "`losses.huber(delta=beta) / beta`."),
)  # fmt: skip

TABLE = Table(
    name="losses",
    title="Losses",
    text="A batch of 2 samples of 3 elements. The cells say which sum of the losses of the elements a library "
    "returns by default; N is the number of samples.",
    port="multiply by the number of elements of a sample where a mean becomes a likelihood: a mean over 784 pixels "
    "beside a divergence that is a sum makes the divergence 784 times too strong.",
    parts=(Part("The scale, by default:", SCALES), Part("At the ends of the range:", ENDS)),
    show=show,
)

if __name__ == "__main__":
    run(TABLE)
