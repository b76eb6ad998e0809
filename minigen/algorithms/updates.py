"""What every update does at its end: take the gradients of a loss, clip them, and move the parameters that it may move.

A model with several networks makes several updates in a step, each with a loss and an optimizer of its own. `Updates`
keeps them apart: a loss moves the parameters of the optimizer of its name and no others, along the gradient of that
loss alone, so none can go stale.

Where a batch is cut into replicas, the gradient is the mean of theirs (``minigen/distributed``).

Imports: nn, optim, distributed. Read next: ``autoencoders/build.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from minigen import nn, optim
from minigen.autograd import Tensor, grad
from minigen.distributed.replicas import Replica
from minigen_kernels import Array


class Updates:
    """The optimizers of an experiment by the names of their losses; called, it makes one update.

    ``updates("generator", loss)`` differentiates `loss` in the parameters of the optimizer "generator", and steps it.
    `clip_norm` limits the norm of each such gradient (0: no limit). `watch`, if set, is called with name and loss
    before the parameters move, and what it returns after that: ``routing.py`` looks there at where gradients flow.
    `replica` is the part of the batch that this experiment computes, if there are others.
    """

    def __init__(self, optimizers: dict[str, optim.Optimizer], *, clip_norm: float = 0.0) -> None:
        self.optimizers, self.clip_norm = optimizers, clip_norm
        self.watch: Callable[[str, Tensor], Callable[[], None]] | None = None
        self.replica: Replica | None = None

    def __call__(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        moved = None if self.watch is None else self.watch(name, loss)
        gradients = grad(loss, optimizer.params)
        if self.replica is not None:
            gradients = tuple(map(Tensor, self.replica.mean([g.data for g in gradients])))
        for p, g in zip(optimizer.params, gradients, strict=True):
            p.grad = g
        if self.clip_norm:
            optim.clip_grad_norm(optimizer.params, self.clip_norm)
        optimizer.step()
        if moved is not None:
            moved()

    def total(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """The sums of arrays over all replicas: for what a step learns of a batch by other means than a gradient."""
        return arrays if self.replica is None else self.replica.total(arrays)

    @property
    def part(self) -> tuple[int, int]:
        """Which part of the batch this experiment computes, and of how many."""
        return (0, 1) if self.replica is None else (self.replica.number, self.replica.count)


def make_optimizer(
    name: str, modules: nn.Module | Iterable[nn.Module], lr: float, *, betas: tuple[float, float] = (0.9, 0.999)
) -> optim.Optimizer:
    """The optimizer of that name over all parameters of one Module or several that are not frozen.

    "sgd" has momentum 0.9; `betas` are Adam's and AdamW's.
    """
    several = [modules] if isinstance(modules, nn.Module) else modules
    parameters = [p for module in several for p in module.parameters() if p.requires_grad]
    if name == "sgd":
        return optim.SGD(parameters, lr=lr, momentum=0.9)
    if name == "rmsprop":
        return optim.RMSprop(parameters, lr=lr)
    if name == "adamw":
        return optim.AdamW(parameters, lr=lr, betas=betas)
    return optim.Adam(parameters, lr=lr, betas=betas)


def make_schedule(name: str, optimizers: Iterable[optim.Optimizer], steps: int) -> Callable[[int], None]:
    """A function that sets the optimizers' learning rates for step k of `steps`."""
    make_rate: Callable[[float], Callable[[int], float]] = {
        "constant": optim.constant_schedule,
        "step": lambda lr: optim.step_schedule(lr, max(1, -(-steps // 3))),
        "cosine": lambda lr: optim.cosine_schedule(lr, steps),
        "exponential": lambda lr: optim.exponential_schedule(lr, 0.01 ** (1 / max(1, steps))),
    }[name]
    rates = [(optimizer, make_rate(optimizer.lr)) for optimizer in optimizers]

    def schedule(k: int) -> None:
        for optimizer, rate in rates:
            optimizer.lr = rate(k)

    return schedule
