"""The conventions of tinygrad, on its device CPU, whose compiler is that of the ziglang package.

Imports: tinygrad. Read next: ``in_onnx.py``.
"""

from __future__ import annotations

import os
from importlib.metadata import version

os.environ["DEV"] = "CPU"

import inputs  # noqa: E402
from adapter import default, describe, main  # noqa: E402
from tinygrad import Tensor, dtypes, nn  # noqa: E402
from tinygrad.helpers import Context  # noqa: E402
from tinygrad.nn import optim as O  # noqa: E402, N812

KINKS = {
    "abs": Tensor.abs,
    "relu": Tensor.relu,
    "maximum with 0": lambda x: x.maximum(0.0),
    "leaky relu": lambda x: x.leaky_relu(0.25),
    "elu": lambda x: x.elu(2.0),
    "clip": lambda x: x.clip(-1, 1),
    "maximum": lambda x: x[0].maximum(x[1]),
    "minimum": lambda x: x[0].minimum(x[1]),
    "max": Tensor.max,
    "max over an axis": lambda x: x.max(0),
    "min": Tensor.min,
    "max pooling": lambda x: x.reshape(1, 1, 2, 2).max_pool2d(2),
    "sort": lambda x: x.sort()[0] * Tensor(inputs.SORT_WEIGHTS),
    "sqrt": Tensor.sqrt,
    "where around sqrt": lambda x: (x > 0).where(x.sqrt(), 0.0),
    "norm": lambda x: x.square().sum().sqrt(),
    "norm squared": lambda x: x.square().sum().sqrt() ** 2,
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": Tensor.prod,
    "product with two zeros": Tensor.prod,
    "standard deviation": Tensor.std,
    "logsumexp": Tensor.logsumexp,
}


def first(key):
    x = Tensor(inputs.KINKS[key])
    return KINKS[key](x).sum().gradient(x)[0]


def second(key):
    x = Tensor(inputs.KINKS[key])
    return KINKS[key](x).sum().gradient(x)[0].sum().gradient(x)[0]


