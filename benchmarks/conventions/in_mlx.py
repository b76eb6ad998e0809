"""The conventions of MLX, by its Linux build for the CPU.

Imports: mlx. Read next: ``in_tinygrad.py``.
"""

from __future__ import annotations

from importlib.metadata import version

import inputs
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as O  # noqa: N812
import numpy as np
from adapter import default, describe, main
from mlx.nn import losses as L  # noqa: N812

tensor = mx.array

KINKS = {
    "abs": mx.abs,
    "relu": nn.relu,
    "maximum with 0": lambda x: mx.maximum(x, 0.0),
    "leaky relu": lambda x: nn.leaky_relu(x, 0.25),
    "elu": lambda x: nn.elu(x, 2.0),
    "clip": lambda x: mx.clip(x, -1, 1),
    "maximum": lambda x: mx.maximum(x[0], x[1]),
    "minimum": lambda x: mx.minimum(x[0], x[1]),
    "max": mx.max,
    "max over an axis": lambda x: mx.max(x, 0),
    "min": mx.min,
    "max pooling": lambda x: nn.MaxPool2d(2)(x.reshape(1, 2, 2, 1)),
    "sort": lambda x: mx.sort(x) * tensor(inputs.SORT_WEIGHTS),
    "median": mx.median,
    "sqrt": mx.sqrt,
    "where around sqrt": lambda x: mx.where(x > 0, mx.sqrt(x), 0.0),
    "norm": mx.linalg.norm,
    "norm squared": lambda x: mx.linalg.norm(x) ** 2,
    "largest absolute value": lambda x: mx.linalg.norm(x, float("inf")),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": mx.prod,
    "product with two zeros": mx.prod,
    "standard deviation": mx.std,
    "logsumexp": mx.logsumexp,
}


def gradient(key):
    return mx.grad(lambda x: KINKS[key](x).sum())


def second(key):
    return mx.grad(lambda x: gradient(key)(x).sum())(tensor(inputs.KINKS[key]))


