"""Weight decay: a part of the gradient or a step of its own, with or without the rate, and of which parameters.

Imports: tables. Read next: ``table_normalization.py``.
"""

from __future__ import annotations

from tables import Part, Row, Table, run

ROWS = (
    Row("sgd", "SGD, decay 0.1"),
    Row("momentum", "SGD, momentum 0.9, decay 0.1",
        "Keras' `weight_decay` is decoupled in every optimizer: it does not go through the momentum.",
        "Keras' decay beside momentum has no setting here; without momentum both are the same."),
    Row("adam", "Adam, decay 0.1 (epsilon 0.1)",
        "`Adam(weight_decay=...)` is L2 in PyTorch, Paddle and minigen, and AdamW in Keras. Chainer's and Keras' "
        "epsilon stands elsewhere, see above.",
        "Keras' `Adam(weight_decay=w)` is `optim.AdamW(weight_decay=w)`."),
    Row("adamw", "AdamW, decay 0.1 (epsilon 0.1)", "", "the decay agrees but for Chainer; the rest is the epsilon of "
    "Adam."),
    Row("adamw, no gradient", "AdamW's decay alone: gradient 0",
        "Chainer's AdamW does not multiply the decay by the rate: it is 10 times stronger at the rate 0.1.",
        "divide Chainer's `weight_decay_rate` by the rate."),
    Row("bias and batch norm", "the same, of a bias and of batch norm's weight",
        "Everybody decays biases and the weights of normalisation too, unless told not to.",
        "parameter groups leave them out: `optim.Group`."),
    Row("default: adamw", "AdamW's default decay",
        "A factor of 100 between Optax (0.0001) and PyTorch (0.01), Keras has 0.004, Chainer none.",
        "state it: `optim.AdamW(weight_decay=...)`."),
)  # fmt: skip

TABLE = Table(
    name="weight_decay",
    title="Weight decay",
    text="By how much each step lowers a parameter of 1, with the gradients and the rate of the table before. Optax "
    "has no decay in `sgd` and `adam`: here `add_decayed_weights` stands before them in a chain, which is L2. "
    "Chainer's is the hook `WeightDecay`.",
    port="ask whether the decay goes through momentum and v, and whether the rate multiplies it; then state it as a "
    "number.",
    parts=(Part("", ROWS),),
)

if __name__ == "__main__":
    run(TABLE)
