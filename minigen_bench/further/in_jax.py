"""Inference and the check of a gradient in JAX.

Imports: JAX, images, jax_tools. Read next: ``minigen_bench/harness.py``.
"""

from __future__ import annotations

from typing import Any

import jax
from jax.test_util import check_grads

from minigen_bench.images.in_jax import IMAGE_FEATURES as OF_IMAGES
from minigen_bench.images.in_jax import decoder, encoder
from minigen_bench.jax_tools import Tree, conv


def encode(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    return state, encoder(state["network"]["p"], x, 3)


def decode(state: Tree, z: Any, _: Any) -> tuple[Tree, Any]:
    return state, (jax.nn.sigmoid(decoder(state["network"]["p"], z, 3)),)


def gradcheck(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    """Not compiled: it compares numbers. `check_grads` raises for a gradient that is wrong along a random direction."""
    layer = jax.jit(lambda p, x: conv(p, "layer", x, padding=1))
    check_grads(layer, (state["network"]["p"], x), order=1, modes=["rev"])
    return state, (1.0,)


STEPS = {"encode": encode, "decode": decode, "gradcheck": gradcheck}
IMAGE_FEATURES = {"encode": OF_IMAGES["conv-vae"], "decode": OF_IMAGES["conv-vae"]}
