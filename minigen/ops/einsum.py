"""einsum: sums of products of several arrays, written with a letter for each axis.

It is made of operations that are there already, and so has derivatives of any order: each operand is brought to axes of
different letters (a diagonal), loses those that no one else names (a sum), and then they are multiplied one after the
other: element by element, or if letters are summed over, as a stack of matrix products.

Imports: autograd. Read next: ``conv.py``.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence

from minigen.autograd import Tensor, as_tensor
from minigen.device import array_module
from minigen.ops.indexing import getitem
from minigen.ops.linalg import matmul
from minigen.ops.reduce import broadcast_to, sum
from minigen.ops.shape import reshape, transpose


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """The sum of products that `subscripts` says: ``einsum("bij,bjk->bik", x, y)`` is ``x @ y``.

    A letter stands for an axis; axes of one letter have one length (or 1, which is repeated). Letters that are missing
    behind the arrow are summed over. A letter twice in one operand is its diagonal: ``"ii->"`` is the trace. ``...``
    stands for any further axes, which are broadcast. Without an arrow the result has the letters that occur once, in
    the order of the alphabet, behind the axes of ``...``. As in NumPy and PyTorch. Operands are multiplied from left to
    right: put those first whose product is small.
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: the first argument is a text such as 'ij,jk->ik', got {subscripts!r}")
    tensors = [as_tensor(x) for x in operands]
    terms, result = _parsed(subscripts, [x.shape for x in tensors])
    lengths = _lengths(subscripts, terms, [x.shape for x in tensors])
    pairs = []
    for i, (x, letters) in enumerate(zip(tensors, terms, strict=True)):
        others = "".join([result, *terms[:i], *terms[i + 1 :]])
        pairs.append(_alone(*_without_ones(*_diagonal(x, letters), lengths), others))
    y, letters = pairs[0]
    for i, (x, more) in enumerate(pairs[1:], 1):
        needed = "".join([result, *(letters for _, letters in pairs[i + 1 :])])
        y, letters = _product(y, letters, x, more, needed)
    y, letters = _alone(y, letters, result)
    # A letter whose only axes had length 1 beside longer ones, or which no operand kept, is repeated.
    missing = [c for c in result if c not in letters]
    y = reshape(y, (*y.shape, *(1 for _ in missing)))
    y = transpose(y, [(letters + "".join(missing)).index(c) for c in result])
    return broadcast_to(y, tuple(lengths[c] for c in result))


def _parsed(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """A letter for each axis of each operand, and those of the result; capital or small, `...` made letters too."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} operands, got {len(shapes)}")
    free = [c for c in string.ascii_letters if c not in text]
    widths = []
    for term, shape in zip(terms, shapes, strict=True):
        letters = term.replace("...", "", 1)
        if not all(c in string.ascii_letters for c in letters + result.replace("...", "", 1)):
            raise ValueError(f"einsum: {subscripts!r} may have letters, ',', '->', and one '...' in each operand")
        further = len(shape) - len(letters)
        if further < 0 or (further and letters == term):
            raise ValueError(f"einsum: {term!r} in {subscripts!r} names {len(letters)} axes, the operand is {shape}")
        widths.append(further if letters != term else 0)
    most = max(widths)
    if most > len(free):
        raise ValueError(f"einsum: {subscripts!r} needs more letters than there are for shapes {list(shapes)}")
    dots = "".join(free[:most])
    full = [t.replace("...", dots[most - width :]) for t, width in zip(terms, widths, strict=True)]
    if not arrow:
        named = "".join(terms)
        result = "..." + "".join(sorted(c for c in set(named) if c != "." and named.count(c) == 1))
    result = result.replace("...", dots)
    for c in result:
        if result.count(c) > 1 or not any(c in term for term in full):
            raise ValueError(f"einsum: {c!r} in the result of {subscripts!r} has to be the letter of one axis, once")
    return full, result


def _lengths(subscripts: str, terms: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The length of the axis of each letter. A length of 1 is repeated."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for c, n in zip(term, shape, strict=True):
            known = lengths.setdefault(c, n)
            if known == 1:
                lengths[c] = n
            elif n not in (1, known):
                raise ValueError(f"einsum: {c!r} of {subscripts!r} is {known} and {n} long in shapes {list(shapes)}")
    return lengths


def _diagonal(x: Tensor, letters: str) -> tuple[Tensor, str]:
    """Axes of one letter made one: their diagonal, in front."""
    for c in dict.fromkeys(letters):
        axes = [i for i, other in enumerate(letters) if other == c]
        if len(axes) > 1:
            lengths = {x.shape[i] for i in axes}
            if len(lengths) > 1:
                raise ValueError(f"einsum: an operand of shape {x.shape} has no diagonal along axes {axes}")
            rest = [i for i in range(x.ndim) if i not in axes]
            places = array_module(x.data).arange(lengths.pop())
            x = getitem(transpose(x, (*axes, *rest)), (places,) * len(axes))
            letters = c + "".join(letters[i] for i in rest)
    return x, letters


def _without_ones(x: Tensor, letters: str, lengths: dict[str, int]) -> tuple[Tensor, str]:
    """Without axes of length 1 that are longer elsewhere: a product repeats what lacks an axis anyway."""
    kept = [i for i, c in enumerate(letters) if x.shape[i] == lengths[c]]
    return reshape(x, tuple(x.shape[i] for i in kept)), "".join(letters[i] for i in kept)


def _alone(x: Tensor, letters: str, others: str) -> tuple[Tensor, str]:
    """Summed over the letters that nobody else names."""
    axes = tuple(i for i, c in enumerate(letters) if c not in others)
    return (sum(x, axes), "".join(c for c in letters if c in others)) if axes else (x, letters)


def _product(a: Tensor, of_a: str, b: Tensor, of_b: str, needed: str) -> tuple[Tensor, str]:
    """a b, summed over the letters of both that are not `needed`: a stack of matrix products, or element by element."""
    size = dict(zip(of_a + of_b, a.shape + b.shape, strict=True))
    shared = [c for c in of_a if c in of_b]
    stack, inner = [c for c in shared if c in needed], [c for c in shared if c not in needed]
    rows, columns = [c for c in of_a if c not in of_b], [c for c in of_b if c not in of_a]

    def arranged(x: Tensor, letters: str, *groups: Sequence[str]) -> Tensor:
        """x with an axis for each group of letters; an axis of length 1 for those that it has not."""
        x = transpose(x, [letters.index(c) for group in groups for c in group if c in letters])
        return reshape(x, tuple(math.prod(size[c] for c in group if c in letters) for group in groups))

    order = [*stack, *rows, *columns]
    if inner:
        of_stack = [[c] for c in stack]  # each an axis of its own: so no operand needs to be copied for them
        y = matmul(arranged(a, of_a, *of_stack, rows, inner), arranged(b, of_b, *of_stack, inner, columns))
        return reshape(y, tuple(size[c] for c in order)), "".join(order)
    return arranged(a, of_a, *order) * arranged(b, of_b, *order), "".join(order)


__all__ = ["einsum"]
