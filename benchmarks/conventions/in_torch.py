"""The conventions of PyTorch. Run by ``tables.py`` in an environment of its own, and by the tests where PyTorch is.

Imports: torch. Read next: ``in_minigen.py``, which has the same cells.
"""

from __future__ import annotations

import inputs
import torch
from adapter import default, describe, main
from torch import nn, optim
from torch.nn import functional as F  # noqa: N812

tensor = torch.tensor

KINKS = {
    "abs": torch.abs,
    "relu": torch.relu,
    "maximum with 0": lambda x: torch.maximum(x, torch.zeros(())),
    "leaky relu": lambda x: F.leaky_relu(x, 0.25),
    "elu": lambda x: F.elu(x, 2.0),
    "clip": lambda x: torch.clip(x, -1, 1),
    "maximum": lambda x: torch.maximum(x[0], x[1]),
    "minimum": lambda x: torch.minimum(x[0], x[1]),
    "max": torch.max,
    "max over an axis": lambda x: torch.max(x, 0).values,
    "min": torch.min,
    "max pooling": lambda x: F.max_pool2d(x.reshape(1, 1, 2, 2), 2),
    "sort": lambda x: torch.sort(x, stable=True).values * tensor(inputs.SORT_WEIGHTS),
    "median": torch.median,
    "sqrt": torch.sqrt,
    "where around sqrt": lambda x: torch.where(x > 0, torch.sqrt(x), 0.0),
    "norm": lambda x: torch.linalg.vector_norm(x),
    "norm squared": lambda x: torch.linalg.vector_norm(x) ** 2,
    "largest absolute value": lambda x: torch.linalg.vector_norm(x, torch.inf),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": torch.prod,
    "product with two zeros": torch.prod,
    "standard deviation": lambda x: torch.std(x),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
}


def first(key):
    x = tensor(inputs.KINKS[key], requires_grad=True)
    return torch.autograd.grad(KINKS[key](x).sum(), x)[0]


def second(key):
    x = tensor(inputs.KINKS[key], requires_grad=True)
    (g,) = torch.autograd.grad(KINKS[key](x).sum(), x, create_graph=True)
    return torch.autograd.grad(g.sum(), x)[0].clone() if g.requires_grad else torch.zeros_like(x)


