"""The conventions of JAX, of Optax (optimizers, losses) and of Flax NNX (layers).

Imports: jax, optax, flax. Read next: ``in_keras.py``.
"""

from __future__ import annotations

import flax
import inputs
import jax
import jax.numpy as jnp
import numpy as np
import optax
from adapter import default, describe, main
from flax import nnx

jax.config.update("jax_enable_x64", True)


def tensor(values):
    return jnp.asarray(values, jnp.float32)


KINKS = {
    "abs": jnp.abs,
    "relu": jax.nn.relu,
    "maximum with 0": lambda x: jnp.maximum(x, 0.0),
    "leaky relu": lambda x: jax.nn.leaky_relu(x, 0.25),
    "elu": lambda x: jax.nn.elu(x, 2.0),
    "clip": lambda x: jnp.clip(x, -1, 1),
    "maximum": lambda x: jnp.maximum(x[0], x[1]),
    "minimum": lambda x: jnp.minimum(x[0], x[1]),
    "max": jnp.max,
    "max over an axis": lambda x: jnp.max(x, 0),
    "min": jnp.min,
    "max pooling": lambda x: nnx.max_pool(x.reshape(1, 2, 2, 1), (2, 2), (2, 2)),
    "sort": lambda x: jnp.sort(x) * tensor(inputs.SORT_WEIGHTS),
    "median": jnp.median,
    "sqrt": jnp.sqrt,
    "where around sqrt": lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0),
    "norm": jnp.linalg.norm,
    "norm squared": lambda x: jnp.linalg.norm(x) ** 2,
    "largest absolute value": lambda x: jnp.linalg.norm(x, jnp.inf),
    "power 1": lambda x: x**1.0,
    "power 2": lambda x: x**2.0,
    "product with a zero": jnp.prod,
    "product with two zeros": jnp.prod,
    "standard deviation": jnp.std,
    "logsumexp": jax.nn.logsumexp,
}


def gradient(key):
    return jax.grad(lambda x: KINKS[key](x).sum())


def second(key):
    return jax.grad(lambda x: gradient(key)(x).sum())(tensor(inputs.KINKS[key]))


def kinks():
    return {
        **{key: lambda key=key: gradient(key)(tensor(inputs.KINKS[key])) for key in KINKS},
        **{f"{key}, second": lambda key=key: second(key) for key in KINKS},
    }


def updates(transformation, start=None, rates=None, gradients=inputs.GRADIENTS):
    """By how much three steps lower a parameter of 1."""
    p = tensor([1.0])
    state = transformation.init(p)
    lowered = []
    for i, g in enumerate(gradients):
        if rates:
            state.hyperparams["learning_rate"] = jnp.asarray(rates[i])
        update, state = transformation.update(tensor([g]), state, p)
        p, before = optax.apply_updates(p, update), p
        lowered.append(float(before[0] - p[0]))
    return lowered


def clipped():
    clip, g = optax.clip_by_global_norm(inputs.MAX_NORM), tensor(inputs.TO_CLIP)
    return clip.update(g, clip.init(g))[0] * 1e6


def optimizers():
    lr, momentum, (b1, b2) = inputs.RATE, inputs.MOMENTUM, inputs.BETAS
    rms = dict(decay=inputs.ALPHA, eps=inputs.EPS)
    scheduled = optax.inject_hyperparams(optax.sgd)
    return {
        "sgd": lambda: updates(optax.sgd(lr)),
        "momentum": lambda: updates(optax.sgd(lr, momentum)),
        "momentum, rate halved": lambda: updates(scheduled(learning_rate=lr, momentum=momentum), rates=inputs.RATES),
        "nesterov": lambda: updates(optax.sgd(lr, momentum, nesterov=True)),
        "rmsprop": lambda: updates(optax.rmsprop(lr, **rms)),
        "rmsprop with momentum": lambda: updates(optax.rmsprop(lr, momentum=momentum, **rms)),
        "rmsprop, centred": lambda: updates(optax.rmsprop(lr, centered=True, **rms)),
        "adam": lambda: updates(optax.adam(lr, b1, b2, inputs.EPS)),
        "adam, defaults": lambda: updates(optax.adam(lr)),
        "adagrad": lambda: updates(optax.adagrad(lr)),
        "clip by norm": clipped,
        "default: adam eps": lambda: default(optax.adam, "eps"),
        "default: rmsprop eps": lambda: default(optax.rmsprop, "eps"),
        "default: rmsprop decay": lambda: default(optax.rmsprop, "decay"),
        "default: adagrad start": lambda: default(optax.adagrad, "initial_accumulator_value"),
    }


