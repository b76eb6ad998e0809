"""The conventions of Chainer, whose models still have to be read. Runs on Python 3.8 with NumPy 1.23.

Imports: chainer. Read next: ``in_paddle.py``.
"""

from __future__ import annotations

import chainer
import chainer.functions as F  # noqa: N812
import inputs
import numpy as np
from adapter import default, describe, main
from chainer import links as L  # noqa: N812
from chainer import optimizers as O  # noqa: N812
from chainer.link_hooks import SpectralNormalization


def tensor(values):
    return chainer.Variable(np.array(values, np.float32))


KINKS = {
    "abs": F.absolute,
    "relu": F.relu,
    "maximum with 0": lambda x: F.maximum(x, tensor([0.0])),
    "leaky relu": lambda x: F.leaky_relu(x, 0.25),
    "elu": lambda x: F.elu(x, 2.0),
    "clip": lambda x: F.clip(x, -1.0, 1.0),
    "maximum": lambda x: F.maximum(x[0], x[1]),
    "minimum": lambda x: F.minimum(x[0], x[1]),
    "max": F.max,
    "max over an axis": lambda x: F.max(x, 0),
    "min": F.min,
    "max pooling": lambda x: F.max_pooling_2d(F.reshape(x, (1, 1, 2, 2)), 2),
    "sqrt": F.sqrt,
    "where around sqrt": lambda x: F.where(x.array > 0, F.sqrt(x), tensor([0.0])),
    "norm": lambda x: F.sqrt(F.batch_l2_norm_squared(x[None])),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": F.prod,
    "product with two zeros": F.prod,
    "standard deviation": lambda x: F.sqrt(F.mean((x - F.broadcast_to(F.mean(x), x.shape)) ** 2)),
    "logsumexp": F.logsumexp,
}


def first(key):
    x = tensor(inputs.KINKS[key])
    return chainer.grad([F.sum(KINKS[key](x))], [x])[0].array


def second(key):
    x = tensor(inputs.KINKS[key])
    (g,) = chainer.grad([F.sum(KINKS[key](x))], [x], enable_double_backprop=True)
    (h,) = chainer.grad([F.sum(g)], [x])
    return np.zeros(x.shape) if h is None else h.array


def kinks():
    return {
        **{key: lambda key=key: first(key) for key in KINKS},
        **{key + ", second": lambda key=key: second(key) for key in KINKS},
    }


def updates(optimizer, rates=None, gradients=inputs.GRADIENTS, decay=0.0):
    """By how much three steps lower a parameter of 1."""
    link = chainer.Link()
    with link.init_scope():
        link.p = chainer.Parameter(np.ones(1, np.float32))
    optimizer.setup(link)
    if decay:
        optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(decay))
    lowered = []
    for i, g in enumerate(gradients):
        before = link.p.array.item()
        link.p.grad = np.array([g], np.float32)
        if rates:
            optimizer.lr = rates[i]
        optimizer.update()
        lowered.append(before - link.p.array.item())
    return lowered


def clipped():
    link = chainer.Link()
    with link.init_scope():
        link.p = chainer.Parameter(np.zeros(2, np.float32))
    optimizer = O.SGD(1.0).setup(link)
    optimizer.add_hook(chainer.optimizer_hooks.GradientClipping(inputs.MAX_NORM))
    link.p.grad = np.array(inputs.TO_CLIP, np.float32)
    optimizer.update()
    return -link.p.array * 1e6


def optimizers():
    lr, momentum, (b1, b2) = inputs.RATE, inputs.MOMENTUM, inputs.BETAS
    return {
        "sgd": lambda: updates(O.SGD(lr)),
        "momentum": lambda: updates(O.MomentumSGD(lr, momentum)),
        "momentum, rate halved": lambda: updates(O.MomentumSGD(lr, momentum), inputs.RATES),
        "nesterov": lambda: updates(O.NesterovAG(lr, momentum)),
        "rmsprop": lambda: updates(O.RMSprop(lr, inputs.ALPHA, inputs.EPS)),
        "rmsprop, centred": lambda: updates(O.RMSpropGraves(lr, inputs.ALPHA, 0.0, inputs.EPS)),
        "adam": lambda: updates(O.Adam(lr, b1, b2, inputs.EPS)),
        "adam, defaults": lambda: updates(O.Adam(lr)),
        "adagrad": lambda: updates(O.AdaGrad(lr)),
        "clip by norm": clipped,
        "default: adam eps": lambda: O.Adam().eps,
        "default: rmsprop eps": lambda: O.RMSprop().eps,
        "default: rmsprop decay": lambda: O.RMSprop().alpha,
        "default: adagrad start": lambda: 0.0,
    }


