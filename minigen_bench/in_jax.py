"""A step in JAX, ready to be taken: one compiled function a step, buffers donated; a process that measures it.

Imports: JAX, NumPy, the families, steps, worker. Read next: ``harness.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from minigen_bench.adversarial import in_jax as adversarial
from minigen_bench.dense import in_jax as dense
from minigen_bench.further import in_jax as further
from minigen_bench.images import in_jax as images
from minigen_bench.jax_tools import Tree, is_statistic, own_layout, start
from minigen_bench.steps import STEPS
from minigen_bench.worker import Order, as_number, work

NETWORKS: dict[str, Any] = {**dense.STEPS, **images.STEPS, **adversarial.STEPS, **further.STEPS}
IMAGE_FEATURES = {
    **dense.IMAGE_FEATURES, **images.IMAGE_FEATURES, **adversarial.IMAGE_FEATURES, **further.IMAGE_FEATURES
}  # fmt: skip


class Training:
    """One of the steps, with the weights that minigen starts from."""

    def __init__(self, name: str, batch: int, weights: dict[str, Any]) -> None:
        self.definition, self.key = STEPS[name], jax.random.key(2)
        jax.config.update("jax_enable_x64", self.definition.dtype == "float64")
        network = self.definition.network or name
        self.data = [jnp.asarray(_image(x)) for x in self.definition.data(batch)]
        features = IMAGE_FEATURES.get(network, {})
        own = {k: jnp.array(np.ascontiguousarray(own_layout(k, w, features))) for k, w in weights.items()}
        self.state = self._begin(own)
        update = NETWORKS[network]

        def draw_and_update(state: Tree, data: Any, key: Any) -> tuple[Tree, Any, Any]:
            key, *keys = jax.random.split(key, 1 + len(self.definition.noise))
            draws = [(getattr(jax.random, kind), shape) for kind, shape in self.definition.noise]
            noise = [draw(k, (batch, *shape), self.definition.dtype) for k, (draw, shape) in zip(keys, draws)]
            state, losses = update(state, *data, *noise)
            return state, key, losses

        self._update = jax.jit(lambda state, data, noise: update(state, *data, *noise), donate_argnums=0)
        self._step = jax.jit(draw_and_update, donate_argnums=0)

    def _begin(self, weights: Tree) -> Tree:
        """The state before the first step: weights and Adam's moments of each network that is trained by itself."""
        stats = {k: w for k, w in weights.items() if is_statistic(k)}
        groups = {name.partition(".")[0] for name in weights} & {"generator", "discriminator"} or {""}
        state: Tree = {}
        for group in groups:
            p = {k: w for k, w in weights.items() if k not in stats and k.startswith(group)}
            state[group or "network"] = start(p) if self.definition.trains else {"p": p}
        return {**state, "stats": stats} if stats else state

    def losses(self, noise: Sequence[Any]) -> list[float]:
        """One update with noise that is given."""
        self.state, losses = self._update(self.state, self.data, list(noise))
        return [as_number(loss) for loss in losses]

    def step(self) -> None:
        """One update with noise of its own."""
        self.state, self.key, self.results = self._step(self.state, self.data, self.key)

    def wait(self) -> None:
        """Return when all steps are done."""
        jax.block_until_ready((self.state, self.results))

    def remark(self) -> str:
        """What a reader has to know."""
        return ""

    def versions(self) -> dict[str, str]:
        """Of the libraries that do the work."""
        return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}


def _image(x: Any) -> Any:
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def build(order: Order) -> Training:
    """The step, from minigen's weights."""
    return Training(order.step, order.batch, order.read_weights())


if __name__ == "__main__":
    work(build)