def kinks():
    return {
        **{key: lambda key=key: first(key) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(kind, rates=None, gradients=inputs.GRADIENTS, **options):
    """By how much three steps lower a parameter of 1."""
    p = Tensor([1.0])
    optimizer = kind([p], lr=inputs.RATE, **options)
    lowered = []
    with Context(TRAINING=1):
        for i, g in enumerate(gradients):
            before, p.grad = p.item(), Tensor([g])
            if rates:
                optimizer.lr.assign(Tensor([rates[i]])).realize()
            optimizer.step()
            lowered.append(before - p.item())
    return lowered


def optimizers():
    momentum = dict(momentum=inputs.MOMENTUM)
    b1, b2 = inputs.BETAS
    return {
        "sgd": lambda: updates(O.SGD),
        "momentum": lambda: updates(O.SGD, **momentum),
        "momentum, rate halved": lambda: updates(O.SGD, inputs.RATES, **momentum),
        "nesterov": lambda: updates(O.SGD, nesterov=True, **momentum),
        "adam": lambda: updates(O.Adam, b1=b1, b2=b2, eps=inputs.EPS),
        "adam, defaults": lambda: updates(O.Adam),
        "default: adam eps": lambda: default(O.Adam, "eps"),
    }


def weight_decay():
    (b1, b2), decay = inputs.BETAS, dict(weight_decay=inputs.DECAY)
    small = dict(b1=b1, b2=b2, eps=inputs.EPS)

    def parameters():
        layers = [nn.Linear(1, 1), nn.BatchNorm(1)]
        layers[0].bias = Tensor.ones(1)
        ps = [layers[0].bias, layers[1].weight]
        for p in ps:
            p.grad = Tensor([0.0])
        with Context(TRAINING=1):
            O.AdamW(ps, inputs.RATE, **decay).step()
        return [1 - p.item() for p in ps]

    return {
        "sgd": lambda: updates(O.SGD, **decay),
        "momentum": lambda: updates(O.SGD, momentum=inputs.MOMENTUM, **decay),
        "adamw": lambda: updates(O.AdamW, **small, **decay),
        "adamw, no gradient": lambda: updates(O.AdamW, gradients=[0.0], **decay),
        "bias and batch norm": parameters,
        "default: adamw": lambda: default(O.AdamW, "weight_decay"),
    }


def normalization():
    batch, small = Tensor(inputs.BATCH).reshape(4, 1), Tensor([inputs.SMALL])

    def trained(x=batch, **options):
        layer = nn.BatchNorm(1, **options)
        with Context(TRAINING=1):
            return layer, layer(x).realize()

    def evaluated():
        layer = nn.BatchNorm(1)
        layer.running_var = Tensor([1e-4])
        return layer(Tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: trained()[0].running_mean / 3,
        "stored variance": lambda: trained(momentum=1.0)[0].running_var,
        "result in training": lambda: trained()[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: trained(Tensor([[2.0]]))[1],
        "layer norm": lambda: nn.LayerNorm(4)(small),
        "group norm": lambda: nn.GroupNorm(1, 4)(small),
        "default: batch norm eps": lambda: default(nn.BatchNorm, "eps"),
        "default: layer norm eps": lambda: default(nn.LayerNorm, "eps"),
        "default: group norm eps": lambda: default(nn.GroupNorm, "eps"),
        "default: instance norm eps": lambda: default(nn.InstanceNorm, "eps"),
        "variance function": batch.var,
    }


def losses():
    p, t, x = Tensor(inputs.PREDICTION), Tensor(inputs.TARGET), Tensor(inputs.LOGITS)
    one = Tensor([1.0])
    return {
        "bce": lambda: p.binary_crossentropy(t),
        "bce at 0": lambda: Tensor([0.0]).binary_crossentropy(one),
        "bce with logits": lambda: x.binary_crossentropy_logits(t),
        "bce with logits at -200": lambda: Tensor([-200.0]).binary_crossentropy_logits(one),
        "cross entropy": lambda: x.sparse_categorical_crossentropy(Tensor([2, 0])),
    }


def activations():
    def dropout():
        Tensor.manual_seed(0)
        with Context(TRAINING=1):
            return sorted(set(Tensor.ones(1000).dropout(0.2).tolist()))

    return {
        "gelu": lambda: Tensor([1.0]).gelu(),
        "leaky relu": lambda: -Tensor([-1.0]).leaky_relu(),
        "elu": lambda: Tensor([-1.0]).elu(),
        "celu": lambda: Tensor([-1.0]).celu(2.0),
        "hard sigmoid": lambda: Tensor([1.0]).hardsigmoid(),
        "hard swish": lambda: Tensor([1.0]).hardswish(),
        "softplus(100)": lambda: Tensor([100.0]).softplus(),
        "softplus(21) - 21": lambda: Tensor([21.0], dtype=dtypes.float64).softplus() - 21,
        "softmax axis": lambda: Tensor.zeros(2, 3, 4).softmax()[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: Tensor.ones(1).dropout(0.2),
        "default: dropout": lambda: default(Tensor.dropout, "p"),
        "standard deviation": lambda: Tensor([1.0, 2.0, 3.0]).std(),
        "argmax of a tie": lambda: Tensor([1.0, 1.0]).argmax(),
        "sign of 0": lambda: Tensor([0.0]).sign(),
        "round half": lambda: Tensor([0.5, 1.5, 2.5]).round(),
    }


def resizing():
    row, five = (Tensor.arange(n, dtype=dtypes.float32).reshape(1, 1, 1, n) for n in (4, 5))

    def to(x, n, mode, **options):
        return x.interpolate((1, n), mode, **options)

    return {
        "bilinear 4 to 8": lambda: to(row, 8, "linear"),
        "bilinear 4 to 8, aligned": lambda: row.interpolate((8,), "linear", align_corners=True),
        "bilinear 4 to 2": lambda: to(row, 2, "linear"),
        "bilinear 5 to 2": lambda: to(five, 2, "linear"),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: Tensor.ones(1, 1, 3, 3).avg_pool2d(2, 2, padding=1)[0, 0, 0, 0],
    }


def initial_weights():
    Tensor.manual_seed(0)

    def found(layer, fan_in, fan_out):
        return describe(layer.weight.numpy(), fan_in, fan_out, layer.bias.numpy())

    return {
        "dense": lambda: found(nn.Linear(300, 900), 300, 900),
        "convolution": lambda: found(nn.Conv2d(32, 96, 3), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nn.ConvTranspose2d(32, 96, 3), 32 * 9, 96 * 9),
        "embedding": lambda: describe(nn.Embedding(300, 900).weight.numpy(), 300, 900),
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
    main({"tinygrad": version("tinygrad")}, TABLES)
