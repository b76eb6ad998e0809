"""Does a backward write into what it is given? Each one on the way is watched, not only the last.

The gradient that arrives may be shared: the sum of two Tensors hands the same one to both. So `gy *= 2` is wrong even
where nobody happens to notice.

Imports: tensor, and the files beside it. Read next: ``verdict.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigen.autograd import Function, Tensor
from minigen.gradcheck.graph import nodes_of


def writes_in_place(ys: Sequence[Tensor], pull_back: Callable[[], object]) -> str:
    """Which backward on the way to `ys` changes what, in words, while `pull_back` runs; "" if none does."""
    found: list[str] = []
    nodes = nodes_of(ys)

    def watched(node: Function) -> Callable[[Tensor, Tensor], object]:
        own = node.backward

        def backward(gy: Tensor, y: Tensor) -> object:
            inputs = [(f"its input {i}", x) for i, x in enumerate(node.inputs) if isinstance(x, Tensor)]
            held = [("gy", gy), *inputs, ("its result y", y)]
            before = [t.data.copy() for _, t in held]
            gxs = own(gy, y)
            for (what, t), old in zip(held, before, strict=True):
                if t.data.shape != old.shape or bool(((t.data != old) & ((t.data == t.data) | (old == old))).any()):
                    found.append(f"{type(node).__name__}.backward changes {what}")
            return gxs

        return backward

    for node in nodes:
        node.__dict__["backward"] = watched(node)
    try:
        pull_back()
    finally:
        for node in nodes:
            del node.__dict__["backward"]
    return found[0] if found else ""
