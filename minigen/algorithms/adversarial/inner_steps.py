"""Differentiable steps of SGD and Adam, for inner loops.

`optim` changes parameters in place. Here a step gives new Tensors that are functions of weights and gradients, so a
loss after the step can be differentiated in whatever the gradient depended on.

Imports: autograd, ops, optim. Read next: ``unrolled.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigen import ops, optim
from minigen.autograd import Tensor

State = Mapping[str, Any]  # of an optimizer for one parameter: Tensors, and Adam's count of steps

#: Inside the root of Adam: where a gradient is 0, that of the root would be infinite. Far below its epsilon of 1e-8.
_TINY = 1e-30


def optimizer_states(optimizer: optim.Optimizer) -> list[State]:
    """The optimizer's state for each of its parameters now, as constants. ValueError if it is not SGD or Adam."""
    if not isinstance(optimizer, (optim.SGD, optim.Adam, optim.AdamW)):
        raise ValueError(f"no differentiable step is written for {type(optimizer).__name__}; use sgd, adam or adamw")
    return [
        {name: int(array) if name == "step" else Tensor(array) for name, array in state.items()}
        for state in optimizer.states
    ]


def step(
    optimizer: optim.Optimizer, weights: Sequence[Tensor], gradients: Sequence[Tensor], states: Sequence[State]
) -> tuple[list[Tensor], list[State]]:
    """The weights after a step of the optimizer along these gradients, and its states after that."""
    rule = _sgd if isinstance(optimizer, optim.SGD) else _adam
    each = zip(weights, gradients, states, strict=True)
    updated = [rule(optimizer.settings_of(i), p, g, s) for i, (p, g, s) in enumerate(each)]
    return [p for p, _ in updated], [s for _, s in updated]


def clip_by_norm(gradients: Sequence[Tensor], limit: float) -> list[Tensor]:
    """The gradients, all of them scaled by one factor if their joint norm is above `limit` (`clip_grad_norm`)."""
    squares = [ops.sum(g * g) for g in gradients]
    norm = ops.sqrt(sum(squares[1:], squares[0]) + _TINY)
    factor = ops.minimum(limit / (norm + 1e-6), 1.0)
    return [g * factor for g in gradients]


def _sgd(o: Any, p: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
    """b <- momentum b + g; p <- p - lr b."""
    if o.weight_decay:
        g = g + p * o.weight_decay
    if not o.momentum:
        return p - g * o.lr, state
    b = state["momentum_buffer"] * o.momentum + g
    return p - (g + b * o.momentum if o.nesterov else b) * o.lr, {"momentum_buffer": b}


def _adam(o: Any, p: Tensor, g: Tensor, state: State) -> tuple[Tensor, State]:
    """m, v <- the running means of g and g^2; p <- p - lr mhat / (sqrt(vhat) + eps)."""
    k = state["step"] + 1
    if o.decoupled:
        p = p * (1 - o.lr * o.weight_decay)
    elif o.weight_decay:
        g = g + p * o.weight_decay
    m = state["m"] * o.beta1 + g * (1 - o.beta1)
    v = state["v"] * o.beta2 + g * g * (1 - o.beta2)
    root = ops.sqrt(v * (1 / (1 - o.beta2**k)) + _TINY)
    return p - m * (o.lr / (1 - o.beta1**k)) / (root + o.eps), {"m": m, "v": v, "step": k}
