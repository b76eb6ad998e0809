"""The conventions of minigen: the cells of ``in_torch.py``. The tests call it too, so that its column is true today.

Imports: minigen. Read next: ``in_jax.py``.
"""

from __future__ import annotations

import inputs
import numpy as np
from adapter import default, describe, main

import minigen as mg
from minigen import losses as L  # noqa: N812
from minigen import metrics as mg_metrics
from minigen import nn, ops, optim
from minigen.algorithms.likelihood.vq_vae import RECIPES
from minigen.autograd import Tensor, grad
from minigen.models.vq_vae import Codebook, straight_through
from minigen.nn.spectral_norm import _EPS


def tensor(values, **options):
    return Tensor(np.array(values, np.float32), **options)


KINKS = {
    "abs": ops.abs,
    "relu": ops.relu,
    "maximum with 0": lambda x: ops.maximum(x, 0.0),
    "leaky relu": lambda x: ops.leaky_relu(x, 0.25),
    "elu": lambda x: ops.elu(x, 2.0),
    "clip": lambda x: ops.clip(x, -1, 1),
    "maximum": lambda x: ops.maximum(x[0], x[1]),
    "minimum": lambda x: ops.minimum(x[0], x[1]),
    "max": ops.max,
    "max over an axis": lambda x: ops.max(x, 0),
    "min": ops.min,
    "max pooling": lambda x: ops.max_pool2d(ops.reshape(x, (1, 1, 2, 2)), 2),
    "sort": lambda x: ops.sort(x) * tensor(inputs.SORT_WEIGHTS),
    "sqrt": ops.sqrt,
    "where around sqrt": lambda x: ops.where(x > 0, ops.sqrt(x), 0.0),
    "norm": ops.norm,
    "norm squared": lambda x: ops.norm(x) ** 2,
    "largest absolute value": lambda x: ops.norm(x, order=np.inf),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": ops.prod,
    "product with two zeros": ops.prod,
    "standard deviation": lambda x: ops.sqrt(ops.var(x)),
    "logsumexp": ops.logsumexp,
}


def first(key):
    x = tensor(inputs.KINKS[key], requires_grad=True)
    return grad(ops.sum(KINKS[key](x)), [x])[0].numpy()


def second(key):
    x = tensor(inputs.KINKS[key], requires_grad=True)
    g = grad(ops.sum(KINKS[key](x)), [x], create_graph=True)[0]
    return grad(ops.sum(g), [x])[0].numpy() if g.requires_grad else np.zeros(x.shape)


