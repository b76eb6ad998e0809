"""The first three steps of each optimizer, the place of its epsilon, and its defaults.

Imports: tables. Read next: ``table_weight_decay.py``.
"""

from __future__ import annotations

from tables import Part, Row, Table, run

STEPS = (
    Row("sgd", "SGD"),
    Row("momentum", "SGD, momentum 0.9",
        "No library dampens the first step: the buffer starts as the first gradient."),
    Row("momentum, rate halved", "the same, rate halved after the first step",
        "Keras and Chainer keep the rate inside the buffer, so old steps are still taken at the old rate; the two "
        "forms are equal only for a constant rate.",
        "divide a buffer of Keras by -rate. With a schedule the steps differ, and no setting undoes it."),
    Row("nesterov", "SGD, momentum 0.9, Nesterov",
        "Chainer's NesterovAG multiplies its velocity after it was renewed: the first step is (1 + 0.9 + 0.81) times "
        "the gradient in place of (1 + 0.9).",
        "all others are `optim.SGD(nesterov=True)`; Chainer's has no setting here."),
    Row("rmsprop", "RMSprop, decay 0.9, epsilon 0.1",
        "Epsilon stands outside of the root in PyTorch, Chainer, MLX and minigen, inside in Keras, Optax and Paddle. "
        "At a gradient of 0 the first divides by eps, the second by sqrt(eps).",
        "for small gradients eps -> sqrt(eps); in between there is no exact conversion."),
    Row("rmsprop with momentum", "RMSprop with momentum 0.9", "",
        "as above; the momentum itself is the same."),
    Row("rmsprop, centred", "RMSprop, centred",
        "Paddle, Keras, Optax and Chainer divide by sqrt(s - m^2 + eps), PyTorch by sqrt(s - m^2) + eps.",
        "minigen has no centred form."),
    Row("adam", "Adam, betas 0.9, 0.99, epsilon 0.1",
        "Keras and Chainer add epsilon before the bias correction of v (the second form of the paper, its section 2): "
        "their epsilon acts like eps / sqrt(1 - beta2^t), 10 times larger in the first step here, 32 times with "
        "beta2 0.999. MLX corrects no bias unless told to.",
        "divide eps by sqrt(1 - beta2^t) where it matters; with 1e-7 or 1e-8 it rarely does."),
    Row("adam, defaults", "Adam, defaults",
        "MLX's first step is 3.16 times the rate: `bias_correction` is off by default.",
        "give MLX `bias_correction=True`, or warm up."),
    Row("adagrad", "Adagrad, defaults",
        "Keras and Optax start the accumulator at 0.1, the others at 0, where the first step is the rate.",
        "minigen has no Adagrad."),
    Row("clip by norm", "(3, 4) millionths clipped to the norm 2.5 millionths",
        "PyTorch, MLX and minigen add 1e-6 to the norm before they divide: gradients of that size are cut shorter "
        "than asked.",
        "for exact clipping scale the gradients yourself; `optim.clip_grad_norm(params, inf)` gives the norm."),
)  # fmt: skip

DEFAULTS = (
    Row("default: adam eps", "Adam's epsilon", "Keras has 1e-7.", "`optim.Adam(eps=1e-7)`."),
    Row("default: rmsprop eps", "RMSprop's epsilon", "", "give it: `eps=`."),
    Row("default: rmsprop decay", "RMSprop's decay",
        "PyTorch's 0.99 and Keras' 0.9 average over 100 and 10 gradients.", "`optim.RMSprop(alpha=0.9)`."),
    Row("default: adagrad start", "Adagrad's first accumulator", "", "minigen has no Adagrad."),
)  # fmt: skip

TABLE = Table(
    name="optimizers",
    title="Optimizers",
    text="One parameter of 1, the gradients 0.5, -0.25 and 1, the rate 0.1: by how much each step lowers the "
    "parameter. Epsilon is 0.1 where it is stated, so that its place is seen.",
    port="compare the first three steps of your optimizer with this table before you look for faults in the network. "
    "`minigen import` takes weights, not the state of an optimizer.",
    parts=(Part("Three steps:", STEPS), Part("Defaults:", DEFAULTS)),
)

if __name__ == "__main__":
    run(TABLE)
