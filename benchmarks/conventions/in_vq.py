"""Vector quantisation in two packages: ``python in_vq.py quantisation PACKAGE``, vector-quantize-pytorch or dm-haiku.

Imports: the package. Read next: ``table_quantisation.py``.
"""

from __future__ import annotations

import inspect
import sys
from importlib.metadata import version

import inputs
import numpy as np
from adapter import main

PACKAGE = sys.argv[-1]


def in_torch():
    import torch
    from vector_quantize_pytorch import VectorQuantize

    def quantised(**options):
        book = VectorQuantize(2, 2, **options)
        book._codebook.embed.data.copy_(torch.tensor([inputs.ENTRIES]))
        z = torch.tensor([[inputs.VECTOR] * 4], requires_grad=True)
        entries, _, loss = book(z, freeze_codebook=True)
        (g,) = torch.autograd.grad((entries * torch.tensor(inputs.COTANGENT)).sum(), z, retain_graph=True)
        return entries[0, 0], g[0, 0], loss

    return {
        "result": lambda: quantised()[0].round(decimals=5),
        "gradient": lambda: quantised()[1].round(decimals=5),
        "gradient, rotation": lambda: quantised(rotation_trick=True)[1].round(decimals=5),
        "commitment": lambda: quantised()[2],
        "weight": lambda: inspect.signature(VectorQuantize).parameters["commitment_weight"].default,
        "decay": lambda: inspect.signature(VectorQuantize).parameters["decay"].default,
    }


def in_haiku():
    import haiku as hk
    import jax
    import jax.numpy as jnp

    z = jnp.array([inputs.VECTOR] * 4)

    def quantised(z, weight):
        book = hk.nets.VectorQuantizer(2, 2, weight)
        return book(z, is_training=True)

    net = hk.transform(quantised)
    parameters = jax.tree.map(lambda _: jnp.array(inputs.ENTRIES).T, net.init(jax.random.key(0), z, 1.0))

    def loss(weight):
        return net.apply(parameters, None, z, weight)["loss"]

    def gradient():
        f = lambda z: (net.apply(parameters, None, z, 1.0)["quantize"] * jnp.array(inputs.COTANGENT)).sum()  # noqa: E731
        return jax.grad(f)(z)[0]

    return {
        "result": lambda: net.apply(parameters, None, z, 1.0)["quantize"][0],
        "gradient": gradient,
        "commitment": lambda: np.array(loss(2.0) - loss(1.0)),
        "weight": lambda: "must be given",
        "decay": lambda: "must be given",
    }


if __name__ == "__main__":
    main({PACKAGE: version(PACKAGE)}, {"quantisation": in_haiku if PACKAGE == "dm-haiku" else in_torch})