def kinks():
    return {
        **{key: lambda key=key: first(key) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(kind, rates=None, gradients=inputs.GRADIENTS, **options):
    """By how much three steps lower a parameter of 1."""
    p = nn.Parameter(np.ones(1, np.float32))
    optimizer = kind([p], lr=inputs.RATE, **options)
    lowered = []
    for i, g in enumerate(gradients):
        before, p.grad = p.data.item(), tensor([g])
        if rates:
            optimizer.lr = rates[i]
        optimizer.step()
        lowered.append(before - p.data.item())
    return lowered


def clipped():
    p = tensor(inputs.TO_CLIP, requires_grad=True)
    p.grad = tensor(inputs.TO_CLIP)
    optim.clip_grad_norm([p], inputs.MAX_NORM)
    return p.grad.numpy() * 1e6


def optimizers():
    sgd, rms, adam = optim.SGD, optim.RMSprop, optim.Adam
    rms_options = dict(alpha=inputs.ALPHA, eps=inputs.EPS)
    adam_options = dict(betas=inputs.BETAS, eps=inputs.EPS)
    return {
        "sgd": lambda: updates(sgd),
        "momentum": lambda: updates(sgd, momentum=inputs.MOMENTUM),
        "momentum, rate halved": lambda: updates(sgd, inputs.RATES, momentum=inputs.MOMENTUM),
        "nesterov": lambda: updates(sgd, momentum=inputs.MOMENTUM, nesterov=True),
        "rmsprop": lambda: updates(rms, **rms_options),
        "rmsprop with momentum": lambda: updates(rms, momentum=inputs.MOMENTUM, **rms_options),
        "adam": lambda: updates(adam, **adam_options),
        "adam, defaults": lambda: updates(adam),
        "clip by norm": clipped,
        "default: adam eps": lambda: default(adam, "eps"),
        "default: rmsprop eps": lambda: default(rms, "eps"),
        "default: rmsprop decay": lambda: default(rms, "alpha"),
    }


def weight_decay():
    sgd, adam, adamw = optim.SGD, optim.Adam, optim.AdamW
    decay, none = dict(weight_decay=inputs.DECAY), [0.0]
    small = dict(betas=inputs.BETAS, eps=inputs.EPS)

    def parameters(kind, **options):
        """By how much a step without gradient lowers ones: the bias of a dense layer, the weight of a batch norm."""
        layers = nn.Sequential(nn.Dense(1, 1, weight_init=nn.init.zeros), nn.BatchNorm(1))
        ps = [layers[0].bias, layers[1].weight]
        for p in ps:
            p.data = np.ones(1, np.float32)
            p.grad = tensor([0.0])
        kind(layers.parameters(), lr=inputs.RATE, **options).step()
        return [1 - p.data.item() for p in ps]

    return {
        "sgd": lambda: updates(sgd, **decay),
        "momentum": lambda: updates(sgd, momentum=inputs.MOMENTUM, **decay),
        "adam": lambda: updates(adam, **small, **decay),
        "adamw": lambda: updates(adamw, **small, **decay),
        "adamw, no gradient": lambda: updates(adamw, gradients=none, **decay),
        "bias and batch norm": lambda: parameters(adamw, **decay),
        "default: adamw": lambda: default(adamw, "weight_decay"),
    }


def normalization():
    batch, small = tensor(inputs.BATCH)[:, None], tensor([inputs.SMALL])

    def trained(**options):
        layer = nn.BatchNorm(1, **options)
        return layer, layer(batch)

    def evaluated():
        layer = nn.BatchNorm(1).eval()
        layer.running_mean.data, layer.running_var.data = np.zeros(1, np.float32), np.full(1, 1e-4, np.float32)
        return layer(tensor([[0.01]])).numpy()

    return {
        "weight of the new batch": lambda: trained()[0].running_mean.numpy() / 3,
        "stored variance": lambda: trained(momentum=1.0)[0].running_var.numpy(),
        "result in training": lambda: trained()[1].numpy(),
        "epsilon in evaluation": evaluated,
        "one value": lambda: nn.BatchNorm(1)(tensor([[2.0]])).numpy(),
        "layer norm": lambda: nn.LayerNorm(4)(small).numpy(),
        "group norm": lambda: nn.GroupNorm(1, 4)(small).numpy(),
        "default: batch norm eps": lambda: default(nn.BatchNorm, "eps"),
        "default: layer norm eps": lambda: default(nn.LayerNorm, "eps"),
        "default: group norm eps": lambda: default(nn.GroupNorm, "eps"),
        "default: instance norm eps": lambda: default(nn.InstanceNorm, "eps"),
        "variance function": lambda: ops.var(batch).numpy(),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    mean, logvar = tensor(inputs.MEAN), tensor(inputs.LOGVAR)
    one, zero = tensor([1.0]), tensor([0.0])
    means = Tensor(np.log(np.exp(x.numpy()) / np.exp(x.numpy()).sum(1, keepdims=True)))
    others = Tensor(np.log(np.exp(p.numpy()) / np.exp(p.numpy()).sum(1, keepdims=True)))
    results = {
        "mse": lambda **to: L.mse(p, t, **to),
        "l1": lambda **to: L.l1(p, t, **to),
        "huber": lambda **to: L.huber(p * 4, t * 4, delta=0.5, **to),
        "bce": lambda **to: L.bce(p, t, **to),
        "bce with logits": lambda **to: L.bce_with_logits(x, t, **to),
        "gaussian nll": lambda **to: L.gaussian_nll(p, t, var=inputs.VARIANCE, **to),
        "kl to the standard normal": lambda **to: L.gaussian_kl(mean, logvar, **to),
        "cross entropy": lambda **to: L.cross_entropy(x, Tensor(np.array([2, 0])), **to),
    }
    numbers = {
        "kl of two distributions": lambda: L.categorical_kl(x, p),
        "kl of two distributions, each": lambda: ops.exp(means) * (means - others),
        "bce at 0": lambda: L.bce(zero, one),
        "bce with logits at -200": lambda: L.bce_with_logits(tensor([-200.0]), one),
        "gaussian nll of variance 1e-9": lambda: L.gaussian_nll(zero, zero, var=1e-9),
    }
    return {
        **{key: lambda f=f: f().numpy() for key, f in (results | numbers).items()},
        **{f"{key}, each": lambda f=f: f(reduction="none").numpy() for key, f in results.items()},
    }


def activations():
    def dropout():
        return sorted(set(nn.Dropout(0.2, rng=mg.Generator(0))(tensor([1.0] * 1000)).numpy().tolist()))

    of = {
        "gelu": lambda: ops.gelu(tensor([1.0])),
        "leaky relu": lambda: -ops.leaky_relu(tensor([-1.0])),
        "elu": lambda: ops.elu(tensor([-1.0])),
        "celu": lambda: ops.celu(tensor([-1.0]), 2.0),
        "hard swish": lambda: ops.hardswish(tensor([1.0])),
        "softplus(100)": lambda: ops.softplus(tensor([100.0])),
        "softplus(21) - 21": lambda: ops.softplus(Tensor(np.array([21.0]))) - 21,
        "softmax axis": lambda: ops.softmax(Tensor(np.zeros((2, 3, 4))))[0, 0, :1],
        "dropout in evaluation": lambda: nn.Dropout(0.2).eval()(tensor([1.0])),
        "standard deviation": lambda: ops.sqrt(ops.var(tensor([1.0, 2.0, 3.0]))),
        "argmax of a tie": lambda: ops.argmax(tensor([1.0, 1.0])),
    }
    return {
        **{key: lambda f=f: f().numpy() for key, f in of.items()},
        "dropout": dropout,
        "default: dropout": lambda: default(nn.Dropout, "p"),
    }


def resizing():
    row, five = (Tensor(np.arange(n, dtype=np.float32).reshape(1, 1, 1, -1)) for n in (4, 5))
    ones = Tensor(np.ones((1, 1, 3, 3), np.float32))

    def to(x, n, mode, **options):
        return ops.interpolate(x, (1, n), mode=mode, **options).numpy()

    return {
        "bilinear 4 to 8": lambda: to(row, 8, "bilinear"),
        "bilinear 4 to 8, aligned": lambda: to(row, 8, "bilinear", align_corners=True),
        "bilinear 4 to 2": lambda: to(row, 2, "bilinear"),
        "bilinear 5 to 2": lambda: to(five, 2, "bilinear"),
        "bilinear 4 by 1.6": lambda: ops.interpolate(row, scale_factor=(1, 1.6), mode="bilinear").numpy(),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: ops.avg_pool2d(ones, 2, 2, 1).numpy()[0, 0, 0, 0],
    }


def initial_weights():
    rng = mg.Generator(0)

    def found(layer, fan_in, fan_out):
        bias = None if isinstance(layer, nn.Embedding) else layer.bias.numpy()
        return describe(layer.weight.numpy(), fan_in, fan_out, bias)

    return {
        "dense": lambda: found(nn.Dense(300, 900, rng=rng), 300, 900),
        "convolution": lambda: found(nn.Conv2d(32, 96, 3, rng=rng), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nn.ConvTranspose2d(32, 96, 3, rng=rng), 32 * 9, 96 * 9),
        "embedding": lambda: found(nn.Embedding(300, 900, rng=rng), 300, 900),
    }


def spectral_norm():
    def layer_of(layer, weight):
        layer.weight.data = np.array(weight, np.float32)
        return nn.SpectralNorm(layer)

    def sigmas(step=False, training=True):
        layer = layer_of(nn.Dense(2, 2, bias=False), inputs.MATRIX)
        layer.u.data, layer.v.data = np.array(inputs.START, np.float32), np.array(inputs.START, np.float32)
        found = []
        for _ in range(3):
            if step:
                nn.power_iteration(layer)
            found.append(2 / layer.train(training)(tensor([[1.0, 0.0]])).numpy()[0, 0])
        return found

    def transposed():
        kernels = np.reshape(inputs.MATRIX, (1, 2, 1, 2))
        layer = layer_of(nn.ConvTranspose2d(1, 2, (1, 2), bias=False), kernels)
        layer.iterate(30)
        return 2 / layer(tensor([[[[1.0]]]])).numpy().max()

    return {
        "training": sigmas,
        "training, a step called": lambda: sigmas(step=True),
        "evaluation": lambda: sigmas(training=False),
        "transposed convolution": transposed,
        "weight of zeros": lambda: layer_of(nn.Dense(2, 2, bias=False), np.zeros((2, 2)))(tensor([[1.0, 1.0]])).numpy(),
        "default: epsilon": lambda: _EPS,
    }


def quantisation():
    def grid(vector):
        """A grid of 2 x 2 equal vectors (1, 2, 2, 2)."""
        return np.broadcast_to(np.reshape(np.array(vector, np.float32), (1, 2, 1, 1)), (1, 2, 2, 2)).copy()

    book = Codebook(2, 2, rng=mg.Generator(0))
    book.embedding.data = np.array(inputs.ENTRIES, np.float32)
    z = Tensor(grid(inputs.VECTOR), requires_grad=True)
    entries = book.embed(book.nearest(z.data))

    def gradient():
        y = ops.sum(straight_through(z, entries) * Tensor(grid(inputs.COTANGENT)))
        return grad(y, [z])[0].numpy()[0, :, 0, 0]

    return {
        "result": lambda: straight_through(z, entries).numpy()[0, :, 0, 0],
        "gradient": gradient,
        "commitment": lambda: L.mse(z, entries, reduction="batchmean").numpy(),
        "weight": lambda: next(r for r in RECIPES if r.name == "vq-vae").options["commitment"],
    }


def metrics():
    def frechet(key):
        return [round(mg_metrics.frechet_distance(*map(np.array, inputs.frechet_sets()[key])), 3)]

    def neighbours(key, which):
        real, fake = map(np.array, inputs.neighbour_sets()[key])
        found = mg_metrics.prdc(real, fake, k=3, k_density=3)
        return [getattr(found, name).mean() for name in which]

    return {
        **{key: lambda key=key: frechet(key) for key in inputs.frechet_sets()},
        **{key: lambda key=key: neighbours(key, inputs.PRECISION) for key in inputs.neighbour_sets()},
        **{f"{key}, density": lambda key=key: neighbours(key, inputs.DENSITY) for key in inputs.neighbour_sets()},
    }


TABLES = {
    "spectral_norm": spectral_norm,
    "quantisation": quantisation,
    "metrics": metrics,
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
    main({"minigen": mg.__version__}, TABLES)
