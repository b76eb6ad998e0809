"""Inference in JAX; it has no check of a gradient that looks at each element.

Imports: JAX, images, jax_tools. Read next: ``minigen_bench/harness.py``.
"""

from __future__ import annotations

from typing import Any

import jax

from minigen_bench.images.in_jax import IMAGE_FEATURES as OF_IMAGES
from minigen_bench.images.in_jax import decoder, encoder
from minigen_bench.jax_tools import Tree


def encode(state: Tree, x: Any, _: Any) -> tuple[Tree, Any]:
    return state, encoder(state["network"]["p"], x, 3)


def decode(state: Tree, z: Any, _: Any) -> tuple[Tree, Any]:
    return state, (jax.nn.sigmoid(decoder(state["network"]["p"], z, 3)),)


STEPS = {"encode": encode, "decode": decode}
IMAGE_FEATURES = {"encode": OF_IMAGES["conv-vae"], "decode": OF_IMAGES["conv-vae"]}