def weight_decay():
    lr, momentum, (b1, b2), decay = inputs.RATE, inputs.MOMENTUM, inputs.BETAS, inputs.DECAY
    adamw = dict(alpha=lr, beta1=b1, beta2=b2, eps=inputs.EPS, weight_decay_rate=decay)

    def parameters():
        chain = chainer.Sequential(L.Linear(1, 1), L.BatchNormalization(1))
        optimizer = O.AdamW(lr, weight_decay_rate=decay).setup(chain)
        ps = [chain[0].b, chain[1].gamma]
        for p in chain.params():
            p.array[...], p.grad = 1, np.zeros_like(p.array)
        optimizer.update()
        return [1 - p.array.item() for p in ps]

    return {
        "sgd": lambda: updates(O.SGD(lr), decay=decay),
        "momentum": lambda: updates(O.MomentumSGD(lr, momentum), decay=decay),
        "adam": lambda: updates(O.Adam(lr, b1, b2, inputs.EPS), decay=decay),
        "adamw": lambda: updates(O.AdamW(**adamw)),
        "adamw, no gradient": lambda: updates(O.AdamW(**adamw), gradients=[0.0]),
        "bias and batch norm": parameters,
        "default: adamw": lambda: O.AdamW().weight_decay_rate,
    }


def normalization():
    batch, small = np.array(inputs.BATCH, np.float32)[:, None], np.array([inputs.SMALL], np.float32)

    def trained(**options):
        layer = L.BatchNormalization(1, **options)
        with chainer.using_config("train", True):
            return layer, layer(batch)

    def evaluated():
        layer = L.BatchNormalization(1)
        layer.avg_mean[...], layer.avg_var[...] = 0.0, 1e-4
        with chainer.using_config("train", False):
            return layer(np.array([[0.01]], np.float32)).array

    return {
        "weight of the new batch": lambda: trained()[0].avg_mean / 3,
        "stored variance": lambda: trained(decay=0.0)[0].avg_var,
        "result in training": lambda: trained()[1].array,
        "epsilon in evaluation": evaluated,
        "one value": lambda: L.BatchNormalization(1)(np.array([[2.0]], np.float32)).array,
        "layer norm": lambda: L.LayerNormalization(4)(small).array,
        "group norm": lambda: L.GroupNormalization(1, 4)(small[:, :, None]).array,
        "default: batch norm eps": lambda: default(L.BatchNormalization, "eps"),
        "default: layer norm eps": lambda: default(L.LayerNormalization, "eps"),
        "default: group norm eps": lambda: default(L.GroupNormalization, "eps"),
        "variance function": lambda: np.var(batch),
    }


