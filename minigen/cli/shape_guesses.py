"""Guesses for the shapes of inputs: those that the parameters suggest, common ones, combinations for several inputs.

Imports: nn. Read next: ``inputs.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from minigen import nn
from minigen.cli.input_spec import Shape
from minigen.cli.target import Target

SQUARE: Shape = (5, 5)
#: Coprime lengths, so that a wrong factor can be distinguished from a forgotten mean.
GENERIC: tuple[Shape, ...] = ((3, 5), SQUARE, (3, 5, 7), (3, 5, 7, 6), (5,), ())
LARGE: tuple[Shape, ...] = ((3, 5), (3, 5, 7), (3, 5, 7, 6), (5,))
MOST = 2000  # guesses


def shape_guesses(target: Target) -> Iterator[tuple[Shape, ...]]:
    """Shapes for all inputs of a target, each guess once, the likely ones first."""
    seen = set()
    for guess in itertools.islice(_all_guesses(target), MOST):
        if guess not in seen:
            seen.add(guess)
            yield guess


def _all_guesses(target: Target) -> Iterator[tuple[Shape, ...]]:
    count = len(target.required) or 1
    few = GENERIC if count == 1 else LARGE[:3]
    for shape in (*_from_parameters(target), *few):
        yield (shape,) * count
    if count > 1:
        for large in LARGE:
            for others in itertools.product(_companion_shapes(large), repeat=count - 1):
                yield (large, *others)
                yield (*others, large)
        for shape in ((5,), (), SQUARE):  # a square comes last, since it hides a missing transposition
            yield (shape,) * count


def _from_parameters(target: Target) -> Iterator[Shape]:
    """Shapes that the first parameters of a Module suggest."""
    parameters = target.source.parameters() if isinstance(target.source, nn.Module) else []
    for p in parameters[:2]:
        batch = 3 if 3 not in p.shape else 5  # so that axes cannot be confused
        if p.ndim == 4:  # (out, in, kh, kw), or of a transposed convolution (in, out, kh, kw)
            side = max(p.shape[2:]) + 2
            yield from ((batch, channels, side + 1, side) for channels in (p.shape[1], p.shape[0]))
        elif p.ndim == 2:  # (out, in), or (in, out); of a sequence (N, T, in)
            for features in (p.shape[1], p.shape[0]):
                yield from ((batch, features), (batch, 7, features))
        elif p.ndim == 1:  # a scale for each feature or channel
            yield from ((batch, p.shape[0]), (batch, p.shape[0], 7, 6), (batch, 7, p.shape[0]))
        elif p.ndim > 0:
            yield (batch, *p.shape)


def _companion_shapes(large: Shape) -> tuple[Shape, ...]:
    """Shapes of a second input: a vector along an axis, a number, a matrix, a kernel, or the same shape."""
    n, last = large[0], large[-1]
    shapes: list[Shape] = [(last,), large, (), (4, last), (last, 4), (4,), (1,), (n,), large[1:], (last, last)]
    if len(large) > 2:
        shapes += [(large[1],), (1, large[1], *(1,) * (len(large) - 2))]
    if len(large) == 4:
        shapes += [(4, large[1], 3, 3), (large[1], 4, 3, 3)]
    return tuple(dict.fromkeys([*shapes, (n, *(1,) * (len(large) - 1))]))