def weight_decay():
    lr, momentum, (b1, b2), decay = inputs.RATE, inputs.MOMENTUM, inputs.BETAS, inputs.DECAY
    adamw = optax.adamw(lr, b1, b2, inputs.EPS, weight_decay=decay)
    before = optax.add_decayed_weights(decay)

    def parameters():
        layers = nnx.List([nnx.Linear(1, 1, rngs=nnx.Rngs(0)), nnx.BatchNorm(1, rngs=nnx.Rngs(0))])
        state = jax.tree.map(jnp.ones_like, nnx.state(layers, nnx.Param))
        update, _ = adamw.update(jax.tree.map(jnp.zeros_like, state), adamw.init(state), state)
        return [-update[0]["bias"][...].item(), -update[1]["scale"][...].item()]

    return {
        "sgd": lambda: updates(optax.chain(before, optax.sgd(lr))),
        "momentum": lambda: updates(optax.chain(before, optax.sgd(lr, momentum))),
        "adam": lambda: updates(optax.chain(before, optax.adam(lr, b1, b2, inputs.EPS))),
        "adamw": lambda: updates(adamw),
        "adamw, no gradient": lambda: updates(adamw, gradients=[0.0]),
        "bias and batch norm": parameters,
        "default: adamw": lambda: default(optax.adamw, "weight_decay"),
    }


