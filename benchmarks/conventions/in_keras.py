"""The conventions of Keras 3 on JAX. Where Keras calls its backend, the backend decides; it is the same JAX as beside.

Imports: keras, jax. Read next: ``in_chainer.py``.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"

import inputs  # noqa: E402
import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from adapter import default, describe, main  # noqa: E402
from keras import layers, ops  # noqa: E402
from keras import losses as L  # noqa: E402, N812
from keras import optimizers as O  # noqa: E402, N812


def tensor(values):
    return ops.array(values, "float32")


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
    "max pooling": lambda x: layers.MaxPooling2D(2)(ops.reshape(x, (1, 2, 2, 1))),
    "sort": lambda x: ops.sort(x) * tensor(inputs.SORT_WEIGHTS),
    "median": ops.median,
    "sqrt": ops.sqrt,
    "where around sqrt": lambda x: ops.where(x > 0, ops.sqrt(x), 0.0),
    "norm": ops.norm,
    "norm squared": lambda x: ops.norm(x) ** 2,
    "largest absolute value": lambda x: ops.norm(x, np.inf),
    "power 1": lambda x: ops.power(x, 1.0),
    "power 2": lambda x: ops.power(x, 2.0),
    "product with a zero": ops.prod,
    "product with two zeros": ops.prod,
    "standard deviation": ops.std,
    "logsumexp": ops.logsumexp,
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


def updates(kind, rates=None, gradients=inputs.GRADIENTS, **options):
    """By how much three steps lower a parameter of 1."""
    p = keras.Variable([1.0], dtype="float32", name="p")
    optimizer = kind(inputs.RATE, **options)
    optimizer.build([p])
    lowered = []
    for i, g in enumerate(gradients):
        before = float(p[0])
        if rates:
            optimizer.learning_rate = rates[i]
        optimizer.apply([tensor([g])], [p])
        lowered.append(before - float(p[0]))
    return lowered


def clipped():
    p, g = keras.Variable(np.zeros(2), dtype="float32"), tensor(inputs.TO_CLIP)
    O.SGD(1.0, global_clipnorm=inputs.MAX_NORM).apply([g], [p])
    return -np.array(p) * 1e6


def optimizers():
    momentum, (b1, b2) = inputs.MOMENTUM, inputs.BETAS
    rms = dict(rho=inputs.ALPHA, epsilon=inputs.EPS)
    return {
        "sgd": lambda: updates(O.SGD),
        "momentum": lambda: updates(O.SGD, momentum=momentum),
        "momentum, rate halved": lambda: updates(O.SGD, inputs.RATES, momentum=momentum),
        "nesterov": lambda: updates(O.SGD, momentum=momentum, nesterov=True),
        "rmsprop": lambda: updates(O.RMSprop, **rms),
        "rmsprop with momentum": lambda: updates(O.RMSprop, momentum=momentum, **rms),
        "rmsprop, centred": lambda: updates(O.RMSprop, centered=True, **rms),
        "adam": lambda: updates(O.Adam, beta_1=b1, beta_2=b2, epsilon=inputs.EPS),
        "adam, defaults": lambda: updates(O.Adam),
        "adagrad": lambda: updates(O.Adagrad),
        "clip by norm": clipped,
        "default: adam eps": lambda: default(O.Adam, "epsilon"),
        "default: rmsprop eps": lambda: default(O.RMSprop, "epsilon"),
        "default: rmsprop decay": lambda: default(O.RMSprop, "rho"),
        "default: adagrad start": lambda: default(O.Adagrad, "initial_accumulator_value"),
    }


def weight_decay():
    (b1, b2), decay = inputs.BETAS, dict(weight_decay=inputs.DECAY)
    small = dict(beta_1=b1, beta_2=b2, epsilon=inputs.EPS)

    def parameters():
        model = keras.Sequential([layers.Dense(1), layers.BatchNormalization()])
        model.build((None, 1))
        ps = [model.layers[0].bias, model.layers[1].gamma]
        for p in ps:
            p.assign(ops.ones(1))
        O.AdamW(inputs.RATE, **decay).apply([ops.zeros(1)] * 2, ps)
        return [1 - float(p[0]) for p in ps]

    return {
        "sgd": lambda: updates(O.SGD, **decay),
        "momentum": lambda: updates(O.SGD, momentum=inputs.MOMENTUM, **decay),
        "adam": lambda: updates(O.Adam, **small, **decay),
        "adamw": lambda: updates(O.AdamW, **small, **decay),
        "adamw, no gradient": lambda: updates(O.AdamW, gradients=[0.0], **decay),
        "bias and batch norm": parameters,
        "default: adamw": lambda: default(O.AdamW, "weight_decay"),
    }


def normalization():
    batch, small = tensor(inputs.BATCH)[:, None], tensor([inputs.SMALL])

    def trained(**options):
        layer = layers.BatchNormalization(**options)
        return layer, layer(batch, training=True)

    def evaluated():
        layer = layers.BatchNormalization()
        layer.build((None, 1))
        layer.moving_variance.assign(tensor([1e-4]))
        return layer(tensor([[0.01]]))

    return {
        "weight of the new batch": lambda: np.array(trained()[0].moving_mean) / 3,
        "stored variance": lambda: np.array(trained(momentum=0.0)[0].moving_variance),
        "result in training": lambda: trained(epsilon=1e-5)[1],
        "epsilon in evaluation": evaluated,
        "one value": lambda: layers.BatchNormalization()(tensor([[2.0]]), training=True),
        "layer norm": lambda: layers.LayerNormalization()(small),
        "group norm": lambda: layers.GroupNormalization(1)(small),
        "default: batch norm eps": lambda: default(layers.BatchNormalization, "epsilon"),
        "default: layer norm eps": lambda: default(layers.LayerNormalization, "epsilon"),
        "default: group norm eps": lambda: default(layers.GroupNormalization, "epsilon"),
        "variance function": lambda: ops.var(batch),
    }


def losses():
    p, t, x = tensor(inputs.PREDICTION), tensor(inputs.TARGET), tensor(inputs.LOGITS)
    one, logits = tensor([[1.0]]), dict(from_logits=True)
    return {
        "mse": lambda: L.MeanSquaredError()(t, p),
        "l1": lambda: L.MeanAbsoluteError()(t, p),
        "huber": lambda: L.Huber(delta=0.5)(t * 4, p * 4),
        "bce": lambda: L.BinaryCrossentropy()(t, p),
        "bce at 0": lambda: L.BinaryCrossentropy()(one, tensor([[0.0]])),
        "bce with logits": lambda: L.BinaryCrossentropy(**logits)(t, x),
        "bce with logits at -200": lambda: L.BinaryCrossentropy(**logits)(one, tensor([[-200.0]])),
        "kl of two distributions": lambda: L.KLDivergence()(ops.softmax(x), ops.softmax(p)),
        "cross entropy": lambda: L.SparseCategoricalCrossentropy(**logits)(ops.array([2, 0]), x),
    }


def activations():
    def dropout():
        return sorted(set(np.array(layers.Dropout(0.2, seed=0)(ops.ones(1000), training=True)).tolist()))

    return {
        "gelu": lambda: keras.activations.gelu(tensor([1.0])),
        "leaky relu": lambda: -layers.LeakyReLU()(tensor([-1.0])),
        "elu": lambda: keras.activations.elu(tensor([-1.0])),
        "celu": lambda: keras.activations.celu(tensor([-1.0]), 2.0),
        "hard sigmoid": lambda: keras.activations.hard_sigmoid(tensor([1.0])),
        "hard swish": lambda: keras.activations.hard_swish(tensor([1.0])),
        "softplus(100)": lambda: ops.softplus(tensor([100.0])),
        "softmax axis": lambda: keras.activations.softmax(ops.zeros((2, 3, 4)))[0, 0, :1],
        "dropout": dropout,
        "dropout in evaluation": lambda: layers.Dropout(0.2)(ops.ones(1), training=False),
        "standard deviation": lambda: ops.std(tensor([1.0, 2.0, 3.0])),
        "argmax of a tie": lambda: ops.argmax(tensor([1.0, 1.0])),
        "sign of 0": lambda: ops.sign(tensor([0.0])),
        "round half": lambda: ops.round(tensor([0.5, 1.5, 2.5])),
    }


def resizing():
    row, five = (ops.reshape(ops.arange(n, dtype="float32"), (1, 1, n, 1)) for n in (4, 5))

    def to(x, n, mode, **options):
        return ops.image.resize(x, (1, n), interpolation=mode, **options)

    pool = layers.AveragePooling2D(2, 2, padding="same")
    return {
        "bilinear 4 to 8": lambda: to(row, 8, "bilinear"),
        "bilinear 4 to 2": lambda: to(row, 2, "bilinear"),
        "bilinear 5 to 2": lambda: to(five, 2, "bilinear"),
        "nearest 4 to 6": lambda: to(row, 6, "nearest"),
        "nearest 5 to 3": lambda: to(five, 3, "nearest"),
        "nearest 5 to 2": lambda: to(five, 2, "nearest"),
        "average pooling at the edge": lambda: pool(ops.ones((1, 3, 3, 1)))[0, -1, -1],
    }


def initial_weights():
    keras.utils.set_random_seed(0)

    def found(layer, shape, fan_in, fan_out):
        layer.build(shape)
        return describe(np.array(layer.kernel), fan_in, fan_out, np.array(layer.bias))

    def embedding():
        layer = layers.Embedding(300, 900)
        layer.build()
        return describe(np.array(layer.embeddings), 300, 900)

    image = (None, 8, 8, 32)
    return {
        "dense": lambda: found(layers.Dense(900), (None, 300), 300, 900),
        "convolution": lambda: found(layers.Conv2D(96, 3), image, 32 * 9, 96 * 9),
        "transposed convolution": lambda: found(layers.Conv2DTranspose(96, 3), image, 32 * 9, 96 * 9),
        "embedding": embedding,
    }


def spectral_norm():
    def wrapped(layer, shape, weight):
        wrapper = layers.SpectralNormalization(layer)
        wrapper.build(shape)
        layer.kernel.assign(weight)
        return wrapper

    def sigmas(training=True):
        layer = layers.Dense(2, use_bias=False)
        wrapper = wrapped(layer, (None, 2), tensor(inputs.MATRIX).T)
        wrapper.vector_u.assign(tensor([inputs.START]))
        found = []
        for _ in range(3):
            found.append(2 / float(wrapper(tensor([[1.0, 0.0]]), training=training)[0, 0]))
            layer.kernel.assign(tensor(inputs.MATRIX).T)  # it was divided in place
        return found

    def stored():
        layer = layers.Dense(2, use_bias=False)
        wrapper = wrapped(layer, (None, 2), tensor(inputs.MATRIX).T)
        for _ in range(30):
            wrapper(tensor([[1.0, 0.0]]), training=True)
        return np.array(layer.kernel).T

    def transposed():
        layer = layers.Conv2DTranspose(2, (1, 2), use_bias=False)
        kernels = ops.transpose(ops.reshape(tensor(inputs.MATRIX), (1, 2, 1, 2)), (2, 3, 1, 0))  # (kh, kw, out, in)
        wrapper = wrapped(layer, (None, 1, 1, 1), kernels)
        for _ in range(30):
            layer.kernel.assign(kernels)
            y = wrapper(ops.ones((1, 1, 1, 1)), training=True)
        return 2 / ops.max(y)

    def zeros():
        return wrapped(layers.Dense(2, use_bias=False), (None, 2), ops.zeros((2, 2)))(ops.ones((1, 2)), training=True)

    return {
        "training": sigmas,
        "evaluation": lambda: sigmas(training=False),
        "stored weight": stored,
        "transposed convolution": transposed,
        "weight of zeros": zeros,
        "default: iterations": lambda: default(layers.SpectralNormalization, "power_iterations"),
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
    main({"keras": keras.__version__, "jax": jax.__version__}, TABLES)
