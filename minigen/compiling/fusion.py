"""Fusion: leaky ReLU (and ReLU) joins the kernel before it, as in `nn.Sequential`, wherever a step calls it.

``ops.relu(bn(conv(x)))`` and ``lambda x: ops.leaky_relu(x, 0.2)`` are kernels of their own. The list of calls shows
that nothing else looks at what they are given; then the kernel that made it ends in the activation, and so does its
gradient where that gets the result, at one pass over memory less each. Where a gradient is summed by another kernel,
the sums of the fused one would have other bits, so it stays. That the bits are the same is not trusted: a step is
compared, as every recording is. (The kernels disregard the sign of zero: relu(-0.0) may be 0.0 or -0.0.)

The signs of a leaky ReLU's result are those of its argument, for slopes from 0. So the kernels' gradients, which ask
for signs, may look at the result instead.

Imports: trace. Read next: ``program.py``.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigen.compiling.calls import Call, Ref, pairs, refs_in, renamed
from minigen.compiling.trace import Trace

_VIEWS = (operator.getitem, np.ndarray.reshape, np.ndarray.transpose)


class _Graph:
    """The calls of a trace, and who makes and who uses an array."""

    def __init__(self, trace: Trace, outputs: Iterable[int]) -> None:
        self.calls: list[Call | None] = list(trace.calls)
        self.kept = set(outputs)
        self._trace = trace
        self.maker: dict[int, int] = {}
        self.users: dict[int, list[int]] = {}
        self.like: dict[int, Any] = {}
        for i, call in enumerate(trace.calls):
            for ref in refs_in((call.args, call.kwargs)):
                self.users.setdefault(ref, []).append(i)
            for ref, like in pairs(call.result, call.like):
                self.maker[ref], self.like[ref] = i, like

    def views(self, ref: int) -> set[int]:
        """`ref` and all that are the same numbers in another shape."""
        found, stack = {ref}, [ref]
        while stack:
            for i in self.users.get(stack.pop(), ()):
                call = self.calls[i]
                if call is not None and call.function in _VIEWS and isinstance(call.result, Ref):
                    if call.result.number not in found:
                        found.add(call.result.number)
                        stack.append(call.result.number)
        return found

    def root(self, ref: int) -> int:
        """What `ref` is a view of."""
        while ref in self.maker:
            call = self.calls[self.maker[ref]]
            if call is None or call.function not in _VIEWS:
                break
            ref = call.args[0].number
        return ref

    def uses(self, refs: Iterable[int]) -> set[int]:
        """The calls that use these, but for views of them."""
        each = {i for ref in refs for i in self.users.get(ref, ())}
        return {i for i in each if (call := self.calls[i]) is not None and call.function not in _VIEWS}

    def are_changed(self, refs: set[int]) -> bool:
        """Whether the step changes any of these in place."""
        return any(self._trace.memory[ref] in self._trace.changed for ref in refs)


def fused(trace: Trace, outputs: Iterable[int]) -> tuple[list[Call], dict[int, int]]:
    """The calls with activations fused, and which arrays stand for which that are no longer made."""
    graph, names = _Graph(trace, outputs), dict[int, int]()
    for i, call in enumerate(trace.calls):
        slope = _slope(call)
        if slope is not None and graph.calls[i] is not None:
            _fuse(graph, names, i, slope)
    return [_renamed(call, names) for call in graph.calls if call is not None], names


def _fuse(graph: _Graph, names: dict[int, int], at: int, slope: float) -> None:
    """Fuse the activation that is the call `at`, if nothing speaks against it."""
    call = graph.calls[at]
    assert call is not None
    z, a = call.args[0].number, call.result.number
    root = graph.root(z)
    maker = graph.calls[graph.maker[root]] if root in graph.maker else None
    ended = None if maker is None else _ended(maker, root, slope)
    views = graph.views(root)
    if ended is None or not graph.kept.isdisjoint(views) or graph.are_changed(views | {a}):
        return
    if graph.like[z] != graph.like[a]:
        return
    gradients = []
    for i in graph.uses(views) - {at}:
        user = graph.calls[i]
        assert user is not None
        if _is_backward(user, views, slope):
            gradients.append(i)
        elif _ended_gradient(user, views, slope) is None:
            return
    graph.calls[graph.maker[root]], graph.calls[at], names[a] = ended, None, z
    for i in gradients:
        _fuse_gradient(graph, names, i, views, slope)


def _fuse_gradient(graph: _Graph, names: dict[int, int], at: int, views: set[int], slope: float) -> None:
    """Fuse the gradient of an activation, the call `at`, into that of what was before the activation."""
    call = graph.calls[at]
    assert call is not None
    if not isinstance(call.args[0], Ref) or not isinstance(call.result, Ref):
        return
    ga, gz = call.args[0].number, call.result.number
    same = graph.views(gz)
    users = graph.uses(same)
    if len(users) != 1 or not graph.kept.isdisjoint(same) or graph.are_changed(same | {ga}):
        return
    if graph.like.get(ga) != graph.like[gz]:
        return
    (user,) = users
    kernel = graph.calls[user]
    assert kernel is not None
    ended = _ended_gradient(kernel, views, slope)
    if ended is None or not set(refs_in(kernel.args[0])) <= same or not set(refs_in(kernel.args[1:])).isdisjoint(same):
        return
    graph.calls[user], graph.calls[at], names[gz] = ended, None, ga


def _slope(call: Call) -> float | None:
    """The slope of a leaky ReLU from 0; None for other calls."""
    if (
        not isinstance(call.result, Ref)
        or call.error_state
        or call.kwargs
        or not call.args
        or not isinstance(call.args[0], Ref)
    ):
        return None
    if call.function is np.maximum and type(call.args[1]) is int and call.args[1] == 0:
        return 0.0
    slope = call.args[1] if _is_kernel(call.function, "leaky_relu") else None
    return slope if isinstance(slope, float) and 0 <= slope < math.inf else None


def _is_backward(call: Call, views: set[int], slope: float) -> bool:
    """Whether it is the gradient of this activation, which looks at the signs of what is in `views`."""
    if not _is_kernel(call.function, "leaky_relu_backward") or call.kwargs:
        return False
    gy, x, own = call.args
    return isinstance(x, Ref) and x.number in views and own == slope and views.isdisjoint(refs_in(gy))


def _ended(call: Call, root: int, slope: float) -> Call | None:
    """A call of a kernel that makes `root`, with a leaky ReLU at its end; None if it has none, or another one."""
    first = call.result if isinstance(call.result, Ref) else call.result[0]
    if not isinstance(first, Ref) or first.number != root or call.changes:
        return None
    given = _bound(call)
    if given is None or "gy" in given.arguments:
        return None
    return (
        _with_slope(call, given, slope) if isinstance(call.result, Ref) or "running_mean" in given.arguments else None
    )


def _ended_gradient(call: Call, views: set[int], slope: float) -> Call | None:
    """A call of a kernel that is the gradient of `_ended`'s: it gets `gy` and the result, `y`, of which it is told."""
    given = _bound(call)
    if given is None or list(given.arguments)[:2] != ["gy", "y"]:
        return None
    others = [x for name, x in given.arguments.items() if name != "y"]
    if not set(refs_in(given.arguments["y"])) <= views or not views.isdisjoint(refs_in(others)):
        return None
    return _with_slope(call, given, slope)


