"""The conventions of PaddlePaddle.

Imports: paddle. Read next: ``in_mlx.py``.
"""

from __future__ import annotations

import warnings

warnings.simplefilter("ignore")

import inputs  # noqa: E402
import paddle  # noqa: E402
import paddle.nn.functional as F  # noqa: E402, N812
from adapter import default, describe, main  # noqa: E402
from paddle import nn  # noqa: E402
from paddle import optimizer as O  # noqa: E402, N812


def tensor(values, **options):
    return paddle.to_tensor(values, "float32", **options)


KINKS = {
    "abs": paddle.abs,
    "relu": F.relu,
    "maximum with 0": lambda x: paddle.maximum(x, tensor([0.0])),
    "leaky relu": lambda x: F.leaky_relu(x, 0.25),
    "elu": lambda x: F.elu(x, 2.0),
    "clip": lambda x: paddle.clip(x, -1, 1),
    "maximum": lambda x: paddle.maximum(x[0], x[1]),
    "minimum": lambda x: paddle.minimum(x[0], x[1]),
    "max": paddle.max,
    "max over an axis": lambda x: paddle.max(x, 0),
    "min": paddle.min,
    "max pooling": lambda x: F.max_pool2d(paddle.reshape(x, (1, 1, 2, 2)), 2),
    "sort": lambda x: paddle.sort(x, stable=True) * tensor(inputs.SORT_WEIGHTS),
    "median": paddle.median,
    "sqrt": paddle.sqrt,
    "where around sqrt": lambda x: paddle.where(x > 0, paddle.sqrt(x), tensor([0.0])),
    "norm": paddle.norm,
    "norm squared": lambda x: paddle.norm(x) ** 2,
    "largest absolute value": lambda x: paddle.norm(x, float("inf")),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": paddle.prod,
    "product with two zeros": paddle.prod,
    "standard deviation": paddle.std,
    "logsumexp": paddle.logsumexp,
}


def first(key):
    x = tensor(inputs.KINKS[key], stop_gradient=False)
    return paddle.grad(KINKS[key](x).sum(), x)[0]


def second(key):
    x = tensor(inputs.KINKS[key], stop_gradient=False)
    (g,) = paddle.grad(KINKS[key](x).sum(), x, create_graph=True)
    if g.stop_gradient:
        return paddle.zeros_like(x)
    (h,) = paddle.grad(g.sum(), x, allow_unused=True)
    return paddle.zeros_like(x) if h is None else h


