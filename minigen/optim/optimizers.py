"""SGD, RMSprop, Adam, AdamW: settings, state, and the call of a kernel that does one step.

Names, defaults and numbers are PyTorch's.

Imports: ``optimizer.py``, kernels. Read next: ``kernels/minigen_kernels/reference/optim.py`` for the formulas, then
``schedules.py``.
"""

from __future__ import annotations

from typing import final

import numpy as np

from minigen.device import array_module
from minigen.optim.groups import Parameters
from minigen.optim.multi_tensor import State
from minigen.optim.optimizer import Optimizer
from minigen.optim.settings import check_number
from minigen.shapes import flag
from minigen_kernels import Array, Arrays, KernelSet, for_array


@final
class SGD(Optimizer):
    """Gradient descent: p <- p - lr b, with b <- momentum b + g (Polyak 1964), b = g without momentum.

    `nesterov` takes g + momentum b instead of b (Sutskever et al. 2013). `weight_decay` w adds w p to g.
    """

    takes_lists = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def configure(self, *, momentum: float, nesterov: bool, weight_decay: float) -> None:
        self.momentum = check_number(self._name, "momentum", momentum, high=1)
        self.nesterov = nesterov = flag(self._name, "nesterov", nesterov)
        self.weight_decay = check_number(self._name, "weight_decay", weight_decay)
        if nesterov and not momentum:
            raise ValueError(f"{self._name}: nesterov needs a momentum above 0, got momentum=0")

    def init_state(self, p: Array) -> State:
        return {"momentum_buffer": array_module(p).zeros_like(p)} if self.momentum else {}

    def update(self, p: Arrays, g: Arrays, state: dict[str, Arrays]) -> None:
        buffer = state["momentum_buffer"] if self.momentum else p  # without momentum the kernel leaves it alone
        _kernels(p).sgd_update(p, g, buffer, self.lr, self.momentum, self.nesterov, self.weight_decay)


@final
class RMSprop(Optimizer):
    """Divide the gradient by the root of its mean square (Tieleman and Hinton 2012, lecture 6.5): p <- p - lr d.

    s <- alpha s + (1 - alpha) g^2, d = g / (sqrt(s) + eps), which `momentum` accumulates as in `SGD`. `weight_decay` w
    adds w p to g.
    """

    takes_lists = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)

    def configure(self, *, alpha: float, eps: float, momentum: float, weight_decay: float) -> None:
        self.alpha = check_number(self._name, "alpha", alpha, high=1)
        self.eps = check_number(self._name, "eps", eps, ends="()")
        self.momentum = check_number(self._name, "momentum", momentum, high=1)
        self.weight_decay = check_number(self._name, "weight_decay", weight_decay)

    def init_state(self, p: Array) -> State:
        zeros = array_module(p).zeros_like
        return {"square_avg": zeros(p), "momentum_buffer": zeros(p)} if self.momentum else {"square_avg": zeros(p)}

    def update(self, p: Arrays, g: Arrays, state: dict[str, Arrays]) -> None:
        buffer = state["momentum_buffer"] if self.momentum else p  # without momentum the kernel leaves it alone
        _kernels(p).rmsprop_update(
            p, g, state["square_avg"], buffer, self.lr, self.alpha, self.eps, self.momentum, self.weight_decay
        )


class _AdamFamily(Optimizer):
    """Adam and AdamW, which differ in the weight decay."""

    takes_lists = True
    decoupled: bool

    def configure(self, *, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
        name = self._name
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        self.beta1, self.beta2 = (check_number(name, f"beta{i}", beta, high=1) for i, beta in enumerate(betas, 1))
        self.eps = check_number(name, "eps", eps, ends="()")
        self.weight_decay = check_number(name, "weight_decay", weight_decay)

    @final
    def init_state(self, p: Array) -> State:
        zeros = array_module(p).zeros_like
        return {"m": zeros(p), "v": zeros(p), "step": np.zeros((), np.int64)}

    @final
    def update(self, p: Arrays, g: Arrays, state: dict[str, Arrays]) -> None:
        # The step is counted per parameter: one that was frozen needs the bias correction of its first steps.
        counts = state["step"] if isinstance(p, list) else [state["step"]]
        step = counts[0].item() + 1
        _kernels(p).adam_update(
            p, g, state["m"], state["v"], step, self.lr, self.beta1, self.beta2, self.eps, self.weight_decay,
            self.decoupled,
        )  # fmt: skip
        for count in counts:
            count.fill(step)


@final
class Adam(_AdamFamily):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1): p <- p - lr mhat / (sqrt(vhat) + eps).

    m and v are exponential moving averages of g and g^2 with the decay rates `betas`; mhat and vhat correct their bias
    towards the initial zeros. `weight_decay` w adds w p to g.
    """

    decoupled = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)


@final
class AdamW(_AdamFamily):
    """Adam with decoupled weight decay: first p <- p - lr w p (Loshchilov and Hutter 2019, arXiv:1711.05101).

    In `Adam` the decay is a part of g and so is divided by sqrt(vhat): large gradients make it small.
    """

    decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)


def _kernels(p: Arrays) -> KernelSet:
    return for_array(p[0] if isinstance(p, list) else p)