def _with_slope(call: Call, given: inspect.BoundArguments, slope: float) -> Call | None:
    arguments = given.arguments
    if arguments.get("activation") == "identity" and arguments.get("b", 0) is not None:
        arguments |= {"activation": "leaky_relu", "slope": slope}
    elif "activation" not in arguments and arguments.get("slope") == 1.0:
        arguments["slope"] = slope
    else:
        return None
    return dataclasses.replace(call, args=given.args, kwargs=given.kwargs)


def _bound(call: Call) -> inspect.BoundArguments | None:
    """The arguments of a kernel by their names, defaults included; None for what is no kernel."""
    if not str(getattr(call.function, "__module__", "")).startswith("minigen_kernels."):
        return None
    given = inspect.signature(call.function).bind(*call.args, **call.kwargs)
    given.apply_defaults()
    return given


def _is_kernel(function: Callable[..., Any], name: str) -> bool:
    return function.__name__ == name and function.__module__.startswith("minigen_kernels.")


def _renamed(call: Call, names: dict[int, int]) -> Call:
    return dataclasses.replace(call, args=_with_names(call.args, names), kwargs=_with_names(call.kwargs, names))


def _with_names(x: Any, names: dict[int, int]) -> Any:
    if isinstance(x, Ref):
        return Ref(renamed(x.number, names))
    if type(x) in (tuple, list):
        return type(x)(_with_names(part, names) for part in x)
    return {key: _with_names(part, names) for key, part in x.items()} if type(x) is dict else x