def kinks():
    return {
        **{key: lambda key=key: first(key) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(kind, rates=None, gradients=inputs.GRADIENTS, **options):
    """By how much three steps lower a parameter of 1."""
    p = tensor([1.0], requires_grad=True)
    optimizer = kind([p], lr=inputs.RATE, **options)
    lowered = []
    for i, g in enumerate(gradients):
        before, p.grad = p.item(), tensor([g])
        if rates:
            optimizer.param_groups[0]["lr"] = rates[i]
        optimizer.step()
        lowered.append(before - p.item())
    return lowered


def clipped():
    p = tensor(inputs.TO_CLIP)
    p.grad = p.clone()
    nn.utils.clip_grad_norm_([p], inputs.MAX_NORM)
    return p.grad * 1e6


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
        "rmsprop, centred": lambda: updates(rms, centered=True, **rms_options),
        "adam": lambda: updates(adam, **adam_options),
        "adam, defaults": lambda: updates(adam),
        "adagrad": lambda: updates(optim.Adagrad),
        "clip by norm": clipped,
        "default: adam eps": lambda: default(adam, "eps"),
        "default: rmsprop eps": lambda: default(rms, "eps"),
        "default: rmsprop decay": lambda: default(rms, "alpha"),
        "default: adagrad start": lambda: default(optim.Adagrad, "initial_accumulator_value"),
    }


def weight_decay():
    sgd, adam, adamw = optim.SGD, optim.Adam, optim.AdamW
    decay, none = dict(weight_decay=inputs.DECAY), [0.0]
    small = dict(betas=inputs.BETAS, eps=inputs.EPS)

    def parameters(kind, **options):
        """By how much a step without gradient lowers ones: the bias of a dense layer, the weight of a batch norm."""
        layers = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
        ps = [layers[0].bias, layers[1].weight]
        for p in ps:
            p.data.fill_(1)
            p.grad = torch.zeros_like(p)
        kind(layers.parameters(), lr=inputs.RATE, **options).step()
        return [1 - p.item() for p in ps]

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
    batch, small = tensor(inputs.BATCH)[:, None], tensor(inputs.SMALL)[:, None]

    def trained(**options):
        layer = nn.BatchNorm1d(1, **options)
        return layer, layer(batch)

    def evaluated():
        layer = nn.BatchNorm1d(1).eval()
        layer.running_mean[0], layer.running_var[0] = 0.0, 1e-4
        return layer(tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: trained()[0].running_mean / 3,
        "stored variance": lambda: trained(momentum=1.0)[0].running_var,
        "result in training": lambda: trained()[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: nn.BatchNorm1d(1)(tensor([[2.0]])),
        "layer norm": lambda: nn.LayerNorm(4)(small.T),
        "group norm": lambda: nn.GroupNorm(1, 4)(small.T),
        "default: batch norm eps": lambda: default(nn.BatchNorm1d, "eps"),
        "default: layer norm eps": lambda: default(nn.LayerNorm, "eps"),
        "default: group norm eps": lambda: default(nn.GroupNorm, "eps"),
        "default: instance norm eps": lambda: default(nn.InstanceNorm2d, "eps"),
        "variance function": lambda: torch.var(batch),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    mean, logvar = tensor(inputs.MEAN), tensor(inputs.LOGVAR)
    variance = torch.full((2, 3), inputs.VARIANCE)
    normal = torch.distributions.Normal
    return {
        "mse": lambda: F.mse_loss(p, t),
        "l1": lambda: F.l1_loss(p, t),
        "huber": lambda: F.huber_loss(p * 4, t * 4, delta=0.5),
        "smooth l1": lambda: F.smooth_l1_loss(p * 4, t * 4, beta=0.5),
        "bce": lambda: F.binary_cross_entropy(p, t),
        "bce at 0": lambda: F.binary_cross_entropy(tensor([0.0]), tensor([1.0])),
        "bce with logits": lambda: F.binary_cross_entropy_with_logits(x, t),
        "bce with logits at -200": lambda: F.binary_cross_entropy_with_logits(tensor([-200.0]), tensor([1.0])),
        "gaussian nll": lambda: F.gaussian_nll_loss(p, t, variance),
        "gaussian nll of variance 1e-9": lambda: F.gaussian_nll_loss(tensor([0.0]), tensor([0.0]), tensor([1e-9])),
        "kl to the standard normal": lambda: torch.distributions.kl_divergence(
            normal(mean, (logvar / 2).exp()), normal(0.0, 1.0)
        ),
        "kl of two distributions": lambda: F.kl_div(p.softmax(1).log(), x.softmax(1)),
        "cross entropy": lambda: F.cross_entropy(x, tensor([2, 0])),
    }


def activations():
    def dropout():
        return sorted(set(F.dropout(torch.ones(1000), 0.2, training=True).tolist()))

    three = tensor([1.0, 2.0, 3.0])
    return {
        "gelu": lambda: F.gelu(tensor([1.0])),
        "leaky relu": lambda: -F.leaky_relu(tensor([-1.0])),
        "elu": lambda: F.elu(tensor([-1.0])),
        "celu": lambda: F.celu(tensor([-1.0]), 2.0),
        "hard sigmoid": lambda: F.hardsigmoid(tensor([1.0])),
        "hard swish": lambda: F.hardswish(tensor([1.0])),
        "softplus(100)": lambda: F.softplus(tensor([100.0])),
        "softplus(21) - 21": lambda: F.softplus(tensor([21.0], dtype=torch.float64)) - 21,
        "softmax axis": lambda: F.softmax(torch.zeros(2, 3, 4), None)[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: F.dropout(torch.ones(1), 0.2, training=False),
        "default: dropout": lambda: default(nn.Dropout, "p"),
        "standard deviation": lambda: torch.std(three),
        "argmax of a tie": lambda: torch.argmax(tensor([1.0, 1.0])),
        "sign of 0": lambda: torch.sign(tensor([0.0])),
        "round half": lambda: torch.round(tensor([0.5, 1.5, 2.5])),
    }


def resizing():
    row, five = torch.arange(4.0).reshape(1, 1, 1, 4), torch.arange(5.0).reshape(1, 1, 1, 5)

    def to(x, n, mode, **options):
        return F.interpolate(x, (1, n), mode=mode, **options)

    ones = torch.ones(1, 1, 3, 3)
    return {
        "bilinear 4 to 8": lambda: to(row, 8, "bilinear"),
        "bilinear 4 to 8, aligned": lambda: to(row, 8, "bilinear", align_corners=True),
        "bilinear 4 to 2": lambda: to(row, 2, "bilinear"),
        "bilinear 5 to 2": lambda: to(five, 2, "bilinear"),
        "bilinear 4 by 1.6": lambda: F.interpolate(row, scale_factor=(1, 1.6), mode="bilinear"),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: F.avg_pool2d(ones, 2, 2, 1)[..., 0, 0],
    }


def initial_weights():
    torch.manual_seed(0)

    def found(layer, fan_in, fan_out):
        bias = None if isinstance(layer, nn.Embedding) else layer.bias.detach().numpy()
        return describe(layer.weight.detach().numpy(), fan_in, fan_out, bias)

    return {
        "dense": lambda: found(nn.Linear(300, 900), 300, 900),
        "convolution": lambda: found(nn.Conv2d(32, 96, 3), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nn.ConvTranspose2d(32, 96, 3), 32 * 9, 96 * 9),
        "embedding": lambda: found(nn.Embedding(300, 900), 300, 900),
    }


def spectral_norm():
    def sigmas(wrap, calls=3, training=True):
        """sigma in each of so many calls: 2 over the first result, from a start that is no singular vector."""
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data = tensor(inputs.MATRIX)
        layer = wrap(layer)
        hook = layer.parametrizations.weight[0] if hasattr(layer, "parametrizations") else None
        u, v = (hook._u, hook._v) if hook else (layer.weight_u, layer.weight_v)
        u.data, v.data = tensor(inputs.START), tensor(inputs.START)
        layer.train(training)
        return [2 / layer(tensor([[1.0, 0.0]]))[0, 0].item() for _ in range(calls)]

    def transposed():
        layer = nn.ConvTranspose2d(1, 2, (1, 2), bias=False)
        layer.weight.data = tensor(inputs.MATRIX).reshape(1, 2, 1, 2)
        layer = new(layer)
        return [2 / [layer(torch.ones(1, 1, 1, 1)).max().item() for _ in range(30)][-1]]

    def zeros():
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data.zero_()
        return new(layer)(torch.ones(1, 2))

    new = nn.utils.parametrizations.spectral_norm
    return {
        "training": lambda: sigmas(new),
        "training, older function": lambda: sigmas(nn.utils.spectral_norm),
        "evaluation": lambda: sigmas(new, training=False),
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
    main({"torch": torch.__version__}, TABLES)