def kinks():
    return {
        **{key: lambda key=key: first(key) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(kind, rates=None, gradients=inputs.GRADIENTS, **options):
    """By how much three steps lower a parameter of 1."""
    p = paddle.create_parameter([1], "float32", default_initializer=nn.initializer.Constant(1.0))
    optimizer = kind(learning_rate=inputs.RATE, parameters=[p], **options)
    lowered = []
    for i, g in enumerate(gradients):
        before = p.item()
        if rates:
            optimizer.set_lr(rates[i])
        (p * g).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
        lowered.append(before - p.item())
    return lowered


def clipped():
    p = paddle.create_parameter([2], "float32")
    g = tensor(inputs.TO_CLIP)
    return nn.ClipGradByGlobalNorm(inputs.MAX_NORM)([(p, g)])[0][1] * 1e6


def optimizers():
    momentum, (b1, b2) = dict(momentum=inputs.MOMENTUM), inputs.BETAS
    rms = dict(rho=inputs.ALPHA, epsilon=inputs.EPS)
    return {
        "sgd": lambda: updates(O.SGD),
        "momentum": lambda: updates(O.Momentum, **momentum),
        "momentum, rate halved": lambda: updates(O.Momentum, inputs.RATES, **momentum),
        "nesterov": lambda: updates(O.Momentum, use_nesterov=True, **momentum),
        "rmsprop": lambda: updates(O.RMSProp, **rms),
        "rmsprop with momentum": lambda: updates(O.RMSProp, **momentum, **rms),
        "rmsprop, centred": lambda: updates(O.RMSProp, centered=True, **rms),
        "adam": lambda: updates(O.Adam, beta1=b1, beta2=b2, epsilon=inputs.EPS),
        "adam, defaults": lambda: updates(O.Adam),
        "adagrad": lambda: updates(O.Adagrad),
        "clip by norm": clipped,
        "default: adam eps": lambda: default(O.Adam, "epsilon"),
        "default: rmsprop eps": lambda: default(O.RMSProp, "epsilon"),
        "default: rmsprop decay": lambda: default(O.RMSProp, "rho"),
        "default: adagrad start": lambda: default(O.Adagrad, "initial_accumulator_value"),
    }


def weight_decay():
    (b1, b2), decay = inputs.BETAS, dict(weight_decay=inputs.DECAY)
    small = dict(beta1=b1, beta2=b2, epsilon=inputs.EPS)

    def parameters():
        layers = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1D(1))
        ps = [layers[0].bias, layers[1].weight]
        optimizer = O.AdamW(inputs.RATE, parameters=layers.parameters(), **decay)
        for p in ps:
            p.set_value(paddle.ones([1]))
        sum((p * 0).sum() for p in ps).backward()
        optimizer.step()
        return [1 - p.item() for p in ps]

    return {
        "sgd": lambda: updates(O.SGD, **decay),
        "momentum": lambda: updates(O.Momentum, momentum=inputs.MOMENTUM, **decay),
        "adam": lambda: updates(O.Adam, **small, **decay),
        "adamw": lambda: updates(O.AdamW, **small, **decay),
        "adamw, no gradient": lambda: updates(O.AdamW, gradients=[0.0], **decay),
        "bias and batch norm": parameters,
        "default: adamw": lambda: default(O.AdamW, "weight_decay"),
    }


def normalization():
    batch, small = tensor(inputs.BATCH)[:, None], tensor([inputs.SMALL])

    def trained(**options):
        layer = nn.BatchNorm1D(1, **options)
        return layer, layer(batch)

    def evaluated():
        layer = nn.BatchNorm1D(1)
        layer.eval()
        layer._mean.set_value(tensor([0.0]))
        layer._variance.set_value(tensor([1e-4]))
        return layer(tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: trained()[0]._mean / 3,
        "stored variance": lambda: trained(momentum=0.0)[0]._variance,
        "result in training": lambda: trained()[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: nn.BatchNorm1D(1)(tensor([[2.0]])),
        "layer norm": lambda: nn.LayerNorm(4)(small),
        "group norm": lambda: nn.GroupNorm(1, 4)(small[:, :, None, None]),
        "default: batch norm eps": lambda: default(nn.BatchNorm1D, "epsilon"),
        "default: layer norm eps": lambda: default(nn.LayerNorm, "epsilon"),
        "default: group norm eps": lambda: default(nn.GroupNorm, "epsilon"),
        "default: instance norm eps": lambda: default(nn.InstanceNorm2D, "epsilon"),
        "variance function": lambda: paddle.var(batch),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    variance = paddle.full([2, 3], inputs.VARIANCE)
    return {
        "mse": lambda: F.mse_loss(p, t),
        "l1": lambda: F.l1_loss(p, t),
        "huber": lambda: F.smooth_l1_loss(p * 4, t * 4, delta=0.5),
        "bce": lambda: F.binary_cross_entropy(p, t),
        "bce at 0": lambda: F.binary_cross_entropy(tensor([0.0]), tensor([1.0])),
        "bce with logits": lambda: F.binary_cross_entropy_with_logits(x, t),
        "bce with logits at -200": lambda: F.binary_cross_entropy_with_logits(tensor([-200.0]), tensor([1.0])),
        "gaussian nll": lambda: F.gaussian_nll_loss(p, t, variance),
        "gaussian nll of variance 1e-9": lambda: F.gaussian_nll_loss(tensor([0.0]), tensor([0.0]), tensor([1e-9])),
        "kl of two distributions": lambda: F.kl_div(F.log_softmax(p), F.softmax(x)),
        "cross entropy": lambda: F.cross_entropy(x, paddle.to_tensor([2, 0])),
    }


def activations():
    def dropout():
        paddle.seed(0)
        return sorted(set(F.dropout(paddle.ones([1000]), 0.2).tolist()))

    return {
        "gelu": lambda: F.gelu(tensor([1.0])),
        "leaky relu": lambda: -F.leaky_relu(tensor([-1.0])),
        "elu": lambda: F.elu(tensor([-1.0])),
        "celu": lambda: F.celu(tensor([-1.0]), 2.0),
        "hard sigmoid": lambda: F.hardsigmoid(tensor([1.0])),
        "hard swish": lambda: F.hardswish(tensor([1.0])),
        "softplus(100)": lambda: F.softplus(tensor([100.0])),
        "softplus(21) - 21": lambda: F.softplus(paddle.to_tensor([21.0], "float64")) - 21,
        "softmax axis": lambda: F.softmax(paddle.zeros([2, 3, 4]))[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: F.dropout(paddle.ones([1]), 0.2, training=False),
        "default: dropout": lambda: default(nn.Dropout, "p"),
        "standard deviation": lambda: paddle.std(tensor([1.0, 2.0, 3.0])),
        "argmax of a tie": lambda: paddle.argmax(tensor([1.0, 1.0])),
        "sign of 0": lambda: paddle.sign(tensor([0.0])),
        "round half": lambda: paddle.round(tensor([0.5, 1.5, 2.5])),
    }


def resizing():
    row, five = (paddle.arange(n, dtype="float32").reshape([1, 1, 1, n]) for n in (4, 5))

    def to(x, n, mode, **options):
        return F.interpolate(x, (1, n), mode=mode, **options)

    ones = paddle.ones([1, 1, 3, 3])
    return {
        "bilinear 4 to 8": lambda: to(row, 8, "bilinear"),
        "bilinear 4 to 8, aligned": lambda: to(row, 8, "bilinear", align_corners=True),
        "bilinear 4 to 2": lambda: to(row, 2, "bilinear"),
        "bilinear 5 to 2": lambda: to(five, 2, "bilinear"),
        "bilinear 4 by 1.6": lambda: F.interpolate(row, scale_factor=[1.0, 1.6], mode="bilinear"),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: F.avg_pool2d(ones, 2, 2, 1)[0, 0, 0, 0],
    }


def initial_weights():
    paddle.seed(0)

    def found(layer, fan_in, fan_out):
        return describe(layer.weight.numpy(), fan_in, fan_out, layer.bias.numpy())

    return {
        "dense": lambda: found(nn.Linear(300, 900), 300, 900),
        "convolution": lambda: found(nn.Conv2D(32, 96, 3), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nn.Conv2DTranspose(32, 96, 3), 32 * 9, 96 * 9),
        "embedding": lambda: describe(nn.Embedding(300, 900).weight.numpy(), 300, 900),
    }


def spectral_norm():
    new = nn.utils.spectral_norm

    def sigmas(training=True):
        layer = nn.Linear(2, 2, bias_attr=False)
        layer.weight.set_value(tensor(inputs.MATRIX))
        layer = new(layer)
        layer.weight_u.set_value(tensor(inputs.START))
        layer.weight_v.set_value(tensor(inputs.START))
        layer.train() if training else layer.eval()
        return [2 / layer(tensor([[1.0, 0.0]]))[0, 0].item() for _ in range(3)]

    def transposed():
        layer = nn.Conv2DTranspose(1, 2, (1, 2), bias_attr=False)
        layer.weight.set_value(tensor(inputs.MATRIX).reshape([1, 2, 1, 2]))
        layer = new(layer)
        return [2 / [layer(paddle.ones([1, 1, 1, 1])).max().item() for _ in range(30)][-1]]

    def zeros():
        layer = nn.Linear(2, 2, bias_attr=False)
        layer.weight.set_value(paddle.zeros([2, 2]))
        return new(layer)(paddle.ones([1, 2]))

    return {
        "training": sigmas,
        "evaluation": lambda: sigmas(training=False),
        "transposed convolution": transposed,
        "weight of zeros": zeros,
        "default: iterations": lambda: default(new, "n_power_iterations"),
        "default: epsilon": lambda: default(new, "eps"),
    }


TABLES = {
    "spectral_norm": spectral_norm,
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
    main({"paddle": paddle.__version__}, TABLES)