def losses():
    p, t, x = (np.array(v, np.float32) for v in (inputs.PREDICTION, inputs.TARGET, inputs.LOGITS))
    mean, logvar = np.array(inputs.MEAN, np.float32), np.array(inputs.LOGVAR, np.float32)
    log_variance = np.full((2, 3), np.log(inputs.VARIANCE), np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    results = {
        "mse": lambda: F.mean_squared_error(p, t),
        "l1": lambda: F.mean_absolute_error(p, t),
        "huber": lambda: F.huber_loss(p * 4, t * 4, 0.5),
        "bce with logits": lambda: F.bernoulli_nll(t, x),
        "gaussian nll": lambda: F.gaussian_nll(t, p, log_variance),
        "gaussian nll of variance 1e-9": lambda: F.gaussian_nll(zero, zero, one * np.log(np.float32(1e-9))),
        "kl to the standard normal": lambda: F.gaussian_kl_divergence(mean, logvar),
        "cross entropy": lambda: F.softmax_cross_entropy(x, np.array([2, 0])),
    }
    return {key: lambda f=f: f().array for key, f in results.items()}


def activations():
    def dropout():
        np.random.seed(0)
        with chainer.using_config("train", True):
            return sorted(set(F.dropout(np.ones(1000, np.float32), 0.2).array.tolist()))

    def evaluated():
        with chainer.using_config("train", False):
            return F.dropout(np.ones(1, np.float32), 0.2).array

    def at(f, *x):
        return lambda: f(np.array(x, np.float32)).array

    return {
        "leaky relu": lambda: -F.leaky_relu(tensor([-1.0])).array,
        "elu": at(F.elu, -1.0),
        "hard sigmoid": at(F.hard_sigmoid, 1.0),
        "softplus(100)": at(F.softplus, 100.0),
        "softplus(21) - 21": lambda: F.softplus(np.array([21.0])).array - 21,
        "softmax axis": lambda: F.softmax(np.zeros((2, 3, 4), np.float32)).array[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": evaluated,
        "default: dropout": lambda: default(F.dropout, "ratio"),
        "argmax of a tie": at(F.argmax, 1.0, 1.0),
        "sign of 0": at(F.sign, 0.0),
    }


def resizing():
    row, five = (np.arange(n, dtype=np.float32).reshape(1, 1, 1, -1) for n in (4, 5))
    ones = np.ones((1, 1, 3, 3), np.float32)

    def to(x, n, **options):
        return lambda: F.resize_images(x, (1, n), **options).array

    return {
        "bilinear 4 to 8": to(row, 8, align_corners=False),
        "bilinear 4 to 8, aligned": to(row, 8, align_corners=True),
        "bilinear 4 to 8, default": to(row, 8),
        "bilinear 4 to 2": to(row, 2, align_corners=False),
        "bilinear 5 to 2": to(five, 2, align_corners=False),
        "nearest 4 to 6": to(row, 6, mode="nearest", align_corners=False),
        "nearest 5 to 3": to(five, 3, mode="nearest", align_corners=False),
        "nearest 5 to 2": to(five, 2, mode="nearest", align_corners=False),
        "average pooling at the edge": lambda: F.average_pooling_2d(ones, 2, 2, 1).array[0, 0, 0, 0],
    }


def initial_weights():
    np.random.seed(0)

    def found(layer, fan_in, fan_out):
        return describe(layer.W.array, fan_in, fan_out, layer.b.array)

    return {
        "dense": lambda: found(L.Linear(300, 900), 300, 900),
        "convolution": lambda: found(L.Convolution2D(32, 96, 3), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(L.Deconvolution2D(32, 96, 3), 32 * 9, 96 * 9),
        "embedding": lambda: describe(L.EmbedID(300, 900).W.array, 300, 900),
    }


def spectral_norm():
    def sigmas(training=True):
        layer = L.Linear(2, 2, nobias=True, initialW=np.array(inputs.MATRIX, np.float32))
        layer.add_hook(SpectralNormalization())
        layer.W_u[...] = inputs.START
        with chainer.using_config("train", training):
            return [2 / layer(np.array([[1.0, 0.0]], np.float32)).array[0, 0].item() for _ in range(3)]

    def transposed():
        kernels = np.array(inputs.MATRIX, np.float32).reshape(1, 2, 1, 2)
        layer = L.Deconvolution2D(1, 2, (1, 2), nobias=True, initialW=kernels)
        layer.add_hook(SpectralNormalization())
        with chainer.using_config("train", True):
            return 2 / [layer(np.ones((1, 1, 1, 1), np.float32)).array.max() for _ in range(30)][-1]

    def zeros():
        layer = L.Linear(2, 2, nobias=True, initialW=np.zeros((2, 2), np.float32))
        layer.add_hook(SpectralNormalization())
        return layer(np.ones((1, 2), np.float32)).array

    return {
        "training": sigmas,
        "evaluation": lambda: sigmas(training=False),
        "transposed convolution": transposed,
        "weight of zeros": zeros,
        "default: iterations": lambda: default(SpectralNormalization, "n_power_iteration"),
        "default: epsilon": lambda: default(SpectralNormalization, "eps"),
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
    main({"chainer": chainer.__version__, "numpy": np.__version__}, TABLES)