def kinks():
    return {
        **{key: lambda key=key: gradient(key)(tensor(inputs.KINKS[key])) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(optimizer, rates=None, gradients=inputs.GRADIENTS):
    """By how much three steps lower a parameter of 1."""
    p, lowered = {"p": tensor([1.0])}, []
    for i, g in enumerate(gradients):
        if rates:
            optimizer.learning_rate = rates[i]
        before, p = p["p"].item(), optimizer.apply_gradients({"p": tensor([g])}, p)
        lowered.append(before - p["p"].item())
    return lowered


def optimizers():
    lr, momentum, betas = inputs.RATE, inputs.MOMENTUM, list(inputs.BETAS)
    return {
        "sgd": lambda: updates(O.SGD(lr)),
        "momentum": lambda: updates(O.SGD(lr, momentum)),
        "momentum, rate halved": lambda: updates(O.SGD(lr, momentum), inputs.RATES),
        "nesterov": lambda: updates(O.SGD(lr, momentum, nesterov=True)),
        "rmsprop": lambda: updates(O.RMSprop(lr, inputs.ALPHA, inputs.EPS)),
        "adam": lambda: updates(O.Adam(lr, betas, inputs.EPS)),
        "adam, defaults": lambda: updates(O.Adam(lr)),
        "adagrad": lambda: updates(O.Adagrad(lr)),
        "clip by norm": lambda: O.clip_grad_norm({"p": tensor(inputs.TO_CLIP)}, inputs.MAX_NORM)[0]["p"] * 1e6,
        "default: adam eps": lambda: default(O.Adam, "eps"),
        "default: rmsprop eps": lambda: default(O.RMSprop, "eps"),
        "default: rmsprop decay": lambda: default(O.RMSprop, "alpha"),
        "default: adagrad start": lambda: 0.0,
    }


def weight_decay():
    lr, momentum, decay = inputs.RATE, inputs.MOMENTUM, inputs.DECAY

    def adamw():
        return O.AdamW(lr, list(inputs.BETAS), inputs.EPS, weight_decay=decay)

    def parameters():
        layers = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm(1))
        zero = mx.zeros(1)
        gradients = {"layers": [{"bias": zero}, {"weight": zero}]}
        layers.layers[0].bias = mx.ones(1)
        adamw().update(layers, gradients)
        return [1 - layers.layers[0].bias.item(), 1 - layers.layers[1].weight.item()]

    return {
        "sgd": lambda: updates(O.SGD(lr, weight_decay=decay)),
        "momentum": lambda: updates(O.SGD(lr, momentum, decay)),
        "adamw": lambda: updates(adamw()),
        "adamw, no gradient": lambda: updates(adamw(), gradients=[0.0]),
        "bias and batch norm": parameters,
        "default: adamw": lambda: default(O.AdamW, "weight_decay"),
    }


def normalization():
    batch, small = tensor(inputs.BATCH)[:, None], tensor([inputs.SMALL])

    def trained(**options):
        layer = nn.BatchNorm(1, **options)
        return layer, layer(batch)

    def evaluated():
        layer = nn.BatchNorm(1)
        layer.eval()
        layer.running_var = tensor([1e-4])
        return layer(tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: trained()[0].running_mean / 3,
        "stored variance": lambda: trained(momentum=1.0)[0].running_var,
        "result in training": lambda: trained()[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: nn.BatchNorm(1)(tensor([[2.0]])),
        "layer norm": lambda: nn.LayerNorm(4)(small),
        "group norm": lambda: nn.GroupNorm(1, 4)(small),
        "default: batch norm eps": lambda: default(nn.BatchNorm, "eps"),
        "default: layer norm eps": lambda: default(nn.LayerNorm, "eps"),
        "default: group norm eps": lambda: default(nn.GroupNorm, "eps"),
        "default: instance norm eps": lambda: default(nn.InstanceNorm, "eps"),
        "variance function": lambda: mx.var(batch),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    variance, one, zero = mx.full((2, 3), inputs.VARIANCE), tensor([1.0]), tensor([0.0])
    return {
        "mse": lambda: L.mse_loss(p, t),
        "l1": lambda: L.l1_loss(p, t),
        "huber": lambda: L.huber_loss(p * 4, t * 4, 0.5),
        "smooth l1": lambda: L.smooth_l1_loss(p * 4, t * 4, 0.5),
        "bce": lambda: L.binary_cross_entropy(p, t, with_logits=False),
        "bce at 0": lambda: L.binary_cross_entropy(zero, one, with_logits=False),
        "bce with logits": lambda: L.binary_cross_entropy(x, t),
        "bce with logits at -200": lambda: L.binary_cross_entropy(tensor([-200.0]), one),
        "gaussian nll": lambda: L.gaussian_nll_loss(p, t, variance),
        "gaussian nll of variance 1e-9": lambda: L.gaussian_nll_loss(zero, zero, tensor([1e-9])),
        "kl of two distributions": lambda: L.kl_div_loss(nn.log_softmax(p), nn.log_softmax(x)),
        "cross entropy": lambda: L.cross_entropy(x, tensor([2, 0])),
    }


def activations():
    def dropout():
        mx.random.seed(0)
        return sorted(set(nn.Dropout(0.2)(mx.ones(1000)).tolist()))

    def evaluated():
        layer = nn.Dropout(0.2)
        layer.eval()
        return layer(mx.ones(1))

    return {
        "gelu": lambda: nn.gelu(tensor([1.0])),
        "leaky relu": lambda: -nn.leaky_relu(tensor([-1.0])),
        "elu": lambda: nn.elu(tensor([-1.0])),
        "celu": lambda: nn.celu(tensor([-1.0]), 2.0),
        "hard swish": lambda: nn.hardswish(tensor([1.0])),
        "softplus(100)": lambda: nn.softplus(tensor([100.0])),
        "softmax axis": lambda: nn.softmax(mx.zeros((2, 3, 4)))[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": evaluated,
        "default: dropout": lambda: default(nn.Dropout, "p"),
        "standard deviation": lambda: mx.std(tensor([1.0, 2.0, 3.0])),
        "argmax of a tie": lambda: mx.argmax(tensor([1.0, 1.0])),
        "sign of 0": lambda: mx.sign(tensor([0.0])),
        "round half": lambda: mx.round(tensor([0.5, 1.5, 2.5])),
    }


def resizing():
    row, five = (mx.arange(n, dtype=mx.float32).reshape(1, 1, n, 1) for n in (4, 5))

    def to(x, factor, mode, **options):
        return nn.Upsample((1.0, factor), mode, **options)(x)

    return {
        "bilinear 4 to 8": lambda: to(row, 2.0, "linear"),
        "bilinear 4 to 8, aligned": lambda: to(row, 2.0, "linear", align_corners=True),
        "bilinear 4 to 2": lambda: to(row, 0.5, "linear"),
        "bilinear 5 to 2": lambda: to(five, 0.4, "linear"),
        "bilinear 4 by 1.6": lambda: to(row, 1.6, "linear"),
        "nearest 4 to 6": lambda: to(row, 1.5, "nearest"),
        "nearest 5 to 3": lambda: to(five, 0.6, "nearest"),
        "nearest 5 to 2": lambda: to(five, 0.4, "nearest"),
        "average pooling at the edge": lambda: nn.AvgPool2d(2, 2, 1)(mx.ones((1, 3, 3, 1)))[0, 0, 0],
    }


def initial_weights():
    mx.random.seed(0)

    def found(layer, fan_in, fan_out):
        return describe(np.array(layer.weight), fan_in, fan_out, np.array(layer.bias))

    return {
        "dense": lambda: found(nn.Linear(300, 900), 300, 900),
        "convolution": lambda: found(nn.Conv2d(32, 96, 3), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nn.ConvTranspose2d(32, 96, 3), 32 * 9, 96 * 9),
        "embedding": lambda: describe(np.array(nn.Embedding(300, 900).weight), 300, 900),
    }


TABLES = {
    "kinks": kinks,
    "optimizers": optimizers,
    "weight_decay": weight_decay,
    "normalization": normalization,
    "losses": losses,
    "activations": activations,
    "resizing": resizing,
    "initial_weights": initial_weights,
}

if __name__ == "__main__":
    main({"mlx": version("mlx")}, TABLES)