def normalization():
    batch, small = tensor(inputs.BATCH)[:, None], tensor([inputs.SMALL])
    rngs = nnx.Rngs(0)

    def trained(**options):
        layer = nnx.BatchNorm(1, rngs=rngs, **options)
        return layer, layer(batch)

    def evaluated():
        layer = nnx.BatchNorm(1, rngs=rngs, use_running_average=True)
        layer.mean[...], layer.var[...] = tensor([0.0]), tensor([1e-4])
        return layer(tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: trained()[0].mean[...] / 3,
        "stored variance": lambda: trained(momentum=0.0)[0].var[...],
        "result in training": lambda: trained()[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: nnx.BatchNorm(1, rngs=rngs)(tensor([[2.0]])),
        "layer norm": lambda: nnx.LayerNorm(4, rngs=rngs)(small),
        "group norm": lambda: nnx.GroupNorm(4, 1, rngs=rngs)(small),
        "default: batch norm eps": lambda: default(nnx.BatchNorm, "epsilon"),
        "default: layer norm eps": lambda: default(nnx.LayerNorm, "epsilon"),
        "default: group norm eps": lambda: default(nnx.GroupNorm, "epsilon"),
        "default: instance norm eps": lambda: default(nnx.InstanceNorm, "epsilon"),
        "variance function": lambda: jnp.var(batch),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    return {
        "mse": lambda: optax.squared_error(p, t),
        "l2 loss": lambda: optax.l2_loss(p, t),
        "huber": lambda: optax.huber_loss(p * 4, t * 4, delta=0.5),
        "bce with logits": lambda: optax.sigmoid_binary_cross_entropy(x, t),
        "bce with logits at -200": lambda: optax.sigmoid_binary_cross_entropy(tensor([-200.0]), tensor([1.0])),
        "kl of two distributions": lambda: optax.losses.kl_divergence(jax.nn.log_softmax(p), jax.nn.softmax(x)),
        "cross entropy": lambda: optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([2, 0])),
    }


def activations():
    def dropout():
        return sorted(set(nnx.Dropout(0.2, rngs=nnx.Rngs(0))(jnp.ones(1000, jnp.float32)).tolist()))

    return {
        "gelu": lambda: jax.nn.gelu(tensor([1.0])),
        "leaky relu": lambda: -jax.nn.leaky_relu(tensor([-1.0])),
        "elu": lambda: jax.nn.elu(tensor([-1.0])),
        "celu": lambda: jax.nn.celu(tensor([-1.0]), 2.0),
        "hard sigmoid": lambda: jax.nn.hard_sigmoid(tensor([1.0])),
        "hard swish": lambda: jax.nn.hard_swish(tensor([1.0])),
        "softplus(100)": lambda: jax.nn.softplus(tensor([100.0])),
        "softplus(21) - 21": lambda: jax.nn.softplus(jnp.array([21.0], jnp.float64)) - 21,
        "softmax axis": lambda: jax.nn.softmax(jnp.zeros((2, 3, 4)))[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: nnx.Dropout(0.2, deterministic=True)(jnp.ones(1, jnp.float32)),
        "standard deviation": lambda: jnp.std(tensor([1.0, 2.0, 3.0])),
        "argmax of a tie": lambda: jnp.argmax(tensor([1.0, 1.0])),
        "sign of 0": lambda: jnp.sign(tensor([0.0])),
        "round half": lambda: jnp.round(tensor([0.5, 1.5, 2.5])),
    }


def resizing():
    row, five = (jnp.arange(n, dtype=jnp.float32).reshape(1, n) for n in (4, 5))

    def to(x, n, mode, **options):
        return jax.image.resize(x, (1, n), mode, **options)

    ones = jnp.ones((1, 3, 3, 1), jnp.float32)
    return {
        "bilinear 4 to 8": lambda: to(row, 8, "bilinear"),
        "bilinear 4 to 2": lambda: to(row, 2, "bilinear"),
        "bilinear 5 to 2": lambda: to(five, 2, "bilinear"),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: nnx.avg_pool(ones, (2, 2), (2, 2), ((1, 1), (1, 1)))[0, 0, 0],
    }


def initial_weights():
    rngs = nnx.Rngs(0)

    def found(layer, fan_in, fan_out):
        return describe(np.asarray(layer.kernel[...]), fan_in, fan_out, np.asarray(layer.bias[...]))

    return {
        "dense": lambda: found(nnx.Linear(300, 900, rngs=rngs), 300, 900),
        "convolution": lambda: found(nnx.Conv(32, 96, (3, 3), rngs=rngs), 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(nnx.ConvTranspose(32, 96, (3, 3), rngs=rngs), 32 * 9, 96 * 9),
        "embedding": lambda: describe(np.asarray(nnx.Embed(300, 900, rngs=rngs).embedding[...]), 300, 900),
    }


def spectral_norm():
    def sigmas(update=True):
        layer = nnx.Linear(2, 2, use_bias=False, rngs=nnx.Rngs(0))
        layer.kernel[...] = tensor(inputs.MATRIX).T
        wrapped = nnx.SpectralNorm(layer, rngs=nnx.Rngs(0))
        for path, stat in wrapped.batch_stats.items():
            if path[-1] == "u":
                stat[...] = tensor([inputs.START])
        found = []
        for _ in range(3):
            found.append(2 / wrapped(tensor([[1.0, 0.0]]), update_stats=update)[0, 0].item())
            layer.kernel[...] = tensor(inputs.MATRIX).T  # it was divided in place
        return found

    def stored():
        layer = nnx.Linear(2, 2, use_bias=False, rngs=nnx.Rngs(0))
        layer.kernel[...] = tensor(inputs.MATRIX).T
        wrapped = nnx.SpectralNorm(layer, rngs=nnx.Rngs(0))
        for _ in range(30):
            wrapped(tensor([[1.0, 0.0]]))
        return layer.kernel[...].T

    def transposed():
        layer = nnx.ConvTranspose(1, 2, (1, 2), padding="VALID", use_bias=False, rngs=nnx.Rngs(0))
        kernels = tensor(inputs.MATRIX).T.reshape(1, 2, 1, 2)  # (kh, kw, in, out)
        wrapped = nnx.SpectralNorm(layer, rngs=nnx.Rngs(0))
        for _ in range(30):
            layer.kernel[...] = kernels
            y = wrapped(jnp.ones((1, 1, 1, 1)))
        return 2 / y.max()

    def zeros():
        layer = nnx.Linear(2, 2, use_bias=False, rngs=nnx.Rngs(0))
        layer.kernel[...] = jnp.zeros((2, 2))
        return nnx.SpectralNorm(layer, rngs=nnx.Rngs(0))(jnp.ones((1, 2)))

    return {
        "training": sigmas,
        "evaluation": lambda: sigmas(update=False),
        "stored weight": stored,
        "transposed convolution": transposed,
        "weight of zeros": zeros,
        "default: iterations": lambda: default(nnx.SpectralNorm, "n_steps"),
        "default: epsilon": lambda: default(nnx.SpectralNorm, "epsilon"),
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
    main({"jax": jax.__version__, "optax": optax.__version__, "flax": flax.__version__}, TABLES)
